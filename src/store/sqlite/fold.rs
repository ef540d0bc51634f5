//! A fold: a sealed segment of the tail becomes runs, heads and member rows, a few at a time within other commits.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::store::Result;
use crate::store::sqlite::block::{Entry, Kind};
use crate::store::sqlite::int;
use crate::store::sqlite::keys::RunFilter;
use crate::store::sqlite::run::{NextIds, Run, RunWriter};
use crate::store::sqlite::tail::Segment;
use crate::store::sqlite::write::MemberPut;

const SET_HEAD: &str =
    "UPDATE conversation SET head_position = ?2, head_id = ?3, head_at = ?4 WHERE id = ?1";
const SET_MARK: &str = "UPDATE meta SET fold_commit = ?1, fold_message = ?2 WHERE id = 1";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [SET_HEAD, SET_MARK];

/// What parts of a fold cost against each other, in units of about half a microsecond.
pub(super) mod cost {
    /// A message in its conversation's list.
    pub(in crate::store::sqlite) const MESSAGE: usize = 1;
    /// A conversation's head.
    pub(in crate::store::sqlite) const HEAD: usize = 4;
    /// A key.
    pub(in crate::store::sqlite) const KEY: usize = 1;
    /// A member's row.
    pub(in crate::store::sqlite) const MEMBER: usize = 6;
}

/// Where a fold goes on.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// With lists and heads of the conversations after this one.
    Lists(Option<u64>),
    /// With the keys after this one.
    Keys(Option<(u64, u64)>),
    /// With the members' rows after this one.
    Members(Option<(u64, u64)>),
}

/// A fold under way.
#[derive(Debug)]
pub(super) struct Fold {
    segment: Arc<Segment>,
    stage: Stage,
    lists: Option<RunWriter>,
    keys: Option<RunWriter>,
    entries: Vec<Entry>,
    /// What all of it costs, and what is done.
    units: usize,
    units_done: usize,
}

/// What a fold comes to.
#[derive(Debug)]
pub(super) struct Folded {
    /// The newest commit that is folded.
    pub(super) commit: u64,
    /// The latest time of a message in it.
    pub(super) newest_at: i64,
    /// The runs that it made, which are live.
    pub(super) runs: Vec<(Run, RunFilter)>,
}

impl Fold {
    /// Begins the fold of a segment that takes no commits any more.
    pub(super) fn begin(
        connection: &Connection,
        ids: &mut NextIds,
        segment: Arc<Segment>,
    ) -> Result<Fold> {
        let data = segment.read();
        let first_message = data.first_message();
        let (last_message, newest_at) = (data.last_message, data.newest_at);
        let mut begin = |kind| {
            first_message.map(|first_message| {
                let run = Run {
                    id: 0,
                    kind,
                    level: 0,
                    first_message,
                    last_message,
                    newest_at,
                };
                RunWriter::begin(connection, ids, run)
            })
        };
        let lists = begin(Kind::Lists).transpose()?;
        let keys = match data.keys.is_empty() {
            true => None,
            false => begin(Kind::Keys).transpose()?,
        };
        let units = data.message_count() * cost::MESSAGE
            + data.conversations.len() * cost::HEAD
            + data.keys.len() * cost::KEY
            + data.members.len() * cost::MEMBER;
        drop(data);
        Ok(Fold {
            units,
            units_done: 0,
            segment,
            stage: Stage::Lists(None),
            lists,
            keys,
            entries: Vec::new(),
        })
    }

    /// What all of it costs, in units of [`cost`].
    pub(super) fn units(&self) -> usize {
        self.units
    }

    /// How much of that is done.
    pub(super) fn units_done(&self) -> usize {
        self.units_done
    }

    /// Does about `units` of work; with the last of it the mark moves.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        mut units: usize,
    ) -> Result<Option<Folded>> {
        self.units_done = self.units_done.saturating_add(units);
        while units > 0 {
            let is_last = match self.stage {
                Stage::Lists(after) => self.fold_lists(connection, ids, after, &mut units)?,
                Stage::Keys(after) => self.fold_keys(connection, ids, after, &mut units)?,
                Stage::Members(after) => self.fold_members(connection, after, &mut units)?,
            };
            if is_last {
                return self.finish(connection, ids).map(Some);
            }
        }
        Ok(None)
    }

    fn fold_lists(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        after: Option<u64>,
        units: &mut usize,
    ) -> Result<bool> {
        let data = self.segment.read();
        let mut set_head = connection.prepare_cached(SET_HEAD)?;
        let from = after.map_or(Unbounded, Excluded);
        for (conversation, list) in data.conversations.range((from, Unbounded)) {
            if *units == 0 {
                return Ok(false);
            }
            self.stage = Stage::Lists(Some(*conversation));
            let at = data.entries(*conversation, list, &mut self.entries);
            if let (Some(newest), Some(lists)) = (self.entries.last(), &mut self.lists) {
                for entry in &self.entries {
                    lists.push(connection, ids, *entry)?;
                }
                set_head.execute(params![
                    int(*conversation),
                    int(newest.place),
                    int(newest.message),
                    at
                ])?;
            }
            *units = units.saturating_sub(cost::HEAD + self.entries.len() * cost::MESSAGE);
        }
        self.stage = Stage::Keys(None);
        Ok(false)
    }

    fn fold_keys(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        after: Option<(u64, u64)>,
        units: &mut usize,
    ) -> Result<bool> {
        let data = self.segment.read();
        let from = after.map_or(Unbounded, Excluded);
        for (key, message) in data.keys.range((from, Unbounded)) {
            if *units == 0 {
                return Ok(false);
            }
            self.stage = Stage::Keys(Some((*key, *message)));
            if let Some(keys) = &mut self.keys {
                let entry = Entry {
                    list: *key,
                    place: *message,
                    message: *message,
                    sender: 0,
                };
                keys.push(connection, ids, entry)?;
            }
            *units = units.saturating_sub(cost::KEY);
        }
        self.stage = Stage::Members(None);
        Ok(false)
    }

    fn fold_members(
        &mut self,
        connection: &Connection,
        after: Option<(u64, u64)>,
        units: &mut usize,
    ) -> Result<bool> {
        let data = self.segment.read();
        let from = after.map_or(Unbounded, Excluded);
        let mut put = MemberPut::prepare(connection)?;
        for (key, version) in data.members.range((from, Unbounded)) {
            if *units == 0 {
                return Ok(false);
            }
            self.stage = Stage::Members(Some(*key));
            if let Some(member) = data.newest_version(*version)? {
                put.put(&member)?;
            }
            *units = units.saturating_sub(cost::MEMBER);
        }
        Ok(true)
    }

    fn finish(&mut self, connection: &Connection, ids: &mut NextIds) -> Result<Folded> {
        let mut runs = Vec::new();
        for writer in [self.lists.take(), self.keys.take()].into_iter().flatten() {
            runs.push(writer.finish(connection, ids)?);
        }
        let data = self.segment.read();
        set_mark(connection, data.last_commit, data.last_message)?;
        Ok(Folded {
            commit: data.last_commit,
            newest_at: data.newest_at,
            runs,
        })
    }
}

/// Says that everything up to a commit and a message is folded.
pub(super) fn set_mark(connection: &Connection, commit: u64, message: u64) -> Result<()> {
    let mut statement = connection.prepare_cached(SET_MARK)?;
    statement.execute([int(commit), int(message)])?;
    Ok(())
}
