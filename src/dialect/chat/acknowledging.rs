//! Acknowledgements on their way: those that come while others are being recorded are recorded together.

use smallvec::SmallVec;

use crate::dialect::chat::outstanding::Spot;
use crate::domain::command::Command;
use crate::domain::ids::AccountId;
use crate::limits::CHAT_ACKNOWLEDGEMENTS_MAX;

/// What a client has acknowledged and is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct Acknowledging {
    /// In the command that is under way.
    submitted: SmallVec<[Spot; 1]>,
    /// For the next one.
    waiting: SmallVec<[Spot; 1]>,
}

impl Acknowledging {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.submitted.is_empty() && self.waiting.is_empty()
    }

    /// Whether as many wait as may; what is under way makes room soon.
    pub fn is_full(&self) -> bool {
        !self.submitted.is_empty() && self.waiting.len() >= CHAT_ACKNOWLEDGEMENTS_MAX
    }

    /// Whether the message at `spot` is to be recorded, or being so.
    pub fn contains(&self, spot: Spot) -> bool {
        self.submitted.contains(&spot) || self.waiting.contains(&spot)
    }

    /// The message at `spot` is acknowledged.
    pub fn add(&mut self, spot: Spot) {
        self.waiting.push(spot);
    }

    /// All that wait, in one command; `None` when there is nothing, or a command is under way.
    pub fn submit(&mut self, account: AccountId) -> Option<Command> {
        if !self.submitted.is_empty() || self.waiting.is_empty() {
            return None;
        }
        self.submitted = std::mem::take(&mut self.waiting);
        self.submitted.sort_unstable();
        let is_same = |(one, _): &Spot, (other, _): &Spot| one == other;
        let messages = self.submitted.chunk_by(is_same).filter_map(|spots| {
            let (conversation, _) = spots.first()?;
            let positions = spots.iter().map(|(_, position)| *position);
            Some((*conversation, positions.collect()))
        });
        let messages = messages.collect();
        Some(Command::Acknowledge { account, messages })
    }

    /// The command is done, or could not be done: then its messages are offered again.
    pub fn finish(&mut self) {
        self.submitted.clear();
    }
}
