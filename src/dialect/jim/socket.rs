//! The socket: who is logged in, and what each command does.

use std::sync::Arc;

use crate::dialect::jim::decode::{self, Asked, Contacts, Said, Session, decode, is_beat};
use crate::dialect::jim::encode::{self, Keep, put_status};
use crate::dialect::jim::status::{self, Status};
use crate::dialect::socket::{Endpoint, SocketContext, SocketStep, Turnstile};
use crate::dialect::{Ask, Outcome, Settings};
use crate::domain::account::Account;
use crate::domain::command::{Command, Peer, Refusal, Reply, Send};
use crate::domain::desk::{KeptToken, Lookup, SessionMemo};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::domain::member::ReadMark;
use crate::domain::message::Dialect;
use crate::domain::query::{Answer, Contact, ContactFilter, ContactList, MessagePage, Query};
use crate::domain::token::TokenHash;
use crate::domain::view::Other;
use crate::limits::{
    CONTACT_MESSAGES_MAX, CONTACTS_MAX, LIST_ROWS_MAX, RECENT_MS, TOKEN_BYTES_MAX,
};
use crate::proto::http::target::pairs;
use crate::proto::ws::close;

/// A client's socket.
pub struct Jim {
    /// Who is logged in; `None` before that and when it failed.
    account: Option<Arc<Account>>,
    /// The token that it was opened with.
    token: Option<KeptToken>,
}

/// A frame, understood.
pub struct Incoming(Asked);

/// A command that waits.
pub struct Call(Next);

enum Next {
    /// With the session of the connection's token: attach.
    Session,
    /// With the socket attached: say so.
    Attached,
    /// With the session of a token: whether it is the connection's user.
    Token(u8),
    /// With the message stored: whether it is delivered.
    Said,
    Joined(Arc<str>),
    Left,
    Recalled,
    Contacts(Contacts),
    /// With what is unread: mark it.
    Unread {
        is_group: bool,
        mark: bool,
    },
    /// With it marked: hand it out.
    Read(Vec<u8>),
    History {
        is_group: bool,
        keep: Keep,
    },
}

type Step = SocketStep<Call>;

impl Endpoint for Jim {
    type Incoming = Incoming;
    type Call = Call;

    fn open(query: Option<&str>, context: &mut SocketContext<'_>) -> (Jim, Step) {
        let token = token_of(query);
        let mut jim = Jim {
            account: None,
            token: token
                .as_deref()
                .map(|token| KeptToken::new(TokenHash::new(Dialect::Jim, token))),
        };
        let lookup = match token {
            Some(token) => {
                let memo = &mut SessionMemo::default();
                context
                    .desk
                    .session(memo, Dialect::Jim, &token, context.now)
            }
            None => Lookup::Nobody,
        };
        let step = match lookup {
            Lookup::Known(account) => jim.attach(account),
            Lookup::Load(hash) => wait(Ask::Session(hash), Next::Session),
            Lookup::Nobody => refuse_login(context),
        };
        (jim, step)
    }

    fn answer_at_once(
        &mut self,
        payload: &[u8],
        _is_text: bool,
        context: &mut SocketContext<'_>,
    ) -> bool {
        if !self
            .session()
            .is_some_and(|session| is_beat(payload, session))
        {
            return false;
        }
        self.use_token(context);
        context.frames.text(&encode::beat(context.now));
        true
    }

    fn decode(&mut self, payload: &[u8], _is_text: bool) -> (Turnstile, Incoming) {
        match self.session() {
            Some(session) => {
                let (turnstile, asked) = decode(payload, session);
                (turnstile, Incoming(asked))
            }
            None => (
                Turnstile::Read,
                Incoming(Asked::Refused(status::NOT_LOGGED_IN, 6)),
            ),
        }
    }

