//! A merge: some runs of one level become one of the next, a few entries at a time within other commits.

use rusqlite::Connection;

use crate::store::Result;
use crate::store::sqlite::block::Entry;
use crate::store::sqlite::keys::RunFilter;
use crate::store::sqlite::run::{NextIds, Run, RunState, RunWriter, next_block, set_state};

/// A merge under way.
#[derive(Debug)]
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    writer: RunWriter,
    level: u32,
}

/// Reads a run front to back.
#[derive(Debug)]
struct Cursor {
    run: Run,
    /// Where the block begins whose entries are here.
    block: Option<(u64, u64)>,
    entries: Vec<Entry>,
    next: usize,
    is_at_end: bool,
}

impl Cursor {
    /// The next entry.
    fn peek(&mut self, connection: &Connection) -> Result<Option<Entry>> {
        if self.next >= self.entries.len() && !self.is_at_end {
            self.next = 0;
            self.block = next_block(connection, &self.run, self.block, &mut self.entries)?;
            self.is_at_end = self.block.is_none();
        }
        Ok(self.entries.get(self.next).copied())
    }
}

impl Merge {
    /// Begins to merge `runs`, which are of one kind and level.
    pub(super) fn begin(
        connection: &Connection,
        ids: &mut NextIds,
        runs: Vec<Run>,
    ) -> Result<Option<Merge>> {
        let Some(whole) = runs.iter().cloned().reduce(|one, other| Run {
            first_message: one.first_message.min(other.first_message),
            last_message: one.last_message.max(other.last_message),
            newest_at: one.newest_at.max(other.newest_at),
            ..one
        }) else {
            return Ok(None);
        };
        let level = whole.level;
        let whole = Run {
            level: level + 1,
            ..whole
        };
        let cursors = runs.into_iter().map(|run| Cursor {
            run,
            block: None,
            entries: Vec::new(),
            next: 0,
            is_at_end: false,
        });
        Ok(Some(Merge {
            cursors: cursors.collect(),
            writer: RunWriter::begin(connection, ids, whole)?,
            level,
        }))
    }

    /// The level of the runs that are merged.
    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// The runs that are merged.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Run> {
        self.cursors.iter().map(|cursor| &cursor.run)
    }

    /// Writes about `entries` entries, taking them off; says whether that was all.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        entries: &mut usize,
    ) -> Result<bool> {
        while *entries > 0 {
            let mut first: Option<(Entry, usize)> = None;
            let mut second: Option<Entry> = None;
            for (index, cursor) in self.cursors.iter_mut().enumerate() {
                let Some(entry) = cursor.peek(connection)? else {
                    continue;
                };
                match first {
                    Some((least, _)) if least <= entry => {
                        second = Some(second.map_or(entry, |second| second.min(entry)));
                    }
                    _ => {
                        second = first.map(|(least, _)| least);
                        first = Some((entry, index));
                    }
                }
            }
            let Some(cursor) = first.and_then(|(_, index)| self.cursors.get_mut(index)) else {
                return Ok(true);
            };
            while let Some(entry) = cursor.entries.get(cursor.next)
                && *entries > 0
                && second.is_none_or(|second| *entry <= second)
            {
                self.writer.push(connection, ids, *entry)?;
                cursor.next += 1;
                *entries -= 1;
            }
        }
        Ok(false)
    }

    /// Makes the new run live and dooms those that it replaces.
    pub(super) fn finish(
        self,
        connection: &Connection,
        ids: &mut NextIds,
    ) -> Result<(Run, RunFilter, Vec<Run>)> {
        let (run, filter) = self.writer.finish(connection, ids)?;
        let parts: Vec<Run> = self.cursors.into_iter().map(|cursor| cursor.run).collect();
        for part in &parts {
            set_state(connection, part.id, RunState::Doomed)?;
        }
        Ok((run, filter, parts))
    }
}
