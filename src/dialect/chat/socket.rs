//! The socket: who is let in, what each frame does, and what is pushed until it is acknowledged.

use std::sync::Arc;

use crate::dialect::chat::acknowledging::Acknowledging;
use crate::dialect::chat::decode::{Asked, Auth, Say, decode};
use crate::dialect::chat::encode::{self, Place, Refused};
use crate::dialect::chat::outstanding::{Outstanding, Spot};
use crate::dialect::socket::{Endpoint, SocketContext, SocketStep, Turnstile};
use crate::dialect::{Ask, Outcome, Settings};
use crate::domain::account::Account;
use crate::domain::chat::{ChatAnswer, ChatQuery, ChatRow};
use crate::domain::command::{Command, Peer, Refusal, Reply, Who};
use crate::domain::desk::{KeptToken, Lookup, SessionMemo};
use crate::domain::event::Event;
use crate::domain::ids::AccountId;
use crate::domain::member::Member;
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::query::{Answer, Query, Resolved};
use crate::domain::token::TokenHash;
use crate::limits::{
    ANSWER_BYTES_MAX, CHAT_AUTH_MS_MAX, CHAT_OUTSTANDING_MAX, CHAT_RECENT_ACKS_MAX, LIST_ROWS_MAX,
};
use crate::proto::ws::close;

/// A client's socket. Idle it is six words.
pub struct Chat {
    stage: Stage,
    /// Exists only while there is something in it.
    live: Option<Box<Live>>,
}

const _: () = assert!(size_of::<Chat>() <= 48);

enum Stage {
    /// Nobody is let in. When it was opened, by the monotonic clock in milliseconds; 0 until the clock is looked at.
    Opened(u64),
    /// Who was let in, and the token that was shown, if this server issued it.
    LetIn(Arc<Account>, Option<KeptToken>),
}

/// What goes on with a client.
#[derive(Default)]
struct Live {
    outstanding: Outstanding,
    acknowledging: Acknowledging,
    /// Where this client's part has changed while it is asked what waits: the answer does not know of it.
    changed: Option<Vec<Member>>,
    /// Ids that could stand for others and were acknowledged of late as they are, the oldest first, at most [`CHAT_RECENT_ACKS_MAX`].
    recent: Vec<u64>,
}

/// A frame, understood.
pub struct Incoming(Asked);

/// A frame's handling that waits.
pub struct Call(Next);

enum Next {
    /// With the session of a token: let its user in.
    Session(Auth),
    /// With the account of a number, which needs no token here.
    Known,
    /// With the socket attached: what waits.
    Attached,
    Waiting,
    /// With the message stored: say so, unless it is an event. The id is the client's.
    Said(Option<u64>),
    /// With what waits: find the message of this id.
    Find(u64),
    Acknowledged,
}

type Step = SocketStep<Call>;

impl Endpoint for Chat {
    type Incoming = Incoming;
    type Call = Call;

    fn open(_query: Option<&str>, _context: &mut SocketContext<'_>) -> (Chat, Step) {
        let chat = Chat {
            stage: Stage::Opened(0),
            live: None,
        };
        (chat, SocketStep::Done)
    }

    fn decode(&mut self, payload: &[u8], _is_text: bool) -> (Turnstile, Incoming) {
        let asked = decode(payload);
        let turnstile = match &asked {
            Asked::Acknowledge(id) if self.find(*id).is_some() => Turnstile::Silent,
            Asked::Say(_) => Turnstile::Write,
            _ => Turnstile::Read,
        };
        (turnstile, Incoming(asked))
    }

    fn start(&mut self, incoming: Incoming, context: &mut SocketContext<'_>) -> Step {
        let Some(account) = self.account() else {
            return match incoming.0 {
                Asked::Auth(auth) => self.let_in(auth, context),
                _ => self.turn_away(Refused::NotLoggedIn, context),
            };
        };
        self.use_token(context);
        match incoming.0 {
            Asked::Nothing => SocketStep::Done,
            Asked::Auth(auth) => match auth.user {
                Some(user) if user == account => SocketStep::Done,
                _ => self.turn_away(Refused::NotYours, context),
            },
            Asked::Say(say) => self.say(account, say, context),
            // What was known when it came may have been acknowledged by the one before it.
            Asked::Acknowledge(id) => match self.find(id) {
                Some(spot) => self.acknowledge(id, spot),
                None => {
                    let query = ChatQuery::Undelivered {
                        account,
                        rows_max: LIST_ROWS_MAX,
                    };
                    wait(Ask::Query(Query::Chat(query)), Next::Find(id))
                }
            },
            Asked::Refused(refused, source) => self.refuse(refused, source, context),
        }
    }

