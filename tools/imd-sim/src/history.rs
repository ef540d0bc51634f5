//! What was stored, kept in the plainest way and held to the rules: the judge of everything that clients are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imd::domain::command::Effect;
use imd::domain::conversation::{Conversation, ConversationKind};
use imd::domain::ids::{AccountId, CommitNumber, ConversationId};
use imd::domain::member::Member;
use imd::domain::message::{Dialect, Message};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// A check's result.
pub type Kept<T = ()> = Result<T, Broken>;

/// Fails with a text when `holds` is false.
pub fn hold(holds: bool, text: impl FnOnce() -> String) -> Kept {
    match holds {
        true => Ok(()),
        false => Err(Broken(text())),
    }
}

/// Where a message of the simulation is stored.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where it was said.
    pub conversation: ConversationId,
    /// Its place there.
    pub position: u64,
    /// Who said it.
    pub sender: AccountId,
    /// With which commit.
    pub commit: u64,
}

/// A conversation as the commits made it.
struct Talk {
    conversation: Conversation,
    messages: Vec<Arc<Message>>,
    members: BTreeMap<AccountId, Member>,
}

/// A time of membership: after this position, and up to this one if it has ended.
type Period = (u64, Option<u64>);

/// Everything that was stored.
#[derive(Default)]
pub struct History {
    /// The newest commit.
    pub commit: u64,
    names: BTreeMap<Arc<str>, AccountId>,
    talks: BTreeMap<ConversationId, Talk>,
    talks_of: BTreeMap<AccountId, BTreeSet<ConversationId>>,
    periods: BTreeMap<(ConversationId, AccountId), Vec<Period>>,
    /// By the number in a message's text.
    places: BTreeMap<u64, Place>,
    /// The numbers of messages in the order in which they were stored.
    order: Vec<u64>,
    last_id: u64,
    keys: BTreeSet<(AccountId, ConversationId, Dialect, Arc<str>)>,
    /// How many messages each account had not read, since which commit.
    unread: BTreeMap<AccountId, Vec<(u64, u64)>>,
}

/// The text of message `number`, in characters that nothing else uses.
pub fn text_of(number: u64) -> String {
    format!("«{number}»")
}

/// The numbers of the messages whose texts stand in `bytes`, in their order.
pub fn numbers_in(bytes: &[u8]) -> Vec<u64> {
    const OPEN: &[u8] = "«".as_bytes();
    const CLOSE: &[u8] = "»".as_bytes();
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == OPEN) {
        rest = &rest[at + OPEN.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0
            && rest[digits..].starts_with(CLOSE)
            && let Ok(text) = std::str::from_utf8(&rest[..digits])
        {
            found.extend(text.parse::<u64>());
        }
    }
    found
}

/// The number in the text of `message`, unless it was taken back.
pub fn number_of(message: &Message) -> Option<u64> {
    numbers_in(message.body.as_bytes()).first().copied()
}

impl History {
    /// The account of that name.
    pub fn account(&self, name: &str) -> Option<AccountId> {
        self.names.get(name).copied()
    }

    /// Where message `number` is stored.
    pub fn place(&self, number: u64) -> Option<Place> {
        self.places.get(&number).copied()
    }

    /// All groups.
    pub fn groups(&self) -> Vec<Conversation> {
        let groups = self.talks.values().map(|talk| &talk.conversation);
        groups
            .filter(|conversation| conversation.group().is_some())
            .cloned()
            .collect()
    }

    /// Takes a commit and checks it.
    pub fn apply(&mut self, number: CommitNumber, effects: &[Effect]) -> Kept {
        hold(number.0 == self.commit + 1, || {
            format!("commit {number} follows {}", self.commit)
        })?;
        self.commit = number.0;
        let mut touched = BTreeSet::new();
        for effect in effects {
            match effect {
                Effect::Account(account) => {
                    self.names.insert(Arc::clone(&account.name), account.id);
                }
                Effect::Conversation(conversation) => {
                    touched.insert(conversation.id);
                    let talk = self.talks.entry(conversation.id).or_insert_with(|| Talk {
                        conversation: conversation.clone(),
                        messages: Vec::new(),
                        members: BTreeMap::new(),
                    });
                    talk.conversation = conversation.clone();
                }
                Effect::Member(member) => {
                    touched.insert(member.conversation);
                    self.put_member(member)?;
                }
                Effect::Append(message) => {
                    touched.insert(message.conversation);
                    self.append(message)?;
                }
                Effect::Recall(message) => {
                    let talk = self.talks.get_mut(&message.conversation);
                    let place = message.position.0 as usize - 1;
                    match talk.and_then(|talk| talk.messages.get_mut(place)) {
                        Some(old) if old.id == message.id => *old = Arc::clone(message),
                        _ => {
                            return Err(Broken(format!("recalled what is not there: {message:?}")));
                        }
                    }
                }
                Effect::Token(_)
                | Effect::TokenEnded(_)
                | Effect::ReserveId(_)
                | Effect::Assign(_) => {}
            }
        }
        for effect in effects {
            if let Effect::Append(message) = effect {
                let periods = self.periods.get(&(message.conversation, message.sender));
                hold(is_within(periods, message.position.0), || {
                    format!("said by no member: {message:?}")
                })?;
            }
        }
        self.check(&touched)
    }

