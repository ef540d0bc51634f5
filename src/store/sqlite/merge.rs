//! A merge: some runs of one level become one of the next, a few entries at a time within other commits.

use rusqlite::Connection;

use crate::store::Result;
use crate::store::sqlite::block::{Entry, Kind, PieceReader, unpack};
use crate::store::sqlite::keys::RunFilter;
use crate::store::sqlite::run::{NextIds, Run, RunState, RunWriter, block_after, set_state};
use crate::store::sqlite::varint::damaged;

/// A merge under way.
#[derive(Debug)]
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// The list and the place of each cursor's next entry.
    nexts: Vec<(u64, u64)>,
    /// The cursors that have the list whose turn it is, by the places that they have next.
    turns: Vec<(u64, usize)>,
    writer: RunWriter,
    level: u32,
}

/// Comes after everything.
const END: (u64, u64) = (u64::MAX, u64::MAX);

/// Reads a run front to back: a run of lists by pieces, unless one is to be taken apart.
#[derive(Debug)]
struct Cursor {
    run: Run,
    /// Where the block begins that is being read.
    block: Option<(u64, u64)>,
    /// Of a block of lists; its piece comes after what is left of `entries`.
    pieces: PieceReader,
    /// Of a block of keys, or of a piece.
    entries: Vec<Entry>,
    next: usize,
}

impl Cursor {
    /// Where the next entry belongs, [`END`] after the last. Reads the next block if need be.
    fn next(&mut self, connection: &Connection) -> Result<(u64, u64)> {
        loop {
            if let Some(entry) = self.entries.get(self.next) {
                return Ok((entry.list, entry.place));
            }
            if let Some(piece) = self.pieces.piece() {
                return Ok((piece.list, piece.place));
            }
            let (pieces, entries) = (&mut self.pieces, &mut self.entries);
            entries.clear();
            self.next = 0;
            let block = block_after(connection, self.run.id, self.block, |data| {
                match self.run.kind {
                    Kind::Lists => pieces.load(data),
                    Kind::Keys => unpack(Kind::Keys, data, entries)?,
                }
                Ok(())
            })?;
            if block.is_none() {
                return Ok(END);
            }
            self.block = block;
            pieces.advance()?;
            if pieces.piece().is_none() && entries.is_empty() {
                return Err(damaged("a block is empty"));
            }
        }
    }

    /// Gives `writer` the next entry, or piece if it does not reach beyond the place `up_to`; says how many entries that were.
    fn take(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        writer: &mut RunWriter,
        up_to: u64,
    ) -> Result<usize> {
        if self.next >= self.entries.len()
            && let Some(piece) = self.pieces.piece()
        {
            if piece.last() <= up_to {
                writer.push_piece(connection, ids, &piece)?;
                let count = piece.count as usize;
                self.pieces.advance()?;
                return Ok(count);
            }
            // Another run has something between its entries.
            self.entries.clear();
            self.next = 0;
            piece.entries(|entry| self.entries.push(entry))?;
            self.pieces.advance()?;
        }
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(0);
        };
        self.next += 1;
        writer.push(connection, ids, *entry)?;
        Ok(1)
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
        let mut cursors: Vec<Cursor> = runs
            .into_iter()
            .map(|run| Cursor {
                run,
                block: None,
                pieces: PieceReader::default(),
                entries: Vec::new(),
                next: 0,
            })
            .collect();
        let nexts = cursors.iter_mut().map(|cursor| cursor.next(connection));
        Ok(Some(Merge {
            nexts: nexts.collect::<Result<_>>()?,
            turns: Vec::new(),
            cursors,
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

    /// Writes about `entries` entries, no more than a piece too many, taking them off; says whether that was all.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        entries: &mut usize,
    ) -> Result<bool> {
        while *entries > 0 {
            let lists = self.nexts.iter().map(|(list, _)| *list);
            let list = lists.fold(END.0, u64::min);
            if list == END.0 {
                return match self.nexts.iter().all(|next| *next == END) {
                    true => Ok(true),
                    false => Err(damaged("a run has a list that cannot be")),
                };
            }
            let nexts = self.nexts.iter().enumerate();
            let turns = nexts.filter(|(_, next)| next.0 == list);
            self.turns.clear();
            self.turns
                .extend(turns.map(|(index, next)| (next.1, index)));
            self.turns.sort_unstable();
            let ends = self.turns.iter().skip(1).map(|(place, _)| *place);
            for ((_, index), up_to) in self.turns.iter().zip(ends.chain([u64::MAX])) {
                let (Some(cursor), Some(next)) =
                    (self.cursors.get_mut(*index), self.nexts.get_mut(*index))
                else {
                    continue;
                };
                while *entries > 0 && next.0 == list && next.1 <= up_to {
                    let taken = cursor.take(connection, ids, &mut self.writer, up_to)?;
                    *entries = entries.saturating_sub(taken);
                    *next = cursor.next(connection)?;
                }
                // There is more of it, behind what another run has next.
                if next.0 == list {
                    break;
                }
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

#[cfg(test)]
mod tests;