    fn start(&mut self, incoming: Incoming, context: &mut SocketContext<'_>) -> Step {
        self.use_token(context);
        let Some(account) = self.account.as_ref().map(|account| account.id) else {
            return answer(status::NOT_LOGGED_IN, 6, context);
        };
        match incoming.0 {
            Asked::Refused(status, command) => answer(status, command, context),
            Asked::Beat => send(context, |out, context| {
                out.extend_from_slice(&encode::beat(context.now));
            }),
            Asked::Close => {
                context.frames.close(close::NORMAL, status::CLOSED.text);
                SocketStep::Done
            }
            Asked::Token { command, token } => self.check_token(command, token, context),
            Asked::Say(said) => say(account, *said, context),
            Asked::Join(name) => {
                let command = Command::JoinNamed {
                    account,
                    name: Arc::clone(&name),
                };
                wait(Ask::Submit(command), Next::Joined(name))
            }
            Asked::Leave(group) => wait(Ask::Submit(Command::Leave { account, group }), Next::Left),
            Asked::Recall(recall) => wait(Ask::Submit(Command::Recall(*recall)), Next::Recalled),
            Asked::Contacts(contacts) => ask_contacts(account, contacts, context.now),
            Asked::Unread { peer, mark } => {
                let is_group = is_group(peer.as_ref());
                let query = Query::UnreadPages {
                    account,
                    peer,
                    rows_max: LIST_ROWS_MAX,
                };
                wait(Ask::Query(query), Next::Unread { is_group, mark })
            }
            Asked::History { peer, times, slice } => {
                let next = Next::History {
                    is_group: is_group(Some(&peer)),
                    keep: decode::kept(slice),
                };
                let query = Query::Range {
                    account,
                    peer,
                    times,
                    slice,
                    rows_max: LIST_ROWS_MAX,
                };
                wait(Ask::Query(query), next)
            }
        }
    }

    fn resume(&mut self, call: Call, outcome: Outcome, context: &mut SocketContext<'_>) -> Step {
        if let Outcome::Refused(refusal) = outcome {
            return refuse(&call.0, refusal, context);
        }
        match (call.0, outcome) {
            (Next::Session, Outcome::Session(Some(account))) => self.attach(account),
            (Next::Session, Outcome::Session(None)) => refuse_login(context),
            (Next::Attached, Outcome::Attached) => answer(status::LOGGED_IN, 6, context),
            (Next::Token(command), Outcome::Session(account)) => {
                self.answer_token(command, account.as_deref(), context)
            }
            (Next::Said, Outcome::Reply(Reply::Sent { recipient, .. })) => {
                let is_there = recipient.is_none_or(|account| context.presence.is_online(account));
                let status = if is_there {
                    status::SENT
                } else {
                    status::OFFLINE
                };
                answer(status, 12, context)
            }
            (Next::Joined(name), Outcome::Reply(_)) => {
                send(context, |out, _| encode::put_joined(out, &name))
            }
            (Next::Left, Outcome::Reply(_)) => SocketStep::Done,
            (Next::Recalled, Outcome::Reply(_)) => answer(status::RECALLED, 16, context),
            (Next::Contacts(asked), Outcome::Answer(Answer::Contacts(list))) => {
                give_contacts(&asked, &list, context)
            }
            (Next::Unread { is_group, mark }, Outcome::Answer(Answer::UnreadPages(pages))) => {
                self.give_unread(pages, is_group, mark, context)
            }
            (Next::Read(frame), Outcome::Reply(_)) => {
                context.frames.text(&frame);
                SocketStep::Done
            }
            (Next::History { is_group, keep }, Outcome::Answer(Answer::Range(page))) => {
                let pages = page.map(|page| vec![*page]);
                match self.checked(pages, is_group, context) {
                    Some(mut pages) => self.give_messages(&mut pages, keep, context),
                    None => answer(status::NO_MESSAGES, 20, context),
                }
            }
            (next, _) => refuse(&next, Refusal::Failure, context),
        }
    }

    fn account(&self) -> Option<AccountId> {
        self.account.as_ref().map(|account| account.id)
    }

    fn token(&self) -> Option<TokenHash> {
        self.token.map(|token| token.hash)
    }

    fn pushes(&mut self, event: &Event, _context: &mut SocketContext<'_>) -> bool {
        match event {
            Event::Message(delivery) if delivery.conversation.is_events() => false,
            Event::Message(delivery) => match &delivery.recipient {
                Some((recipient, _)) => self.account() == Some(recipient.id),
                None => true,
            },
            Event::Announced(_) | Event::Recalled(_) => true,
            _ => false,
        }
    }