    fn put_member(&mut self, member: &Member) -> Kept {
        let Some(talk) = self.talks.get_mut(&member.conversation) else {
            return Err(Broken(format!("a member of nothing: {member:?}")));
        };
        if let Some(before) = talk.members.get(&member.account) {
            hold(before.slot == member.slot, || {
                format!("another slot: {before:?}, {member:?}")
            })?;
            hold(
                before.read <= member.read && before.acknowledged <= member.acknowledged,
                || format!("went back: {before:?}, {member:?}"),
            )?;
        }
        talk.members.insert(member.account, member.clone());
        self.talks_of
            .entry(member.account)
            .or_default()
            .insert(member.conversation);
        let periods = self
            .periods
            .entry((member.conversation, member.account))
            .or_default();
        let left = member.left_after.map(|position| position.0);
        match periods.last_mut() {
            Some(last) if last.0 == member.joined_after.0 => last.1 = left,
            _ => periods.push((member.joined_after.0, left)),
        }
        Ok(())
    }

    fn append(&mut self, message: &Arc<Message>) -> Kept {
        let Some(talk) = self.talks.get_mut(&message.conversation) else {
            return Err(Broken(format!("said nowhere: {message:?}")));
        };
        hold(message.id.0 > self.last_id, || {
            format!("ids do not rise: {message:?}")
        })?;
        self.last_id = message.id.0;
        hold(message.position.0 == talk.messages.len() as u64 + 1, || {
            format!("a gap: {message:?}")
        })?;
        let last_at = talk.messages.last().map(|last| last.at);
        hold(last_at.is_none_or(|at| at <= message.at), || {
            format!("times fall: {message:?}")
        })?;
        talk.messages.push(Arc::clone(message));
        if let Some(client_id) = &message.client_id {
            let key = (
                message.sender,
                message.conversation,
                message.origin,
                Arc::clone(client_id),
            );
            hold(self.keys.insert(key), || {
                format!("stored twice: {message:?}")
            })?;
        }
        for number in numbers_in(message.body.as_bytes()) {
            let place = Place {
                conversation: message.conversation,
                position: message.position.0,
                sender: message.sender,
                commit: self.commit,
            };
            let before = self.places.insert(number, place);
            hold(before.is_none(), || format!("said twice: {message:?}"))?;
            self.order.push(number);
        }
        Ok(())
    }

    /// Holds the conversations that a commit has touched to their own messages.
    fn check(&mut self, touched: &BTreeSet<ConversationId>) -> Kept {
        let mut readers = BTreeSet::new();
        for id in touched {
            let Some(talk) = self.talks.get(id) else {
                continue;
            };
            let head = talk.messages.len() as u64;
            let mut slots = BTreeSet::new();
            for member in talk.members.values() {
                hold(slots.insert(member.slot), || {
                    format!("a slot of two: {member:?}")
                })?;
                readers.insert(member.account);
                let own = |until: u64| {
                    let until = &talk.messages[..until.min(head) as usize];
                    until
                        .iter()
                        .filter(|message| message.sender == member.account)
                        .count() as u64
                };
                hold(
                    member.sent == own(head) && member.sent_read == own(member.read.0),
                    || {
                        format!(
                            "own messages miscounted, {} and {}: {member:?}",
                            own(head),
                            own(member.read.0)
                        )
                    },
                )?;
                hold(member.acknowledged.0 <= head, || {
                    format!("acknowledged what is not there: {member:?}")
                })?;
                let position = imd::domain::ids::Position(head);
                let counted = talk.unread_of(member);
                hold(member.unread(position) == counted, || {
                    format!(
                        "{} unread instead of {counted}: {member:?}",
                        member.unread(position)
                    )
                })?;
            }
            if let Some(group) = talk.conversation.group() {
                let active = talk.members.values().filter(|member| member.is_active());
                let active = active.count();
                hold(group.member_count as usize == active, || {
                    format!("{active} members: {:?}", talk.conversation)
                })?;
            }
        }
        for reader in readers {
            let total = self.count_unread(reader);
            let line = self.unread.entry(reader).or_default();
            if line.last().is_none_or(|(_, last)| *last != total) {
                line.push((self.commit, total));
            }
        }
        Ok(())
    }

