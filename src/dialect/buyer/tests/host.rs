//! A server in one piece: accounts, conversations and files in plain vectors, which answers what calls ask.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::{TimeZone, offset};

use crate::dialect::{Ask, CallResult, Context, Outcome, Settings, Step, Upload, route};
use crate::domain::account::{Account, Profile};
use crate::domain::command::{Command, Peer, Refusal, Reply, Send};
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use crate::domain::desk::{Desk, SessionMemo};
use crate::domain::event::{Audience, Delivery, Event, Told};
use crate::domain::ids::{
    AccountId, CommitNumber, ConversationId, MessageId, Position, Slot, TimeMs,
};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::query::{Answer, ConversationList, MessagePage, Query, Session};
use crate::domain::token::{Token, TokenHash};
use crate::domain::view::{Other, View, ViewRow, group_names};
use crate::proto::http::request::{Decoder, Event as Decoded, Limits};
use crate::proto::http::target::decode_path;

/// 2017-06-16 17:45:01 in the zone of the tests, +08:00.
pub const NOW: TimeMs = TimeMs(1_497_606_301_007);

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Picks the thing that is refused.
pub type IsMeant = fn(&Ask) -> bool;

/// One conversation with everything in it.
struct Talk {
    conversation: Conversation,
    members: Vec<Member>,
    messages: Vec<Arc<Message>>,
}

pub struct Host {
    pub settings: Settings,
    pub now: TimeMs,
    pub files: Vec<Upload>,
    /// What the calls since the last look have asked.
    pub asked: Vec<Ask>,
    /// Given instead of the answer to the next thing of that kind that is asked.
    pub refuse: Option<(IsMeant, Refusal)>,
    /// Whether views are too large to keep lists.
    pub totals_only: bool,
    /// How the last call ended, for the metrics.
    pub result: Option<CallResult>,
    desk: Desk,
    memo: SessionMemo,
    accounts: Vec<Arc<Account>>,
    tokens: HashMap<TokenHash, AccountId>,
    talks: Vec<Talk>,
    commit: CommitNumber,
    random: u8,
}

impl Host {
    pub fn new() -> Host {
        let settings = Settings {
            zone: TimeZone::fixed(offset(8)),
            public_url: None,
            app_keys: None,
            message_bytes_max: 64 * 1024,
            upload_bytes_max: 4 * 1024,
            open_directory: true,
            token_idle_ms_max: 1_000_000,
            jim_text_field: None,
        };
        Host {
            desk: Desk::new(1 << 20, settings.token_idle_ms_max),
            settings,
            now: NOW,
            files: Vec::new(),
            asked: Vec::new(),
            refuse: None,
            totals_only: false,
            result: None,
            memo: SessionMemo::default(),
            accounts: Vec::new(),
            tokens: HashMap::new(),
            talks: Vec::new(),
            commit: CommitNumber(0),
            random: 0,
        }
    }

    /// The answer to `GET /soa-im/buyer/<call>`.
    pub fn get(&mut self, call: &str) -> Received {
        self.request(
            format!("GET /soa-im/buyer/{call} HTTP/1.1\r\nHost: im.example:8080\r\n\r\n")
                .as_bytes(),
        )
    }

    /// The body of that answer, which is plain JSON with status 200.
    pub fn json(&mut self, call: &str) -> String {
        let received = self.get(call);
        assert_eq!(
            (received.status, received.content_type),
            (200, "application/json"),
            "{}",
            received.body
        );
        received.body
    }

