//! Clients: what they send, and what they make of the answers. Each speaks one dialect for one account over one connection at a time.

mod buyer;
mod chat;
mod conv;
mod http;
mod jim;
mod ws;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use imd::domain::command::Refusal;
use imd::domain::conversation::Conversation;
use imd::domain::ids::ConversationId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::history::{Broken, History, Kept, hold, numbers_in};
use crate::source::Source;
use crate::wire::Link;

/// Names without a slash, which every dialect but `chat` registers.
pub const NAMES: [&str; 4] = ["ann", "ben", "cay", "dan"];
/// What users of `chat` are called by themselves; the account is named with company and app before it.
pub const USERS: [&str; 3] = ["1", "2", "3"];
/// Most calls that wait for an answer on one connection.
const ASKED_MAX: usize = 6;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `buyer` over HTTP.
    Buyer,
    /// `conv` over HTTP.
    Conv,
    /// `jim` on its socket, after a call over HTTP.
    Jim,
    /// `chat` on its socket, after a call over HTTP.
    Chat,
    /// `chat` over HTTP alone.
    ChatCalls,
}

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An account, by its name.
    Account(String),
    /// A group.
    Group(ConversationId),
}

/// A message that a client has sent or tried to.
#[derive(Clone, Debug)]
pub struct Said {
    /// What sends it, and for whom.
    pub kind: Kind,
    /// The sender's name.
    pub name: String,
    /// To whom.
    pub target: Target,
    /// Whether it bears an id of the client's, so that it may be sent again.
    pub has_id: bool,
    /// How many times it was sent.
    pub attempts: u32,
}

/// What is asked for, in the order of the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whatever comes is right.
    Anything,
    /// The message of this number is stored.
    Send(u64),
    /// A number of unread messages, which was true at this commit or later.
    Unread(u64),
    /// Messages, those of a conversation in their order.
    Rising,
    /// Messages, those of a conversation in falling order.
    Falling,
    /// A token.
    Login,
    /// A WebSocket.
    Upgrade,
}

/// What clients look at.
pub struct Context<'a> {
    /// Choices.
    pub source: &'a mut Source,
    /// What was stored.
    pub history: &'a History,
    /// Every message, by its number.
    pub said: &'a mut Vec<Said>,
    /// The newest commit that all shards can know of.
    pub published: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Http,
    Socket,
}

/// A client. See the module.
pub struct Client {
    /// What it speaks.
    pub kind: Kind,
    /// The name of its account.
    pub name: String,
    /// Its connection.
    pub link: Option<Link>,
    /// Whether it takes nothing for now.
    pub is_slow: bool,
    /// All pushes after this commit must reach it; `None` before it has certainly logged in.
    pub live_since: Option<u64>,
    stage: Stage,
    input: Vec<u8>,
    asked: VecDeque<Asked>,
    token: Option<String>,
    /// Its number in `chat`.
    user: Option<u64>,
    /// The last place pushed on this connection, by conversation.
    last: BTreeMap<ConversationId, u64>,
    /// What was pushed on this connection.
    heard: BTreeSet<u64>,
    /// Ids of messages to acknowledge.
    unacknowledged: Vec<(u64, u64)>,
    has_logged_in: bool,
    /// What was pushed on this connection again.
    pub(crate) repeated: BTreeSet<u64>,
}

impl Client {
    /// A client without a connection.
    pub fn new(kind: Kind, name: &str) -> Client {
        Client {
            kind,
            name: name.to_owned(),
            link: None,
            is_slow: false,
            live_since: None,
            stage: Stage::Http,
            input: Vec::new(),
            asked: VecDeque::new(),
            token: None,
            user: None,
            last: BTreeMap::new(),
            heard: BTreeSet::new(),
            unacknowledged: Vec::new(),
            has_logged_in: false,
            repeated: BTreeSet::new(),
        }
    }

    /// Uses a new connection.
    pub fn connect(&mut self, link: Link) {
        self.disconnect();
        self.link = Some(link);
    }

    /// Forgets its connection.
    pub fn disconnect(&mut self) {
        self.link = None;
        self.is_slow = false;
        self.live_since = None;
        self.stage = Stage::Http;
        self.input.clear();
        self.asked.clear();
        self.last.clear();
        self.heard.clear();
        self.unacknowledged.clear();
        self.has_logged_in = false;
    }

    /// Whether it has a socket on which it is pushed to, or soon is.
    pub fn is_on_socket(&self) -> bool {
        self.link.is_some() && self.has_logged_in
    }

