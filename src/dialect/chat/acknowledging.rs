//! Acknowledgements on their way: those that come while others are being recorded are recorded together.

use std::collections::BTreeMap;

use crate::dialect::chat::outstanding::Spot;
use crate::domain::command::Command;
use crate::domain::ids::{AccountId, ConversationId, Position};
use crate::limits::CHAT_ACKNOWLEDGEMENTS_MAX;

/// What a client has acknowledged and is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct Acknowledging {
    /// In the command that is under way.
    submitted: Vec<Spot>,
    /// For the next one.
    waiting: Vec<Spot>,
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
        let mut messages: BTreeMap<ConversationId, Vec<Position>> = BTreeMap::new();
        for (conversation, position) in &self.submitted {
            messages.entry(*conversation).or_default().push(*position);
        }
        messages.values_mut().for_each(|places| places.sort());
        let messages = messages.into_iter().collect();
        Some(Command::Acknowledge { account, messages })
    }

    /// The command is done, or could not be done at all: then its messages are offered again.
    pub fn finish(&mut self) {
        self.submitted.clear();
    }

    /// There was no room for the command: what it would have recorded goes with the next one. Twice [`CHAT_ACKNOWLEDGEMENTS_MAX`] are kept.
    pub fn put_back(&mut self) {
        self.submitted.append(&mut self.waiting);
        self.submitted.truncate(2 * CHAT_ACKNOWLEDGEMENTS_MAX);
        std::mem::swap(&mut self.submitted, &mut self.waiting);
    }
}
