//! What a socket's client has not acknowledged yet, as far as the socket knows.

use std::collections::VecDeque;
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
    /// The oldest message first. Clients acknowledge in about that order, so that what is looked for stands in front.
    pushed: VecDeque<Pushed>,
    /// Those that are pushed again, the next one first. What is not outstanding any more may still stand here.
    due: VecDeque<Due>,
    /// How many are pushed again.
    repeating: usize,
    /// Numbers what is put into `due` anew, from 1.
    serial: u64,
    /// Whether some of them were pushed when the socket was opened, so that they may come once more as new.
    has_repeated: bool,
    /// What the store said last of messages that wait, the oldest first.
    waiting: Vec<Known>,
}

#[derive(Debug)]
struct Pushed {
    message: MessageId,
    known: Known,
    /// That of its place in `due`; 0 if it was pushed while there was no room for more of these: then it is only known.
    serial: u64,
}

/// A message that is pushed again.
#[derive(Debug)]
struct Due {
    id: MessageId,
    message: Arc<Message>,
    place: Place,
    serial: u64,
    /// By the monotonic clock in milliseconds; 0 until the clock is looked at.
    at_ms: u64,
    repeats: u8,
}

/// A message by the id under which it is shown, which clients choose and choose again.
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

/// So many that are not outstanding may stand among those that are due, besides as many as there are.
const DUE_SLACK: usize = 16;

impl Outstanding {
    /// Whether nothing is known to be outstanding.
    pub fn is_empty(&self) -> bool {
        self.pushed.is_empty() && self.waiting.is_empty()
    }

    /// Whether `message` was pushed to this socket when it was opened.
    pub fn has_repeated(&self, message: &Message) -> bool {
        self.has_repeated && place_of(&self.pushed, message.id).is_ok()
    }

    /// A message that was pushed to another socket is pushed to this one, which was opened since; `false` when it was already.
    pub fn repeat_here(&mut self, message: &Arc<Message>, place: Place) -> bool {
        if place_of(&self.pushed, message.id).is_ok() {
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
        if !is_repeated && further >= CHAT_PUSHED_FURTHER_MAX {
            return;
        }
        let Err(index) = place_of(&self.pushed, message.id) else {
            return;
        };
        let mut serial = 0;
        if is_repeated {
            self.repeating += 1;
            self.serial += 1;
            serial = self.serial;
            self.due.push_back(Due {
                id: message.id,
                message: Arc::clone(message),
                place,
                serial,
                at_ms: 0,
                repeats: 0,
            });
        }
        let pushed = Pushed {
            message: message.id,
            known: Known::of(message),
            serial,
        };
        self.pushed.insert(index, pushed);
    }

    /// Takes what the store says of messages that wait.
    pub fn set_waiting<'a>(&mut self, rows: impl Iterator<Item = &'a ChatRow>) {
        self.waiting = rows.map(|row| Known::of(&row.message)).collect();
    }

    /// What is known, each oldest first, those that were pushed before the others.
    fn known(&self) -> impl Iterator<Item = &Known> {
        let pushed = self.pushed.iter().map(|pushed| &pushed.known);
        pushed.chain(&self.waiting)
    }

    /// The message that is shown under `id`: of several the oldest, those that were pushed first.
    pub fn find(&self, id: u64) -> Option<Spot> {
        let found = self.known().find(|known| known.shown == id)?;
        Some(found.spot)
    }

    /// The only message whose id is the same number as `id` as a double.
    pub fn find_rounded(&self, id: u64) -> Option<Spot> {
        let mut same = self.known().filter(|known| known.shown as f64 == id as f64);
        let only = same.next()?.spot;
        same.all(|known| known.spot == only).then_some(only)
    }

    /// The client has acknowledged the message at `acknowledged`.
    pub fn acknowledge(&mut self, acknowledged: Spot) {
        let mut pushed = self.pushed.iter();
        let found = pushed.position(|pushed| pushed.known.spot == acknowledged);
        if let Some(pushed) = found.and_then(|index| self.pushed.remove(index)) {
            self.repeating -= usize::from(pushed.serial != 0);
            self.tidy();
        }
        self.waiting.retain(|known| known.spot != acknowledged);
    }

    fn forget(&mut self, is_done: impl Fn(Spot) -> bool) {
        let repeating = &mut self.repeating;
        self.pushed.retain(|pushed| {
            let is_done = is_done(pushed.known.spot);
            *repeating -= usize::from(is_done && pushed.serial != 0);
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
        let due = self.due.iter_mut();
        for due in due.filter(|due| due.id == message.id) {
            due.message = Arc::clone(message);
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
        let mut due = self.due.pop_front_if(|next| next.at_ms <= now_ms)?;
        let again = (Arc::clone(&due.message), due.place);
        due.repeats += 1;
        if due.repeats < CHAT_REPEATS_MAX {
            due.at_ms = now_ms + CHAT_REPEAT_MS;
            self.due.push_back(due);
        } else if let Ok(index) = place_of(&self.pushed, due.id) {
            self.pushed.remove(index);
            self.repeating -= 1;
        }
        self.tidy();
        Some(again)
    }
}

impl Due {
    /// Whether it is that of a message which is to be pushed again.
    fn counts(&self, pushed: &VecDeque<Pushed>) -> bool {
        let found = place_of(pushed, self.id).ok();
        let found = found.and_then(|index| pushed.get(index));
        found.is_some_and(|pushed| pushed.serial == self.serial)
    }
}

/// Where `message` stands in `pushed`, or would: mostly at one of the ends.
fn place_of(pushed: &VecDeque<Pushed>, message: MessageId) -> Result<usize, usize> {
    match (pushed.front(), pushed.back()) {
        (Some(oldest), _) if oldest.message == message => Ok(0),
        (_, Some(newest)) if newest.message >= message => {
            pushed.binary_search_by_key(&message, |pushed| pushed.message)
        }
        _ => Err(pushed.len()),
    }
}

#[cfg(test)]
mod tests;