    /// Conversations that an account is in now, with its part.
    fn active(&self, account: AccountId) -> impl Iterator<Item = (&Talk, &Member)> {
        let talks = self.talks_of.get(&account).into_iter().flatten();
        talks.filter_map(move |id| {
            let talk = self.talks.get(id)?;
            let member = talk.members.get(&account)?;
            member.is_active().then_some((talk, member))
        })
    }

    fn count_unread(&self, account: AccountId) -> u64 {
        let talks = self.active(account);
        talks
            .filter(|(talk, _)| !talk.is_of_events())
            .map(|(talk, member)| talk.unread_of(member))
            .sum()
    }

    /// What an account's clients have not acknowledged, in the order in which it was stored.
    pub fn undelivered(&self, account: AccountId) -> Vec<&Message> {
        let mut found = Vec::new();
        for (talk, member) in self.active(account) {
            for message in &talk.messages {
                let position = message.position.0;
                let is_hole = member.holes.contains(position);
                if message.sender != account
                    && position > member.joined_after.0
                    && (position > member.acknowledged.0 || is_hole)
                {
                    found.push(&**message);
                }
            }
        }
        found.sort_unstable_by_key(|message| message.id);
        found
    }

    /// Whether `total` was an account's number of unread messages at some time since commit `since`.
    pub fn had_unread(&self, account: AccountId, since: u64, total: u64) -> bool {
        let line = self.unread.get(&account).map(Vec::as_slice).unwrap_or(&[]);
        let first = line.partition_point(|(commit, _)| *commit <= since);
        let before = first.checked_sub(1).map_or(0, |at| line[at].1);
        before == total || line[first..].iter().any(|(_, then)| *then == total)
    }

    /// An account's number of unread messages.
    pub fn unread(&self, account: AccountId) -> u64 {
        let line = self.unread.get(&account);
        line.and_then(|line| line.last())
            .map_or(0, |(_, total)| *total)
    }

    /// Fails when a message may not be shown to an account, or is not stored.
    pub fn may_see(&self, account: AccountId, number: u64) -> Kept<Place> {
        let Some(place) = self.place(number) else {
            return Err(Broken(format!(
                "{} is shown and not stored",
                text_of(number)
            )));
        };
        let periods = self.periods.get(&(place.conversation, account));
        hold(is_within(periods, place.position), || {
            format!(
                "{} is shown to account {account}: {place:?}",
                text_of(number)
            )
        })?;
        Ok(place)
    }

    /// The messages after commit `since` that are pushed to an account's sockets of a dialect, in their order.
    pub fn pushed_since(&self, account: AccountId, since: u64, dialect: Dialect) -> Vec<u64> {
        let first = self
            .order
            .partition_point(|number| self.places[number].commit <= since);
        let is_pushed = |number: &u64| {
            let place = self.places[number];
            let talk = &self.talks[&place.conversation];
            let is_single = talk.conversation.group().is_none();
            // In groups `jim` gives one's own messages back, and it knows no events.
            let is_jim = dialect == Dialect::Jim;
            (place.sender != account || is_jim && !is_single)
                && !(is_jim && talk.is_of_events())
                && self.may_see(account, *number).is_ok()
        };
        self.order[first..]
            .iter()
            .copied()
            .filter(is_pushed)
            .collect()
    }
}

fn is_within(periods: Option<&Vec<Period>>, position: u64) -> bool {
    let mut periods = periods.into_iter().flatten();
    periods.any(|(after, until)| position > *after && until.is_none_or(|until| position <= until))
}

impl Talk {
    /// Whether it is of events, which are `chat`'s alone and never unread.
    fn is_of_events(&self) -> bool {
        matches!(self.conversation.kind, ConversationKind::Events(_))
    }

    fn unread_of(&self, member: &Member) -> u64 {
        let until = member.left_after.map_or(usize::MAX, |left| left.0 as usize);
        let from = member.read.max(member.joined_after).0 as usize;
        let until = until.min(self.messages.len());
        let range = self.messages.get(from..until).unwrap_or(&[]);
        let others = range
            .iter()
            .filter(|message| message.sender != member.account);
        others.count() as u64
    }
}