    fn encode_push(event: &Event, settings: &Settings, out: &mut Vec<u8>) -> bool {
        match event {
            Event::Message(delivery) => encode::put_push(out, settings, delivery),
            Event::Announced(announcement) => encode::put_announcement(out, announcement),
            Event::Recalled(recalled) => encode::put_recalled(out, recalled),
            _ => return false,
        }
        true
    }
}

impl Jim {
    fn session(&self) -> Option<Session<'_>> {
        self.account.as_ref().map(|account| Session {
            account: account.id,
            name: &account.name,
        })
    }

    fn attach(&mut self, account: Arc<Account>) -> Step {
        let id = account.id;
        self.account = Some(account);
        wait(Ask::Attach(id), Next::Attached)
    }

    /// A connection that is used keeps its token from expiring.
    fn use_token(&mut self, context: &mut SocketContext<'_>) {
        if let Some(token) = &mut self.token {
            context.desk.keep(token, context.now);
        }
    }

    fn check_token(
        &self,
        command: u8,
        token: Option<String>,
        context: &mut SocketContext<'_>,
    ) -> Step {
        let lookup = match token {
            Some(token) => context.desk.session(
                &mut SessionMemo::default(),
                Dialect::Jim,
                token.as_bytes(),
                context.now,
            ),
            None => Lookup::Nobody,
        };
        match lookup {
            Lookup::Known(account) => self.answer_token(command, Some(&account), context),
            Lookup::Load(hash) => wait(Ask::Session(hash), Next::Token(command)),
            Lookup::Nobody => self.answer_token(command, None, context),
        }
    }

    fn answer_token(
        &self,
        command: u8,
        account: Option<&Account>,
        context: &mut SocketContext<'_>,
    ) -> Step {
        let is_own = account.is_some() && account.map(|account| account.id) == self.account();
        let status = match (command, is_own) {
            (4, true) => status::AUTHENTIC,
            (4, false) => status::NOT_AUTHENTIC,
            (_, true) => status::LOGGED_IN,
            (_, false) => status::NOT_LOGGED_IN,
        };
        answer(status, command, context)
    }

    /// The pages, if there is such a conversation and the account may see it. Nobody of that name has said nothing, where any name may be used.
    fn checked(
        &self,
        pages: Option<Vec<MessagePage>>,
        is_group: bool,
        context: &SocketContext<'_>,
    ) -> Option<Vec<MessagePage>> {
        match pages {
            None if is_group || !context.settings.open_directory => None,
            None => Some(Vec::new()),
            Some(pages) if is_group && pages.iter().any(|page| page.member.is_none()) => None,
            Some(pages) => Some(pages),
        }
    }

    fn give_messages(
        &self,
        pages: &mut [MessagePage],
        keep: Keep,
        context: &mut SocketContext<'_>,
    ) -> Step {
        let Some(own) = &self.account else {
            return answer(status::NO_MESSAGES, 20, context);
        };
        send(context, |out, context| {
            encode::put_messages(out, context.settings, own, pages, keep)
        })
    }

    fn give_unread(
        &self,
        pages: Option<Vec<MessagePage>>,
        is_group: bool,
        mark: bool,
        context: &mut SocketContext<'_>,
    ) -> Step {
        let (Some(mut pages), Some(own)) = (self.checked(pages, is_group, context), &self.account)
        else {
            return answer(status::NO_MESSAGES, 20, context);
        };
        let mut frame = Vec::new();
        encode::put_messages(&mut frame, context.settings, own, &mut pages, Keep::Oldest);
        let marks: Vec<(ConversationId, ReadMark)> = pages
            .iter()
            .filter_map(|page| Some((page.conversation.as_ref()?.id, page.mark?)))
            .collect();
        if !mark || marks.is_empty() {
            context.frames.text(&frame);
            return SocketStep::Done;
        }
        let command = Command::ReadAll {
            account: own.id,
            marks,
        };
        wait(Ask::Submit(command), Next::Read(frame))
    }
}

/// The value of `token` in the query of the handshake.
fn token_of(query: Option<&str>) -> Option<Box<[u8]>> {
    let query = query.unwrap_or_default().as_bytes();
    let token = pairs(query)
        .filter_map(Result::ok)
        .find(|(name, _)| name == "token")?
        .1;
    (1..=TOKEN_BYTES_MAX)
        .contains(&token.len())
        .then(|| token.as_bytes().into())
}

