//! Conversations of pairs in memory, each with both members: one row, found by the pair and by the conversation.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::domain::cache::rows::{Rows, forget};
use crate::domain::conversation::{Conversation, Head, Pair, Topic};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position};
use crate::domain::member::Member;
use crate::domain::needs::SingleRow;
use crate::domain::state::packed::PairRow;

/// A bounded part of the pairs' conversations, and of the pairs that have none.
#[derive(Debug)]
pub struct Pairs {
    rows: Rows<PairRow>,
    by_pair: HashTable<u32>,
    by_id: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Pairs {
    /// No rows yet, which [`Pairs::shrink`] brings down to `bytes_max`.
    pub fn new(bytes_max: usize) -> Pairs {
        Pairs {
            rows: Rows::new(bytes_max, 2, PairRow::heap_bytes),
            by_pair: HashTable::new(),
            by_id: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// What the rows take, in bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    fn of_pair(&self, key: (Pair, Topic)) -> Option<u32> {
        let is_it = |at: &u32| self.rows.get(*at).is_some_and(|row| row.key() == key);
        self.by_pair.find(self.hasher.hash_one(key), is_it).copied()
    }

    fn of_id(&self, id: ConversationId) -> Option<u32> {
        let is_it = |at: &u32| self.rows.get(*at).is_some_and(|row| row.id() == Some(id));
        // What a command changes is what it has just looked at.
        let newest = self.rows.newest();
        if is_it(&newest) {
            return Some(newest);
        }
        self.by_id.find(self.hasher.hash_one(id), is_it).copied()
    }

    fn used(&mut self, at: u32) -> Option<&PairRow> {
        self.rows.touch(at);
        self.rows.get(at)
    }

    /// The conversation of a pair and the parts of both, the lower account's first, or `None` when it is not in memory.
    pub fn single(
        &mut self,
        pair: Pair,
        topic: Topic,
    ) -> Option<Option<(Conversation, Member, Member)>> {
        let at = self.of_pair((pair, topic))?;
        let row = self.used(at)?;
        Some(row.conversation().and_then(|conversation| {
            let (low, high) = (row.member(pair.low())?, row.member(pair.high())?);
            Some((conversation, low, high))
        }))
    }

    /// Whether a conversation is in memory.
    pub fn has(&self, id: ConversationId) -> bool {
        self.of_id(id).is_some()
    }

    /// A conversation, if it is in memory.
    pub fn conversation(&mut self, id: ConversationId) -> Option<Conversation> {
        let at = self.of_id(id)?;
        self.used(at)?.conversation()
    }

    /// The part of `account` in a conversation, or `None` when that is not in memory.
    pub fn member(&mut self, id: ConversationId, account: AccountId) -> Option<Option<Member>> {
        let at = self.of_id(id)?;
        self.used(at).map(|row| row.member(account))
    }

    /// Takes a row that was loaded, unless there is one: that is at least as new.
    pub fn put_loaded(&mut self, pair: Pair, topic: Topic, row: Option<Box<SingleRow>>) {
        if self.of_pair((pair, topic)).is_none() {
            let row = row.map_or(PairRow::None(pair, topic), PairRow::new);
            self.add(row, CommitNumber(0));
        }
    }

    /// Sets a conversation as `commit` leaves it, unless it is a group. One that begins has both members from the beginning.
    pub fn put(&mut self, conversation: &Conversation, commit: CommitNumber) {
        let Some((pair, topic)) = conversation.pair() else {
            return;
        };
        if let Some(at) = self.of_id(conversation.id) {
            self.change(at, commit, |row| row.set_conversation(conversation));
            return;
        }
        if let Some(at) = self.of_pair((pair, topic))
            && let Some(row) = self.rows.remove(at)
        {
            self.forget(at, &row);
        }
        let (id, begun_at) = (conversation.id, conversation.created_at);
        let member = |account| Member::new(id, account, pair.slot(account), Position(0), begun_at);
        let row = SingleRow {
            conversation: conversation.clone(),
            low: member(pair.low()),
            high: member(pair.high()),
        };
        self.add(PairRow::new(Box::new(row)), commit);
    }

    fn add(&mut self, row: PairRow, commit: CommitNumber) {
        let (key, id) = (row.key(), row.id());
        let at = self.rows.push(row, commit);
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.by_pair.insert_unique(hasher.hash_one(key), at, |at| {
            rows.get(*at).map_or(0, |row| hasher.hash_one(row.key()))
        });
        if let Some(id) = id {
            self.by_id.insert_unique(hasher.hash_one(id), at, |at| {
                let id = rows.get(*at).and_then(PairRow::id);
                id.map_or(0, |id| hasher.hash_one(id))
            });
        }
    }

    /// Moves a conversation's head, if it is in memory.
    pub fn set_head(&mut self, id: ConversationId, head: Head, commit: CommitNumber) -> bool {
        let found = self.of_id(id);
        found.is_some_and(|at| self.change(at, commit, |row| row.set_head(head)))
    }

    /// Sets the part of an account, if the conversation is in memory.
    pub fn set_member(&mut self, member: &Member, commit: CommitNumber) -> bool {
        let found = self.of_id(member.conversation);
        found.is_some_and(|at| self.change(at, commit, |row| row.set_member(member)))
    }

    fn change(&mut self, at: u32, commit: CommitNumber, set: impl FnOnce(&mut PairRow)) -> bool {
        self.rows.change(at, commit, set).is_some()
    }

    /// Forgets the rows used least recently until the bound is kept, but none changed after `floor`.
    pub fn shrink(&mut self, floor: CommitNumber) {
        while let Some((at, row)) = self.rows.pop(floor) {
            self.forget(at, &row);
        }
    }

    /// Takes a row that was at `at` out of the indexes.
    fn forget(&mut self, at: u32, row: &PairRow) {
        forget(&mut self.by_pair, self.hasher.hash_one(row.key()), at);
        if let Some(id) = row.id() {
            forget(&mut self.by_id, self.hasher.hash_one(id), at);
        }
    }
}