    fn resume(&mut self, call: Call, outcome: Outcome, context: &mut SocketContext<'_>) -> Step {
        match (call.0, outcome) {
            (Next::Session(auth), Outcome::Session(account)) => {
                self.let_in_as(auth, account, context)
            }
            (Next::Known, Outcome::Answer(Answer::Resolved(found))) => match found {
                Some(Resolved::Account(account, _)) => self.attach(account, None),
                _ => self.turn_away(Refused::NotLoggedIn, context),
            },
            (Next::Attached, Outcome::Attached) => match self.account() {
                Some(account) => {
                    let query = ChatQuery::Waiting {
                        account,
                        pushed: context.presence.pushed(account),
                        rows_max: CHAT_OUTSTANDING_MAX,
                    };
                    self.live().changed = Some(Vec::new());
                    wait(Ask::Query(Query::Chat(query)), Next::Waiting)
                }
                None => SocketStep::Done,
            },
            (Next::Waiting, Outcome::Answer(Answer::Chat(answer))) => {
                self.tell_what_waits(&answer, context)
            }
            (
                Next::Said(_),
                Outcome::Reply(Reply::Sent {
                    message, recipient, ..
                }),
            ) => {
                if !matches!(message.kind, MessageKind::Event(_)) {
                    let frames = &mut context.frames;
                    frames.text_with(&mut |out| encode::put_ack(out, &message, recipient));
                }
                SocketStep::Done
            }
            (Next::Find(id), Outcome::Answer(Answer::Chat(answer))) => {
                if let ChatAnswer::Rows(Some(rows)) = &*answer {
                    self.set_waiting(rows);
                }
                match self.find(id) {
                    Some(spot) => self.acknowledge(id, spot),
                    None => SocketStep::Done,
                }
            }
            (Next::Acknowledged, _) => {
                if let Some(live) = &mut self.live {
                    live.acknowledging.finish();
                }
                self.record()
            }
            // What was not found is offered again; what could not be counted is still there to be fetched.
            (Next::Waiting, _) => {
                if let Some(live) = &mut self.live {
                    live.changed = None;
                }
                self.tidy();
                SocketStep::Done
            }
            (Next::Find(_), _) => SocketStep::Done,
            (Next::Said(source), Outcome::Refused(refusal)) => {
                self.refuse(refusal.into(), source, context)
            }
            (Next::Said(source), _) => self.refuse(Refused::Failure, source, context),
            (Next::Session(_) | Next::Known | Next::Attached, outcome) => {
                let refused = match outcome {
                    Outcome::Refused(Refusal::Busy) => Refused::Busy,
                    _ => Refused::Failure,
                };
                let step = self.refuse(refused, None, context);
                context.frames.close(close::TRY_AGAIN_LATER, "busy");
                step
            }
        }
    }

    fn account(&self) -> Option<AccountId> {
        match &self.stage {
            Stage::Opened(_) => None,
            Stage::LetIn(account, _) => Some(account.id),
        }
    }

    fn token(&self) -> Option<TokenHash> {
        match &self.stage {
            Stage::Opened(_) => None,
            Stage::LetIn(_, token) => token.map(|token| token.hash),
        }
    }