fn is_group(peer: Option<&Peer>) -> bool {
    matches!(peer, Some(Peer::Conversation(_) | Peer::JimGroup(_)))
}

fn wait(ask: Ask, next: Next) -> Step {
    SocketStep::Wait(ask, Call(next))
}

fn send(
    context: &mut SocketContext<'_>,
    put: impl FnOnce(&mut Vec<u8>, &SocketContext<'_>),
) -> Step {
    const ANSWER_BYTES_USUAL: usize = 128;
    let mut out = Vec::with_capacity(ANSWER_BYTES_USUAL);
    put(&mut out, context);
    context.frames.text(&out);
    SocketStep::Done
}

fn answer(status: Status, command: u8, context: &mut SocketContext<'_>) -> Step {
    send(context, |out, _| put_status(out, status, command))
}

fn refuse_login(context: &mut SocketContext<'_>) -> Step {
    let step = answer(status::NOT_LOGGED_IN, 6, context);
    context
        .frames
        .close(close::POLICY_VIOLATION, "login failed");
    step
}

/// Answers a command that could not be done.
fn refuse(next: &Next, refusal: Refusal, context: &mut SocketContext<'_>) -> Step {
    let (command, refused) = match next {
        Next::Session | Next::Attached => {
            let step = answer(status::BUSY, 6, context);
            context.frames.close(close::TRY_AGAIN_LATER, "busy");
            return step;
        }
        Next::Token(command) => (*command, status::BUSY),
        Next::Said => (12, status::NOT_SENT),
        Next::Joined(_) => (8, status::NOT_JOINED),
        Next::Left => (10, status::NOT_YOURS),
        Next::Recalled => (16, status::NOT_RECALLED),
        Next::Contacts(_) => (18, status::NO_USER),
        Next::Unread { .. } | Next::Read(_) | Next::History { .. } => (20, status::NO_MESSAGES),
    };
    let status = match refusal {
        Refusal::Busy | Refusal::Failure => status::BUSY,
        Refusal::NotAMember | Refusal::NotTheOwner => status::NOT_YOURS,
        _ => refused,
    };
    answer(status, command, context)
}

fn say(from: AccountId, said: Said, context: &mut SocketContext<'_>) -> Step {
    if said.content_bytes > context.settings.message_bytes_max {
        return answer(status::NOT_SENT, 12, context);
    }
    let send = Send {
        from,
        to: said.to,
        kind: said.kind,
        body: said.body,
        origin: Dialect::Jim,
        client_id: said.client_id,
        attributes: said.attributes,
    };
    wait(Ask::Submit(Command::Send(send)), Next::Said)
}

fn ask_contacts(account: AccountId, asked: Contacts, now: TimeMs) -> Step {
    let (only, rows_max, messages_each) = match &asked {
        // Who is online is not the store's to say, so more are asked for than are given.
        Contacts::Online => (ContactFilter::default(), LIST_ROWS_MAX, 0),
        Contacts::All => (ContactFilter::default(), CONTACTS_MAX, 0),
        Contacts::Details {
            unread,
            recent,
            text,
        } => {
            let only = ContactFilter {
                unread: *unread,
                since: recent.then_some(TimeMs(now.0 - RECENT_MS)),
                text: text.clone(),
            };
            (only, CONTACTS_MAX, CONTACT_MESSAGES_MAX)
        }
    };
    let query = Query::Contacts {
        account,
        only,
        rows_max,
        messages_each,
    };
    wait(Ask::Query(query), Next::Contacts(asked))
}

fn give_contacts(asked: &Contacts, list: &ContactList, context: &mut SocketContext<'_>) -> Step {
    let is_shown = |contact: &&Contact, context: &SocketContext<'_>| {
        let Other::Account(other) = &contact.row.other else {
            return false;
        };
        *asked != Contacts::Online || context.presence.is_online(other.id)
    };
    send(context, |out, context| match asked {
        Contacts::Details { .. } => {
            encode::put_details(out, context.settings, &list.account, &list.rows)
        }
        Contacts::Online | Contacts::All => {
            let rows = list.rows.iter().filter(|row| is_shown(row, context));
            encode::put_contacts(out, rows.take(CONTACTS_MAX))
        }
    })
}