    /// The answer to a `POST` of `body`.
    pub fn post(&mut self, call: &str, content_type: &str, body: &[u8]) -> Received {
        let mut request = format!(
            "POST /soa-im/buyer/{call} HTTP/1.1\r\nHost: im.example:8080\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.request(&request)
    }

    /// The answer to one request.
    pub fn request(&mut self, bytes: &[u8]) -> Received {
        let mut decoder = Decoder::new();
        let (_, decoded) = decoder
            .decode(bytes, &Limits::default(), |_| usize::MAX)
            .expect("a request");
        let Decoded::Request(request) = decoded else {
            panic!("a whole request, not {decoded:?}")
        };
        let path = decode_path(request.head().path()).expect("a path");
        let route = route(&path).expect("a call");
        assert!(route.methods.contains(&request.head().method()));
        let mut body = Vec::new();
        let mut step = self.run(&mut body, |context| (route.start)(&request, context));
        let response = loop {
            match step {
                Step::Done(response) => break response,
                Step::Wait(ask, call) => {
                    assert_eq!(body, b"", "written before the end");
                    let outcome = self.answer(&ask);
                    self.asked.push(ask);
                    step = self.run(&mut body, |context| call.resume(outcome, context));
                }
            }
        };
        self.result = Some(response.result);
        Received {
            status: response.status,
            content_type: response.content_type,
            headers: response
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.into_owned()))
                .collect(),
            body: String::from_utf8(body).expect("UTF-8"),
        }
    }

    fn run(&mut self, body: &mut Vec<u8>, step: impl FnOnce(&mut Context<'_>) -> Step) -> Step {
        let random = &mut self.random;
        step(&mut Context {
            desk: &mut self.desk,
            memo: &mut self.memo,
            settings: &self.settings,
            presence: &crate::domain::presence::NobodyOnline,
            now: self.now,
            random: &mut |bytes| {
                *random += 1;
                bytes.fill(*random);
            },
            body,
        })
    }

    /// Logs `name` in and returns the parameters that say so.
    pub fn log_in(&mut self, name: &str) -> String {
        let body = self.json(&format!("registerAndLogin?buyer_name={name}"));
        let token = body
            .strip_prefix(r#"{"state":1,"success":true,"message":"","data":{"token":""#)
            .and_then(|rest| rest.strip_suffix(r#""}}"#))
            .expect(&body);
        self.asked.clear();
        format!("buyer_name={name}&token={token}")
    }

    /// The account of that name, created if need be.
    pub fn account(&mut self, name: &str) -> Arc<Account> {
        if let Some(account) = self.accounts.iter().find(|account| *account.name == *name) {
            return Arc::clone(account);
        }
        let account = Arc::new(Account {
            id: AccountId(2 + self.accounts.len() as u64),
            name: name.into(),
            created_at: self.now,
            profile: Profile::default(),
        });
        self.accounts.push(Arc::clone(&account));
        self.tell(
            Audience::Everyone,
            Event::AccountCreated(Arc::clone(&account)),
        );
        account
    }

    /// Makes a group; its owner comes first.
    pub fn group(&mut self, name: &str, members: &[&str]) -> ConversationId {
        let accounts: Vec<_> = members.iter().map(|name| self.account(name).id).collect();
        let id = ConversationId(1 + self.talks.len() as u64);
        let group = Group {
            owner: accounts[0],
            name: name.into(),
            image: "".into(),
            description: "".into(),
            jim_name: None,
            member_count: accounts.len() as u32,
            next_slot: Slot(accounts.len() as u32),
        };
        self.talks.push(Talk {
            conversation: Conversation {
                id,
                created_at: self.now,
                kind: ConversationKind::Group(Arc::new(group)),
                head: Head {
                    at: self.now,
                    ..Head::default()
                },
            },
            members: accounts
                .iter()
                .zip(0..)
                .map(|(account, slot)| Member::new(id, *account, Slot(slot), Position(0), self.now))
                .collect(),
            messages: Vec::new(),
        });
        let name_taken = self.accounts.iter().any(|account| *account.name == *name);
        for member in self.talks[id.0 as usize - 1].members.clone() {
            let conversation = self.talks[id.0 as usize - 1].conversation.clone();
            self.tell(
                Audience::Everyone,
                Event::Joined {
                    conversation,
                    member,
                    name_taken,
                },
            );
        }
        id
    }

    /// `from` says a text to the account or group that `to` names, one second after what was said before.
    pub fn say(&mut self, from: &str, to: &str, text: &str) {
        self.say_as(from, to, MessageKind::Text, text);
    }

    /// The same with another kind.
    pub fn say_as(&mut self, from: &str, to: &str, kind: MessageKind, text: &str) {
        let from = self.account(from).id;
        let send = Send {
            from,
            to: Peer::Shown(to.into()),
            kind,
            body: text.into(),
            origin: Dialect::Jim,
            client_id: None,
            attributes: None,
        };
        self.send(&send).expect("sent");
        self.now.0 += 1_000;
    }

    /// Takes the newest message of all back.
    pub fn recall_newest(&mut self) {
        let newest = self
            .talks
            .iter_mut()
            .filter_map(|talk| talk.messages.last_mut())
            .max_by_key(|message| message.id);
        let message = Arc::make_mut(newest.expect("a message"));
        (message.body, message.recalled) = ("".into(), true);
    }

    fn tell(&mut self, audience: Audience, event: Event) {
        self.commit.0 += 1;
        self.desk.apply(
            self.commit,
            &Told {
                audience,
                event: Arc::new(event),
            },
        );
    }

    fn answer(&mut self, ask: &Ask) -> Outcome {
        if let Some((_, refusal)) = self.refuse.take_if(|(is_meant, _)| is_meant(ask)) {
            return Outcome::Refused(refusal);
        }
        match ask {
            Ask::Session(hash) => {
                self.desk.expect_session(*hash);
                let session = self.tokens.get(hash).map(|account| Session {
                    token: Token {
                        hash: *hash,
                        account: *account,
                        used_at: self.now,
                    },
                    account: Arc::clone(self.by_id(*account)),
                });
                Outcome::Session(self.desk.deliver_session(*hash, session, self.now))
            }
            Ask::View(account) => {
                self.desk.expect_view(*account);
                let mut rows = self.rows(*account);
                if self.totals_only {
                    let mut filler = rows.last().expect("a row").clone();
                    filler.conversation.id = ConversationId(99);
                    let name = "x".repeat(crate::limits::VIEW_BYTES_MAX);
                    filler.other = Other::Account(Arc::new(Account {
                        name: name.into(),
                        ..Account::clone(self.by_id(*account))
                    }));
                    filler.member.read = filler.conversation.head.position;
                    filler.member.sent_read = filler.member.sent;
                    rows.push(filler);
                }
                let view = View::load(*account, self.commit, rows);
                Outcome::View(self.desk.deliver_view(view).map(Box::new))
            }
            Ask::Query(query) => Outcome::Answer(self.query(query)),
            Ask::Submit(command) => match self.submit(command) {
                Ok(reply) => Outcome::Reply(reply),
                Err(refusal) => Outcome::Refused(refusal),
            },
            Ask::Save(upload) => {
                self.files.push(upload.clone());
                Outcome::Saved
            }
            Ask::Attach(_) => panic!("not asked by this dialect"),
        }
    }

    fn query(&self, query: &Query) -> Answer {
        match query {
            Query::Conversations {
                account,
                rows_max,
                unread_only,
            } => {
                let mut rows = self.rows(*account);
                let mut names = group_names(&rows);
                rows.retain(|row| !unread_only || row.unread() > 0);
                rows.truncate(*rows_max);
                names.retain(|id, _| rows.iter().any(|row| row.conversation.id == *id));
                Answer::Conversations(Box::new(ConversationList {
                    rows,
                    group_names: names,
                }))
            }
            Query::History {
                account,
                peer,
                page,
                size,
            } => {
                let page = self.page(*account, peer, |_, messages| {
                    let end = messages
                        .len()
                        .saturating_sub((*page as usize - 1).saturating_mul(*size));
                    let start = end.saturating_sub(*size);
                    messages.drain(end..);
                    messages.drain(..start);
                });
                Answer::History(page)
            }
            Query::Unread {
                account,
                peer,
                rows_max,
            } => {
                let page = self.page(*account, peer, |member, messages| {
                    messages.retain(|message| {
                        message.position > member.read && message.sender != *account
                    });
                    messages.truncate(*rows_max);
                });
                Answer::Unread(page)
            }
            other => panic!("not asked by this dialect: {other:?}"),
        }
    }

    fn page(
        &self,
        account: AccountId,
        peer: &Peer,
        select: impl FnOnce(&Member, &mut Vec<Arc<Message>>),
    ) -> Option<Box<MessagePage>> {
        let Some(talk) = self.talk(account, peer)? else {
            return Some(Box::default());
        };
        let member = talk
            .members
            .iter()
            .find(|member| member.account == account)?;
        let mut messages = talk.messages.clone();
        select(member, &mut messages);
        let mark = messages.last().map(|last| ReadMark {
            position: last.position,
            own: talk
                .messages
                .iter()
                .filter(|m| m.sender == account && m.position <= last.position)
                .count() as u64,
        });
        Some(Box::new(MessagePage {
            conversation: Some(talk.conversation.clone()),
            member: Some(member.clone()),
            accounts: talk
                .members
                .iter()
                .map(|member| Arc::clone(self.by_id(member.account)))
                .collect(),
            messages,
            mark,
            instead: None,
        }))
    }

    fn submit(&mut self, command: &Command) -> Result<Reply, Refusal> {
        match command {
            Command::Login { name, token } => {
                let account = self.account(name);
                self.tokens.insert(*token, account.id);
                Ok(Reply::Account(account))
            }
            Command::Logout { token } => {
                if let Some(account) = self.tokens.remove(token) {
                    let ended = Token {
                        hash: *token,
                        account,
                        used_at: NOW,
                    };
                    self.tell(Audience::Everyone, Event::TokenEnded(ended));
                }
                Ok(Reply::Done)
            }
            Command::Send(send) => self.send(send),
            Command::Read {
                account,
                conversation,
                mark,
            } => {
                let talk = &mut self.talks[conversation.0 as usize - 1];
                let member = talk
                    .members
                    .iter_mut()
                    .find(|m| m.account == *account)
                    .expect("a member");
                let before = member.unread(talk.conversation.head.position);
                member.apply_read(*mark);
                let cleared = before - member.unread(talk.conversation.head.position);
                let event = Event::Read {
                    member: member.clone(),
                    cleared,
                };
                self.tell(Audience::One(*account), event);
                Ok(Reply::Done)
            }
            other => panic!("not submitted by this dialect: {other:?}"),
        }
    }

    fn send(&mut self, send: &Send) -> Result<Reply, Refusal> {
        let talk = match self.talk(send.from, &send.to) {
            Some(Some(talk)) => talk.conversation.id,
            known => {
                let Peer::Shown(name) = &send.to else {
                    panic!("not sent to by this dialect: {:?}", send.to)
                };
                if known.is_none() && !self.settings.open_directory {
                    return Err(Refusal::NoSuchAccount);
                }
                let other = self.account(name).id;
                self.single(send.from, other)?
            }
        };
        let talk = &mut self.talks[talk.0 as usize - 1];
        let earlier = talk.messages.iter().find(|m| {
            m.sender == send.from
                && m.origin == send.origin
                && m.client_id.is_some()
                && m.client_id == send.client_id
        });
        if let Some(earlier) = earlier {
            return Ok(Reply::Sent {
                message: Arc::clone(earlier),
                repeated: true,
                recipient: None,
            });
        }
        let position = talk.conversation.head.position.next();
        let message = Arc::new(Message {
            id: MessageId(1 + self.commit.0),
            conversation: talk.conversation.id,
            position,
            sender: send.from,
            at: self.now,
            kind: send.kind,
            body: Arc::clone(&send.body),
            origin: send.origin,
            client_id: send.client_id.clone(),
            attributes: send.attributes.clone(),
            recalled: false,
        });
        talk.messages.push(Arc::clone(&message));
        talk.conversation.head = Head {
            position,
            message: message.id,
            at: message.at,
        };
        let sender = talk
            .members
            .iter_mut()
            .find(|member| member.account == send.from)
            .expect("a member");
        sender.sent += 1;
        let sender_member = sender.clone();
        let conversation = talk.conversation.clone();
        let recipient = talk
            .members
            .iter()
            .find(|member| member.account != send.from)
            .cloned();
        let (audience, recipient) = match (&conversation.kind, recipient) {
            (ConversationKind::Single(pair), Some(member)) => {
                let other = Arc::clone(self.by_id(member.account));
                (
                    Audience::Two(pair.low(), pair.high()),
                    Some((other, member)),
                )
            }
            _ => (Audience::Everyone, None),
        };
        let sender = Arc::clone(self.by_id(send.from));
        let delivery = Delivery {
            message: Arc::clone(&message),
            conversation,
            sender,
            sender_member,
            recipient,
        };
        self.tell(audience, Event::Message(delivery));
        Ok(Reply::Sent {
            message,
            repeated: false,
            recipient: None,
        })
    }

    fn single(&mut self, one: AccountId, other: AccountId) -> Result<ConversationId, Refusal> {
        let pair = Pair::new(one, other).ok_or(Refusal::ToSelf)?;
        let id = ConversationId(1 + self.talks.len() as u64);
        let member = |account| Member::new(id, account, pair.slot(account), Position(0), self.now);
        self.talks.push(Talk {
            members: vec![member(pair.low()), member(pair.high())],
            conversation: Conversation {
                id,
                created_at: self.now,
                kind: ConversationKind::Single(pair),
                head: Head {
                    at: self.now,
                    ..Head::default()
                },
            },
            messages: Vec::new(),
        });
        Ok(id)
    }

    /// What `peer` means to `account`: nobody, somebody without a conversation, or a conversation.
    fn talk(&self, account: AccountId, peer: &Peer) -> Option<Option<&Talk>> {
        let Peer::Shown(name) = peer else {
            panic!("not named by this dialect: {peer:?}")
        };
        if let Some(other) = self.accounts.iter().find(|account| account.name == *name) {
            let pair = Pair::new(account, other.id);
            let is_theirs = |talk: &&Talk| {
                pair.is_some_and(|pair| talk.conversation.kind == ConversationKind::Single(pair))
            };
            return Some(self.talks.iter().find(is_theirs));
        }
        let names = group_names(&self.rows(account));
        let (id, _) = names.iter().find(|(_, shown)| *shown == name)?;
        Some(self.talks.get(id.0 as usize - 1))
    }

    /// Newest activity first.
    fn rows(&self, account: AccountId) -> Vec<ViewRow> {
        let row = |talk: &Talk| {
            let member = talk
                .members
                .iter()
                .find(|member| member.account == account)?;
            let other = match &talk.conversation.kind {
                ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
                    Other::Account(Arc::clone(self.by_id(pair.other(account))))
                }
                ConversationKind::Group(group) => Other::Group {
                    name_taken: self.accounts.iter().any(|a| a.name == group.name),
                },
            };
            Some(ViewRow {
                conversation: talk.conversation.clone(),
                member: member.clone(),
                other,
            })
        };
        let mut rows: Vec<_> = self.talks.iter().filter_map(row).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.conversation.activity()));
        rows
    }

    fn by_id(&self, id: AccountId) -> &Arc<Account> {
        &self.accounts[id.0 as usize - 2]
    }
}
