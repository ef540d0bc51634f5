//! What a socket's client has not acknowledged yet, as far as the socket knows.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::dialect::chat::encode::{Place, shown_id};
use crate::domain::chat::ChatRow;
use crate::domain::ids::{ConversationId, MessageId, Position};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::limits::{
    CHAT_OUTSTANDING_MAX, CHAT_PUSHED_FURTHER_MAX, CHAT_REPEAT_MS, CHAT_REPEATS_MAX,
};

/// Where a message stands.
pub(super) type Spot = (ConversationId, Position);

/// Messages that were pushed, when they are to be pushed again, and what is known of the others that wait.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    pushed: BTreeMap<Key, Pushed>,
    /// When those are due that are pushed again, the next one first. What is not outstanding any more may still stand here.
    due: VecDeque<Due>,
    /// How many are pushed again.
    repeating: usize,
    /// Numbers what is put into `due` anew.
    serial: u64,
    /// Whether some of them were pushed when the socket was opened, so that they may come once more as new.
    has_repeated: bool,
    /// What the store said last of messages that wait, the oldest first.
    waiting: Vec<Known>,
}

/// The id under which a message is shown, which clients choose and choose again, and its own: of several the oldest stands first.
type Key = (u64, MessageId);

#[derive(Debug)]
struct Pushed {
    spot: Spot,
    /// `None` if it was pushed while there was no room for more of these: then it is only known.
    again: Option<Again>,
}

/// A message that is pushed again.
#[derive(Debug)]
struct Again {
    message: Arc<Message>,
    place: Place,
    repeats: u8,
    serial: u64,
}

#[derive(Debug)]
struct Due {
    key: Key,
    serial: u64,
    /// By the monotonic clock in milliseconds; 0 until the clock is looked at.
    at_ms: u64,
}

/// A message by the id under which it is shown.
#[derive(Clone, Copy, Debug)]
struct Known {
    shown: u64,
    spot: Spot,
}

impl Known {
    fn of(message: &Message) -> Known {
        Known {
            shown: shown_id(message),
            spot: (message.conversation, message.position),
        }
    }
}

/// How far numbers of 64 bits may be from each other that are the same as doubles.
const ROUNDED_MAX: u64 = 2_048;
/// So many that are not outstanding may stand among those that are due, besides as many as there are.
const DUE_SLACK: usize = 16;

/// All keys with these ids.
fn under(ids: RangeInclusive<u64>) -> RangeInclusive<Key> {
    (*ids.start(), MessageId(0))..=(*ids.end(), MessageId(u64::MAX))
}

fn key_of(message: &Message) -> Key {
    (shown_id(message), message.id)
}

impl Outstanding {
    /// Whether nothing is known to be outstanding.
    pub fn is_empty(&self) -> bool {
        self.pushed.is_empty() && self.waiting.is_empty()
    }

    /// Whether `message` was pushed to this socket when it was opened.
    pub fn has_repeated(&self, message: &Message) -> bool {
        self.has_repeated && self.pushed.contains_key(&key_of(message))
    }

    /// A message that was pushed to another socket is pushed to this one, which was opened since; `false` when it was already.
    pub fn repeat_here(&mut self, message: &Arc<Message>, place: Place) -> bool {
        if self.pushed.contains_key(&key_of(message)) {
            return false;
        }
        self.has_repeated = true;
        self.push(message, place);
        true
    }

    /// A message was pushed. Past the bound it is not pushed again from here, but offered when the client asks what waits.
    pub fn push(&mut self, message: &Arc<Message>, place: Place) {
        let is_repeated = self.repeating < CHAT_OUTSTANDING_MAX;
        let further = self.pushed.len() - self.repeating;
        let key = key_of(message);
        if (!is_repeated && further >= CHAT_PUSHED_FURTHER_MAX) || self.pushed.contains_key(&key) {
            return;
        }
        let again = is_repeated.then(|| {
            self.repeating += 1;
            self.serial += 1;
            self.due.push_back(Due {
                key,
                serial: self.serial,
                at_ms: 0,
            });
            Again {
                message: Arc::clone(message),
                place,
                repeats: 0,
                serial: self.serial,
            }
        });
        let spot = (message.conversation, message.position);
        self.pushed.insert(key, Pushed { spot, again });
    }