    /// Does something that its users could do.
    pub fn act(&mut self, context: &mut Context<'_>) {
        if self.link.is_none() || self.asked.len() >= ASKED_MAX {
            return;
        }
        match self.kind {
            Kind::Buyer => self.act_as_buyer(context),
            Kind::Conv => self.act_as_back_end(context),
            Kind::Jim => self.act_as_jim(context),
            Kind::Chat => self.act_as_app(context),
            Kind::ChatCalls => self.call_as_app(context),
        }
    }

    /// Takes what came.
    ///
    /// # Errors
    /// When it is not what was promised.
    pub fn receive(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Kept {
        self.input.extend_from_slice(bytes);
        loop {
            match self.stage {
                Stage::Http => match http::take(&mut self.input)? {
                    Some(answer) => self.receive_answer(answer, context)?,
                    None => return Ok(()),
                },
                Stage::Socket => match ws::take(&mut self.input)? {
                    Some(frame) => self.receive_frame(frame, context)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn receive_answer(&mut self, answer: http::Answer, context: &mut Context<'_>) -> Kept {
        self.check_shown(&answer.body, context)?;
        if answer.status == 408 {
            // The rest of a request did not come; the server closes.
            self.asked.clear();
            return Ok(());
        }
        let Some(asked) = self.asked.pop_front() else {
            return Err(Broken(format!("an answer to nothing: {answer:?}")));
        };
        match asked {
            Asked::Upgrade => {
                hold(
                    answer.status == 101 || answer.status == 503 || answer.status == 429,
                    || format!("no upgrade: {answer:?}"),
                )?;
                if answer.status == 101 {
                    self.stage = Stage::Socket;
                    self.greet(context);
                }
                Ok(())
            }
            Asked::Rising => check_order(&numbers_in(&answer.body), true, context),
            Asked::Falling => check_order(&numbers_in(&answer.body), false, context),
            Asked::Anything => Ok(()),
            Asked::Send(_) | Asked::Unread(_) | Asked::Login => match self.kind {
                Kind::Buyer => self.check_envelope(&asked, &answer, context),
                Kind::Conv => self.check_back_end(&asked, &answer, context),
                Kind::Jim => self.check_vanke(&answer),
                Kind::Chat | Kind::ChatCalls => self.check_call(&asked, &answer, context),
            },
        }
    }

    fn receive_frame(&mut self, frame: ws::Frame, context: &mut Context<'_>) -> Kept {
        match frame.opcode {
            ws::TEXT => {
                self.check_shown(&frame.payload, context)?;
                match self.kind {
                    Kind::Jim => self.receive_command(&frame.payload, context),
                    _ => self.receive_message(&frame.payload, context),
                }
            }
            ws::PING => {
                self.send_frame(ws::PONG, &frame.payload, context.source);
                Ok(())
            }
            ws::CLOSE | ws::PONG => Ok(()),
            other => Err(Broken(format!("a frame of opcode {other}"))),
        }
    }

    /// Nobody is shown what they may not see.
    fn check_shown(&self, bytes: &[u8], context: &Context<'_>) -> Kept {
        let numbers = numbers_in(bytes);
        if numbers.is_empty() {
            return Ok(());
        }
        let Some(account) = context.history.account(&self.name) else {
            return Err(Broken(format!("{} is nobody and is shown", self.name)));
        };
        for number in numbers {
            context.history.may_see(account, number)?;
        }
        Ok(())
    }

    /// What is pushed is pushed once on each connection, in the order of its conversation; `chat` repeats what is not acknowledged.
    fn check_push(&mut self, number: u64, may_repeat: bool, context: &Context<'_>) -> Kept {
        let name = &self.name;
        let Some(place) = context.history.place(number) else {
            return Err(Broken(format!("message {number} is pushed and not stored")));
        };
        if !self.heard.insert(number) {
            self.repeated.insert(number);
            return hold(may_repeat, || {
                format!("message {number} is pushed to {name} again")
            });
        }
        let last = self.last.entry(place.conversation).or_default();
        let is_next = *last < place.position;
        // What waited for an acknowledgement from before comes whenever its time has come.
        *last = place.position.max(*last);
        let is_from_before = self.live_since.is_none_or(|since| place.commit <= since);
        hold(is_next || may_repeat && is_from_before, || {
            format!("message {number} is pushed to {name} after a later one")
        })
    }

    /// A message that was sent is stored, or is not.
    fn check_sent(
        &self,
        number: u64,
        result: Result<(), Option<Refusal>>,
        context: &Context<'_>,
    ) -> Kept {
        let place = context.history.place(number);
        let said = &context.said[number as usize];
        match result {
            Ok(()) => {
                let place = place.ok_or_else(|| {
                    Broken(format!(
                        "message {number} is acknowledged and not stored: {said:?}"
                    ))
                })?;
                hold(
                    Some(place.sender) == context.history.account(&self.name),
                    || format!("message {number} is another's: {said:?}"),
                )
            }
            Err(Some(Refusal::Busy | Refusal::Failure)) => Ok(()),
            Err(_) => hold(said.attempts > 1 || place.is_none(), || {
                format!("message {number} is refused and stored: {said:?}")
            }),
        }
    }

    /// A number of unread messages that was asked for when commit `since` was published.
    fn check_unread(&self, since: u64, told: &Value, context: &Context<'_>) -> Kept {
        let name = &self.name;
        let (Some(total), Some(account)) = (told.as_u64(), context.history.account(name)) else {
            return Err(Broken(format!("{name} is given no count: {told}")));
        };
        hold(context.history.had_unread(account, since, total), || {
            format!("{name} was told of {total} unread since {since}")
        })
    }

    /// A message to send: a new one, or one of before once more.
    fn message(&mut self, context: &mut Context<'_>) -> (u64, Said) {
        if context.source.once_in(6) {
            let own = |(_, said): &(usize, &Said)| {
                said.kind == self.kind && said.name == self.name && said.has_id
            };
            let own: Vec<usize> = context
                .said
                .iter()
                .enumerate()
                .filter(own)
                .map(|(number, _)| number)
                .collect();
            if !own.is_empty() {
                let number = *context.source.pick(&own);
                context.said[number].attempts += 1;
                return (number as u64, context.said[number].clone());
            }
        }
        let target = self.target(context);
        // To a buyer a group's name may come to mean an account, and the same message be said elsewhere.
        let is_fixed = self.kind != Kind::Buyer || matches!(target, Target::Account(_));
        let said = Said {
            kind: self.kind,
            name: self.name.clone(),
            target,
            has_id: self.kind == Kind::Chat || is_fixed && context.source.once_in(2),
            attempts: 1,
        };
        context.said.push(said.clone());
        (context.said.len() as u64 - 1, said)
    }

    /// The number of an event to send. Nothing says whether it is stored.
    fn event(&mut self, context: &mut Context<'_>) -> u64 {
        context.said.push(Said {
            kind: self.kind,
            name: self.name.clone(),
            target: Target::Account(String::new()),
            has_id: false,
            attempts: 1,
        });
        context.said.len() as u64 - 1
    }

    fn target(&self, context: &mut Context<'_>) -> Target {
        let groups = context.history.groups();
        if !groups.is_empty() && context.source.once_in(3) {
            return Target::Group(context.source.pick(&groups).id);
        }
        // Not drawn again until it is another's: a source that is over gives the same for ever.
        let others: Vec<String> = names().filter(|name| *name != self.name).collect();
        Target::Account(context.source.pick(&others).clone())
    }
}

/// The body of the one answer in `bytes`.
///
/// # Errors
/// When it is something else.
pub fn answer(bytes: &mut Vec<u8>) -> Kept<Vec<u8>> {
    match http::take(bytes)? {
        Some(answer) => Ok(answer.body),
        None => Err(Broken(format!(
            "no answer: {}",
            String::from_utf8_lossy(bytes)
        ))),
    }
}

/// The name of one of the accounts.
fn some_name(source: &mut Source) -> String {
    let all: Vec<String> = names().collect();
    source.pick(&all).clone()
}

/// The names of all accounts.
fn names() -> impl Iterator<Item = String> {
    let plain = NAMES.iter().map(|name| (*name).to_owned());
    plain.chain(USERS.iter().map(|user| user_name(user)))
}

/// What the account of a user of `chat` is called.
pub fn user_name(user: &str) -> String {
    format!("co/app/{user}")
}

/// What a group is called by people.
fn group_name(group: &Conversation) -> String {
    group
        .group()
        .map(|group| group.name.to_string())
        .unwrap_or_default()
}

/// A group, if there is one.
fn some_group(context: &mut Context<'_>) -> Option<Conversation> {
    let groups = context.history.groups();
    (!groups.is_empty()).then(|| context.source.pick(&groups).clone())
}

/// Of each conversation the messages stand in their order, each once.
fn check_order(numbers: &[u64], rising: bool, context: &Context<'_>) -> Kept {
    let mut last: BTreeMap<ConversationId, u64> = BTreeMap::new();
    for number in numbers {
        let Some(place) = context.history.place(*number) else {
            return Err(Broken(format!("message {number} is listed and not stored")));
        };
        if let Some(before) = last.insert(place.conversation, place.position) {
            hold((before < place.position) == rising, || {
                format!("out of order at {number}: {numbers:?}")
            })?;
        }
    }
    Ok(())
}

/// `name=value` pairs, percent-encoded.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        let separator = if text.is_empty() { "" } else { "&" };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{name}={value}");
    }
    text
}
