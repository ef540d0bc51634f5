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

/// Messages that were pushed, by when they are to be pushed again, and what is known of the others that wait.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    pushed: VecDeque<Pushed>,
    /// Where those stand that were pushed while there was no room for them above; they are not pushed again.
    further: Vec<Known>,
    /// Whether some of them were pushed when the socket was opened, so that they may come once more as new.
    has_repeated: bool,
    /// What the store said last of messages that wait, the oldest first.
    waiting: Vec<Known>,
}

#[derive(Debug)]
struct Pushed {
    known: Known,
    message: Arc<Message>,
    place: Place,
    /// By the monotonic clock in milliseconds; 0 until the clock is looked at.
    due_ms: u64,
    repeats: u8,
}

/// A message by the id under which it is shown.
#[derive(Clone, Copy, Debug)]
struct Known {
    shown: u64,
    id: MessageId,
    spot: Spot,
}

impl Known {
    fn of(message: &Message) -> Known {
        Known {
            shown: shown_id(message),
            id: message.id,
            spot: (message.conversation, message.position),
        }
    }
}

impl Outstanding {
    /// Whether nothing is known to be outstanding.
    pub fn is_empty(&self) -> bool {
        self.pushed.is_empty() && self.further.is_empty() && self.waiting.is_empty()
    }

    /// Whether the message at `spot` was pushed to this socket when it was opened.
    pub fn has_repeated(&self, spot: Spot) -> bool {
        let mut pushed = self.pushed.iter();
        self.has_repeated && pushed.any(|pushed| pushed.known.spot == spot)
    }

    /// A message that was pushed to another socket is pushed to this one, which was opened since; `false` when it was already.
    pub fn repeat_here(&mut self, message: &Arc<Message>, place: Place) -> bool {
        let spot = (message.conversation, message.position);
        if self.pushed.iter().any(|pushed| pushed.known.spot == spot) {
            return false;
        }
        self.has_repeated = true;
        self.push(message, place);
        true
    }

    /// A message was pushed. Past the bound it is not pushed again from here, but offered when the client asks what waits.
    pub fn push(&mut self, message: &Arc<Message>, place: Place) {
        if self.pushed.len() < CHAT_OUTSTANDING_MAX {
            self.pushed.push_back(Pushed {
                known: Known::of(message),
                message: Arc::clone(message),
                place,
                due_ms: 0,
                repeats: 0,
            });
        } else if self.further.len() < CHAT_PUSHED_FURTHER_MAX {
            self.further.push(Known::of(message));
        }
    }

    /// Takes what the store says of messages that wait.
    pub fn set_waiting<'a>(&mut self, rows: impl Iterator<Item = &'a ChatRow>) {
        self.waiting = rows.map(|row| Known::of(&row.message)).collect();
    }

    fn pushed(&self) -> impl Iterator<Item = Known> {
        let pushed = self.pushed.iter().map(|pushed| pushed.known);
        pushed.chain(self.further.iter().copied())
    }

    /// The message that is shown under `id`: of several the oldest, those that were pushed first.
    pub fn find(&self, id: u64) -> Option<Spot> {
        let pushed = self.pushed().filter(|known| known.shown == id);
        let mut waiting = self.waiting.iter().filter(|known| known.shown == id);
        let oldest = pushed.min_by_key(|known| known.id);
        let found = oldest.or_else(|| waiting.next().copied())?;
        Some(found.spot)
    }

    /// The only message whose id is the same number as `id` as a double.
    pub fn find_rounded(&self, id: u64) -> Option<Spot> {
        let known = self.pushed().chain(self.waiting.iter().copied());
        let mut same = known
            .filter(|known| known.shown as f64 == id as f64)
            .map(|known| known.spot);
        let only = same.next()?;
        same.all(|spot| spot == only).then_some(only)
    }

    /// The client has acknowledged the message at `acknowledged`.
    pub fn acknowledge(&mut self, acknowledged: Spot) {
        self.pushed
            .retain(|pushed| pushed.known.spot != acknowledged);
        self.further.retain(|known| known.spot != acknowledged);
        self.waiting.retain(|known| known.spot != acknowledged);
    }

    /// The client's part in a conversation is another: forgets what is acknowledged there, and all if it has left.
    pub fn update(&mut self, member: &Member) {
        let is_done = |(conversation, position): Spot| member.is_done_with(conversation, position);
        self.pushed.retain(|pushed| !is_done(pushed.known.spot));
        self.further.retain(|known| !is_done(known.spot));
        self.waiting.retain(|known| !is_done(known.spot));
    }

    /// A message was taken back: that is what is pushed from here on.
    pub fn recall(&mut self, message: &Arc<Message>) {
        for pushed in &mut self.pushed {
            if pushed.message.id == message.id {
                pushed.message = Arc::clone(message);
            }
        }
    }

    /// When the next one is to be pushed again; what was pushed since the last question is from `now_ms`.
    pub fn due_ms(&mut self, now_ms: u64) -> u64 {
        for pushed in self.pushed.iter_mut().rev() {
            if pushed.due_ms != 0 {
                break;
            }
            pushed.due_ms = now_ms + CHAT_REPEAT_MS;
        }
        self.pushed.front().map_or(u64::MAX, |next| next.due_ms)
    }

    /// The next message that is due. After the last time it is not remembered any more.
    pub fn repeat(&mut self, now_ms: u64) -> Option<(Arc<Message>, Place)> {
        let mut next = self.pushed.pop_front_if(|next| next.due_ms <= now_ms)?;
        let again = (Arc::clone(&next.message), next.place);
        next.repeats += 1;
        if next.repeats < CHAT_REPEATS_MAX {
            next.due_ms = now_ms + CHAT_REPEAT_MS;
            self.pushed.push_back(next);
        }
        Some(again)
    }
}