    fn is_full(&self) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|live| live.acknowledging.is_full())
    }

    fn deadline_ms(&mut self, now_ms: u64) -> u64 {
        match (&mut self.stage, &mut self.live) {
            (Stage::Opened(opened_ms), _) => {
                if *opened_ms == 0 {
                    *opened_ms = now_ms;
                }
                *opened_ms + CHAT_AUTH_MS_MAX
            }
            (Stage::LetIn(..), Some(live)) => live.outstanding.due_ms(now_ms),
            (Stage::LetIn(..), None) => u64::MAX,
        }
    }

    fn handle_timeout(&mut self, now_ms: u64, context: &mut SocketContext<'_>) {
        if self.account().is_none() {
            self.turn_away(Refused::NotLoggedIn, context);
            return;
        }
        let Some(live) = &mut self.live else {
            return;
        };
        let mut bytes = 0;
        // What is left is still due, and comes when this is written.
        while bytes <= ANSWER_BYTES_MAX
            && let Some((message, place)) = live.outstanding.repeat(now_ms)
        {
            context.frames.text_with(&mut |out| {
                encode::put_push(out, &message, place);
                bytes += out.len();
            });
        }
        self.tidy();
    }

    fn pushes(&mut self, event: &Event, context: &mut SocketContext<'_>) -> bool {
        let Some(own) = self.account() else {
            return false;
        };
        match event {
            Event::Message(delivery) => {
                let recipient = delivery.recipient.as_ref().map(|(account, _)| account.id);
                if delivery.sender.id == own || recipient.is_some_and(|to| to != own) {
                    return false;
                }
                let message = &delivery.message;
                let outstanding = &mut self.live().outstanding;
                if outstanding.has_repeated(message) {
                    return false;
                }
                outstanding.push(message, Place::of(message, recipient));
                let (conversation, position) = (message.conversation, message.position);
                context.presence.record_push(own, conversation, position);
                true
            }
            Event::Read { member, .. }
            | Event::MemberChanged { member }
            | Event::Left { member, .. }
                if member.account == own =>
            {
                context.presence.settle_pushes(member);
                if let Some(live) = &mut self.live {
                    live.outstanding.update(member);
                    if let Some(changed) = &mut live.changed {
                        changed.push(member.clone());
                    }
                }
                self.tidy();
                false
            }
            Event::Recalled(recalled) => {
                if let Some(live) = &mut self.live {
                    live.outstanding.recall(&recalled.message);
                }
                false
            }
            _ => false,
        }
    }

    fn encode_push(event: &Event, _settings: &Settings, out: &mut Vec<u8>) -> bool {
        let Event::Message(delivery) = event else {
            return false;
        };
        let recipient = delivery.recipient.as_ref().map(|(account, _)| account.id);
        let place = Place::of(&delivery.message, recipient);
        encode::put_push(out, &delivery.message, place);
        true
    }
}

impl Chat {
    fn live(&mut self) -> &mut Live {
        self.live.get_or_insert_default()
    }

    /// The message that the client means by `id`. What it acknowledges once more means no other.
    fn find(&self, id: u64) -> Option<Spot> {
        let live = self.live.as_ref()?;
        live.outstanding.find(id).or_else(|| {
            let may_stand_for_another = is_rounded(id) && !live.recent.contains(&id);
            may_stand_for_another.then(|| live.outstanding.find_rounded(id))?
        })
    }

    /// Takes what the store says of messages that wait; it may not know of what is being recorded.
    fn set_waiting(&mut self, rows: &[ChatRow]) {
        let Live {
            outstanding,
            acknowledging,
            ..
        } = self.live();
        let waiting = rows.iter().filter(|row| {
            let spot = (row.message.conversation, row.message.position);
            !acknowledging.contains(spot)
        });
        outstanding.set_waiting(waiting);
        self.tidy();
    }

    /// The client has the message at `spot`, which it means by `id`.
    fn acknowledge(&mut self, id: u64, spot: Spot) -> Step {
        let live = self.live();
        if is_rounded(id) && live.outstanding.find(id) == Some(spot) {
            if live.recent.len() >= CHAT_RECENT_ACKS_MAX {
                live.recent.remove(0);
            }
            live.recent.push(id);
        }
        live.outstanding.acknowledge(spot);
        live.acknowledging.add(spot);
        self.record()
    }

    /// Has recorded what is acknowledged, unless the command before is under way: then it goes with the next.
    fn record(&mut self) -> Step {
        let (Some(account), Some(live)) = (self.account(), &mut self.live) else {
            return SocketStep::Done;
        };
        match live.acknowledging.submit(account) {
            Some(command) => wait(Ask::Submit(command), Next::Acknowledged),
            None => {
                self.tidy();
                SocketStep::Done
            }
        }
    }

    fn tidy(&mut self) {
        self.live.take_if(|live| live.is_empty());
    }

    /// A connection that is used keeps its token from expiring.
    fn use_token(&mut self, context: &mut SocketContext<'_>) {
        if let Stage::LetIn(_, Some(token)) = &mut self.stage {
            context.desk.keep(token, context.now);
        }
    }

    fn let_in(&mut self, auth: Auth, context: &mut SocketContext<'_>) -> Step {
        let memo = &mut SessionMemo::default();
        let lookup = context
            .desk
            .session(memo, Dialect::Chat, &auth.token, context.now);
        match lookup {
            Lookup::Known(account) => self.let_in_as(auth, Some(account), context),
            Lookup::Load(hash) => wait(Ask::Session(hash), Next::Session(auth)),
            Lookup::Nobody => self.let_in_as(auth, None, context),
        }
    }