    /// Takes what the store says of messages that wait.
    pub fn set_waiting<'a>(&mut self, rows: impl Iterator<Item = &'a ChatRow>) {
        self.waiting = rows.map(|row| Known::of(&row.message)).collect();
    }

    /// The message that is shown under `id`: of several the oldest, those that were pushed first.
    pub fn find(&self, id: u64) -> Option<Spot> {
        let mut pushed = self.pushed.range(under(id..=id));
        let mut waiting = self.waiting.iter().filter(|known| known.shown == id);
        let oldest = pushed.next().map(|(_, pushed)| pushed.spot);
        oldest.or_else(|| waiting.next().map(|known| known.spot))
    }

    /// Those pushed whose id is the same number as `id` as a double, and the keys of these.
    fn rounded(&self, id: u64) -> impl Iterator<Item = (Key, Spot)> {
        let near = id.saturating_sub(ROUNDED_MAX)..=id.saturating_add(ROUNDED_MAX);
        let near = self.pushed.range(under(near));
        let same = near.filter(move |((shown, _), _)| *shown as f64 == id as f64);
        same.map(|(key, pushed)| (*key, pushed.spot))
    }

    /// The only message whose id is the same number as `id` as a double.
    pub fn find_rounded(&self, id: u64) -> Option<Spot> {
        let waiting = self.waiting.iter();
        let waiting = waiting.filter(|known| known.shown as f64 == id as f64);
        let pushed = self.rounded(id).map(|(_, spot)| spot);
        let mut same = pushed.chain(waiting.map(|known| known.spot));
        let only = same.next()?;
        same.all(|spot| spot == only).then_some(only)
    }

    /// The client has acknowledged the message at `acknowledged`, which it means by `id`.
    pub fn acknowledge(&mut self, id: u64, acknowledged: Spot) {
        let is_it = |(_, spot): &(Key, Spot)| *spot == acknowledged;
        let found = self.rounded(id).find(is_it);
        match found {
            Some((key, _)) => {
                let pushed = self.pushed.remove(&key);
                self.repeating -= usize::from(pushed.is_some_and(|pushed| pushed.again.is_some()));
                self.tidy();
            }
            None => self.forget(|spot| spot == acknowledged),
        }
        self.waiting.retain(|known| known.spot != acknowledged);
    }

    fn forget(&mut self, is_done: impl Fn(Spot) -> bool) {
        let repeating = &mut self.repeating;
        self.pushed.retain(|_, pushed| {
            let is_done = is_done(pushed.spot);
            *repeating -= usize::from(is_done && pushed.again.is_some());
            !is_done
        });
        self.tidy();
    }

    /// Takes what is not outstanding any more out of `due`: where it stands first, and everywhere when it is most of it.
    fn tidy(&mut self) {
        let pushed = &self.pushed;
        while self.due.pop_front_if(|due| !due.counts(pushed)).is_some() {}
        if self.due.len() > 2 * self.repeating + DUE_SLACK {
            self.due.retain(|due| due.counts(pushed));
        }
    }

    /// The client's part in a conversation is another: forgets what is acknowledged there, and all if it has left.
    pub fn update(&mut self, member: &Member) {
        let is_done = |(conversation, position): Spot| member.is_done_with(conversation, position);
        self.forget(is_done);
        self.waiting.retain(|known| !is_done(known.spot));
    }

    /// A message was taken back: that is what is pushed from here on.
    pub fn recall(&mut self, message: &Arc<Message>) {
        let pushed = self.pushed.get_mut(&key_of(message));
        if let Some(again) = pushed.and_then(|pushed| pushed.again.as_mut()) {
            again.message = Arc::clone(message);
        }
    }

    /// When the next one is to be pushed again; what was pushed since the last question is from `now_ms`.
    pub fn due_ms(&mut self, now_ms: u64) -> u64 {
        for due in self.due.iter_mut().rev() {
            if due.at_ms != 0 {
                break;
            }
            due.at_ms = now_ms + CHAT_REPEAT_MS;
        }
        self.due.front().map_or(u64::MAX, |next| next.at_ms)
    }

    /// The next message that is due. After the last time it is not remembered any more.
    pub fn repeat(&mut self, now_ms: u64) -> Option<(Arc<Message>, Place)> {
        let due = self.due.pop_front_if(|next| next.at_ms <= now_ms)?;
        let pushed = self.pushed.get_mut(&due.key)?;
        let next = pushed.again.as_mut()?;
        let again = (Arc::clone(&next.message), next.place);
        next.repeats += 1;
        if next.repeats < CHAT_REPEATS_MAX {
            let at_ms = now_ms + CHAT_REPEAT_MS;
            self.due.push_back(Due { at_ms, ..due });
        } else {
            self.pushed.remove(&due.key);
            self.repeating -= 1;
        }
        self.tidy();
        Some(again)
    }
}

impl Due {
    /// Whether it is that of a message which is to be pushed again.
    fn counts(&self, pushed: &BTreeMap<Key, Pushed>) -> bool {
        let again = pushed
            .get(&self.key)
            .and_then(|pushed| pushed.again.as_ref());
        again.is_some_and(|again| again.serial == self.serial)
    }
}

#[cfg(test)]
mod tests;