    /// Lets a user in whose token is that of `account`. A token that is nobody's here is the application's, where those count.
    fn let_in_as(
        &mut self,
        auth: Auth,
        account: Option<Arc<Account>>,
        context: &mut SocketContext<'_>,
    ) -> Step {
        match (auth.user, account) {
            (Some(user), Some(account)) if account.id == user => {
                let hash = TokenHash::new(Dialect::Chat, &auth.token);
                self.attach(account, Some(KeptToken::new(hash)))
            }
            (Some(user), None)
                if context.settings.app_keys.is_none() && user > AccountId::SERVER =>
            {
                let query = Query::Resolve {
                    account: user,
                    peer: Peer::Account(Who::Id(user)),
                };
                wait(Ask::Query(query), Next::Known)
            }
            _ => self.turn_away(Refused::NotLoggedIn, context),
        }
    }

    fn attach(&mut self, account: Arc<Account>, token: Option<KeptToken>) -> Step {
        let id = account.id;
        self.stage = Stage::LetIn(account, token);
        wait(Ask::Attach(id), Next::Attached)
    }

    /// Tells how many messages wait that were never pushed, and pushes again those that were.
    fn tell_what_waits(&mut self, answer: &ChatAnswer, context: &mut SocketContext<'_>) -> Step {
        let (ChatAnswer::Waiting { pushed, others }, Some(own)) = (answer, self.account()) else {
            return SocketStep::Done;
        };
        let live = self.live();
        let changed = live.changed.take().unwrap_or_default();
        // What has come since the question was pushed here or elsewhere.
        let since = context.presence.pushed(own);
        let mut count = 0;
        for others in others {
            // Only what others say is pushed.
            let (pushed, _) = since.split(others.conversation, others.positions.clone());
            let lengths = pushed.iter().map(|range| range.end() - range.start() + 1);
            count += others.count.saturating_sub(lengths.sum::<u64>());
        }
        count = count.min(LIST_ROWS_MAX as u64);
        let (frames, now) = (&mut context.frames, context.now);
        if count > 0 {
            frames.text_with(&mut |out| encode::put_waiting(out, count, own, now));
        }
        for row in pushed {
            let (conversation, position) = (row.message.conversation, row.message.position);
            // What has been acknowledged since is not there any more, or it stands there again because another shard is behind.
            let is_done = changed
                .iter()
                .any(|member| member.is_done_with(conversation, position));
            if is_done || !since.contains(conversation, position) {
                continue;
            }
            let place = Place::of(&row.message, row.recipient);
            if live.outstanding.repeat_here(&row.message, place) {
                frames.text_with(&mut |out| encode::put_push(out, &row.message, place));
            }
        }
        self.tidy();
        SocketStep::Done
    }

    fn say(&mut self, account: AccountId, say: Say, context: &mut SocketContext<'_>) -> Step {
        if let Err(refused) = say.check(account, context.settings) {
            return self.refuse(refused, say.id, context);
        }
        let mut send = say.send;
        send.from = account;
        wait(Ask::Submit(Command::Send(send)), Next::Said(say.id))
    }

    fn refuse(
        &self,
        refused: Refused,
        source: Option<u64>,
        context: &mut SocketContext<'_>,
    ) -> Step {
        let (to, now) = (self.account(), context.now);
        context
            .frames
            .text_with(&mut |out| encode::put_error(out, refused, source, to, now));
        SocketStep::Done
    }

    fn turn_away(&self, refused: Refused, context: &mut SocketContext<'_>) -> Step {
        let step = self.refuse(refused, None, context);
        let reason = "not authenticated";
        context.frames.close(close::POLICY_VIOLATION, reason);
        step
    }
}

impl Live {
    fn is_empty(&self) -> bool {
        let is_idle = self.outstanding.is_empty() && self.acknowledging.is_empty();
        is_idle && self.changed.is_none() && self.recent.is_empty()
    }
}

/// From here on integers are the same number as others when they are doubles.
const DOUBLES_EXACT_UNTIL: u64 = 1 << f64::MANTISSA_DIGITS;

/// Whether `id` may be what is left of another in a client that reads numbers as doubles: then it is what JavaScript writes for its double,
/// the shortest digits that tell it from others (ECMA-262, Number::toString).
fn is_rounded(id: u64) -> bool {
    id >= DOUBLES_EXACT_UNTIL && (id as f64).to_string() == id.to_string()
}

fn wait(ask: Ask, next: Next) -> Step {
    SocketStep::Wait(ask, Call(next))
}
