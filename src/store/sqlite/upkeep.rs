//! What commits do besides: folds, merges, and the deletion of what these replace, a little within each.

use std::collections::VecDeque;
use std::sync::Arc;

use rusqlite::Connection;

use crate::limits::{
    CLIENT_ID_TTL_MS, FOLD_MEMBER_BYTES, FOLD_MESSAGES, KEY_FILTER_BYTES_MAX, MERGE_RUNS,
    TAIL_FOLDS_MAX,
};
use crate::store::Result;
use crate::store::sqlite::block::Kind;
use crate::store::sqlite::fold::{Fold, Folded};
use crate::store::sqlite::int;
use crate::store::sqlite::keys::Filters;
use crate::store::sqlite::merge::Merge;
use crate::store::sqlite::run::{
    NextIds, Run, RunState, delete_blocks, load_filter, runs, set_state,
};
use crate::store::sqlite::segment::{Room, Segment};
use crate::store::sqlite::tail::Tail;

const JOURNAL_MIN: &str = "SELECT min(commit_number) FROM journal";
const TRIM_JOURNAL: &str = "DELETE FROM journal WHERE commit_number BETWEEN ?1 AND ?2";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [JOURNAL_MIN, TRIM_JOURNAL];

/// When what is done. Tests choose small numbers, so that everything happens often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    /// See [`FOLD_MESSAGES`].
    pub(super) fold_messages: usize,
    /// See [`FOLD_MEMBER_BYTES`].
    pub(super) fold_member_bytes: usize,
    /// See [`TAIL_FOLDS_MAX`].
    pub(super) tail_folds_max: usize,
    /// See [`MERGE_RUNS`].
    pub(super) merge_runs: usize,
    /// Work is done when so much has come together, in units of [`crate::store::sqlite::fold::cost`]: a page that is changed for one row is written as a whole.
    pub(super) quantum: usize,
    /// The same for blocks that are deleted.
    pub(super) delete_blocks: usize,
    /// And for commits whose rows in the journal are deleted.
    pub(super) trim_commits: u64,
    /// See [`KEY_FILTER_BYTES_MAX`].
    pub(super) filter_bytes_max: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            fold_messages: FOLD_MESSAGES,
            fold_member_bytes: FOLD_MEMBER_BYTES,
            tail_folds_max: TAIL_FOLDS_MAX,
            merge_runs: MERGE_RUNS,
            quantum: 1_024,
            delete_blocks: 32,
            trim_commits: 64,
            filter_bytes_max: KEY_FILTER_BYTES_MAX,
        }
    }
}

impl Tuning {
    /// What a segment asks for at once: what it holds when it is sealed, and what one commit adds to that.
    pub(super) fn room(&self) -> Room {
        Room {
            messages: self.fold_messages + self.fold_messages / 16,
            member_bytes: self.fold_member_bytes + self.fold_member_bytes / 16,
        }
    }

    /// Whether a segment is to be sealed.
    pub(super) fn is_full(&self, segment: &Segment) -> bool {
        let data = segment.read();
        data.message_count() >= self.fold_messages || data.row_bytes() >= self.fold_member_bytes
    }
}

/// What a commit appends to the tail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Its number.
    pub(super) commit: u64,
    /// Messages.
    pub(super) messages: usize,
    /// Bytes of members' rows.
    pub(super) member_bytes: usize,
}

/// What makes a segment full, counted in these: as finely as a small part of it can be told.
const FULL: usize = 1 << 20;
/// For each message that a commit appends, so many entries are merged, if there are any: more than there are levels and kinds.
const MERGE_ENTRIES: usize = 12;
/// How many merged entries about fill a block, of which there is then one to delete.
const BLOCK_ENTRIES: usize = 256;

/// The state of all that, which is that of the file as of the last commit.
#[derive(Debug)]
pub(super) struct Upkeep {
    tuning: Tuning,
    ids: NextIds,
    /// Live runs of either kind.
    live: Vec<Run>,
    doomed: VecDeque<u64>,
    fold: Option<Fold>,
    merges: Vec<Merge>,
    filters: Filters,
    /// The newest commit that is folded.
    folded: u64,
    /// The journal begins after it.
    trimmed: u64,
    /// By how much the tail grew since the fold began, in [`FULL`]ths of a segment.
    grown: usize,
    /// Entries to merge, blocks to delete and commits to delete from the journal that have come together.
    merge_debt: usize,
    delete_debt: usize,
    trim_debt: u64,
    /// The commit in which work was done last.
    worked_at: u64,
}

impl Upkeep {
    /// What there is to do in a file whose commits up to `folded` are folded. What a fold or merge has begun is doomed.
    pub(super) fn load(connection: &Connection, tuning: Tuning, folded: u64) -> Result<Upkeep> {
        let mut upkeep = Upkeep {
            tuning,
            ids: NextIds::load(connection)?,
            live: Vec::new(),
            doomed: VecDeque::new(),
            fold: None,
            merges: Vec::new(),
            filters: Filters::default(),
            folded,
            trimmed: journal_start(connection)?.unwrap_or(folded),
            grown: 0,
            merge_debt: 0,
            delete_debt: 0,
            trim_debt: 0,
            worked_at: folded,
        };
        for kind in [Kind::Lists, Kind::Keys] {
            for begun in runs(connection, RunState::Building, kind)? {
                set_state(connection, begun.id, RunState::Doomed)?;
            }
            let doomed = runs(connection, RunState::Doomed, kind)?;
            upkeep.doomed.extend(doomed.iter().map(|run| run.id));
            upkeep.live.extend(runs(connection, RunState::Live, kind)?);
        }
        for run in upkeep.live.iter().filter(|run| run.kind == Kind::Keys) {
            let filter = load_filter(connection, run.id)?;
            let bytes_max = tuning.filter_bytes_max;
            upkeep.filters.insert(run.id, filter, bytes_max);
        }
        Ok(upkeep)
    }

    /// Whether the id of `key` may be in a run.
    pub(super) fn may_have(&self, key: u64) -> bool {
        self.filters.may_have(key)
    }

    /// Does what is due within a commit that brings `load`, which is in the tail. Says whether a fold ends with it: then the oldest
    /// segment is to be dropped when the commit is durable.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        tail: &Tail,
        load: Load,
    ) -> Result<bool> {
        let tuning = &self.tuning;
        let part = |of: usize, full: usize| of.saturating_mul(FULL) / full.max(1);
        self.grown += part(load.messages, tuning.fold_messages)
            .max(part(load.member_bytes, tuning.fold_member_bytes));
        self.merge_debt += load.messages * MERGE_ENTRIES;
        let segments = tail.segments();
        // The tail has no room for another segment: the fold goes first.
        let is_late = segments.len() >= tuning.tail_folds_max
            && segments.last().is_some_and(|last| tuning.is_full(last));
        let units = match (&self.fold, is_late) {
            (_, true) => i64::MAX,
            (Some(fold), false) => fold_due(fold, self.grown, segments.len() - 1),
            (None, false) => 0,
        };
        let has_segment = self.fold.is_none() && segments.len() > 1;
        let is_due =
            units >= tuning.quantum as i64 || self.merge_debt >= tuning.quantum || has_segment;
        if !is_due {
            return Ok(false);
        }
        let mut entries = std::mem::take(&mut self.merge_debt);
        let mut is_folded = false;
        if has_segment && let Some(oldest) = segments.first() {
            self.begin_fold(connection, oldest)?;
        }
        if self.fold.is_some() {
            is_folded = self.step_fold(connection, units)?;
        }
        let before = entries;
        self.merge(connection, &mut entries)?;
        self.delete_debt += 2 + (before - entries) / BLOCK_ENTRIES;
        if self.delete_debt >= self.tuning.delete_blocks {
            let blocks = std::mem::take(&mut self.delete_debt);
            self.delete(connection, blocks)?;
        }
        self.trim_debt += 2 + 2 * load.commit.saturating_sub(self.worked_at);
        if self.trim_debt >= self.tuning.trim_commits {
            let rows = std::mem::take(&mut self.trim_debt);
            self.trim_journal(connection, rows)?;
        }
        self.worked_at = load.commit;
        Ok(is_folded)
    }

    fn begin_fold(&mut self, connection: &Connection, segment: &Arc<Segment>) -> Result<()> {
        let fold = Fold::begin(connection, &mut self.ids, Arc::clone(segment))?;
        self.fold = Some(fold);
        self.grown = 0;
        Ok(())
    }

    fn step_fold(&mut self, connection: &Connection, units: i64) -> Result<bool> {
        let Some(fold) = &mut self.fold else {
            return Ok(false);
        };
        let Some(folded) = fold.step(connection, &mut self.ids, units)? else {
            return Ok(false);
        };
        self.fold = None;
        self.end_fold(connection, folded)?;
        Ok(true)
    }

    fn end_fold(&mut self, connection: &Connection, folded: Folded) -> Result<()> {
        self.folded = folded.commit;
        for (run, filter) in folded.runs {
            if run.kind == Kind::Keys {
                let bytes_max = self.tuning.filter_bytes_max;
                self.filters.insert(run.id, filter, bytes_max);
            }
            self.live.push(run);
        }
        self.drop_old_keys(connection, folded.newest_at)?;
        self.begin_merges(connection)
    }

    /// Keys count for as long as [`CLIENT_ID_TTL_MS`] says; a run goes when that is over for its newest.
    fn drop_old_keys(&mut self, connection: &Connection, newest_at: i64) -> Result<()> {
        let oldest_at = newest_at.saturating_sub(CLIENT_ID_TTL_MS);
        let is_old = |run: &Run| run.kind == Kind::Keys && run.newest_at < oldest_at;
        let merging: Vec<u64> = self.merging().collect();
        for run in self
            .live
            .extract_if(.., |run| is_old(run) && !merging.contains(&run.id))
        {
            set_state(connection, run.id, RunState::Doomed)?;
            self.filters.remove(run.id);
            self.doomed.push_back(run.id);
        }
        Ok(())
    }

    /// The runs that a merge under way reads.
    fn merging(&self) -> impl Iterator<Item = u64> {
        self.merges
            .iter()
            .flat_map(|merge| merge.parts().map(|run| run.id))
    }

    fn begin_merges(&mut self, connection: &Connection) -> Result<()> {
        loop {
            let merging: Vec<u64> = self.merging().collect();
            let mut free: Vec<&Run> = self
                .live
                .iter()
                .filter(|run| !merging.contains(&run.id))
                .collect();
            free.sort_unstable_by_key(|run| (run.kind, run.level, run.last_message));
            let mut groups =
                free.chunk_by(|one, other| (one.kind, one.level) == (other.kind, other.level));
            let Some(group) = groups.find(|group| group.len() >= self.tuning.merge_runs) else {
                return Ok(());
            };
            let oldest = group.iter().take(self.tuning.merge_runs);
            let parts = oldest.map(|run| (*run).clone()).collect();
            let merge = Merge::begin(connection, &mut self.ids, parts)?;
            self.merges.extend(merge);
            // The smallest end first: what they leave behind is what slows reading down.
            self.merges.sort_by_key(Merge::level);
        }
    }

    fn merge(&mut self, connection: &Connection, entries: &mut usize) -> Result<()> {
        while *entries > 0
            && let Some(merge) = self.merges.first_mut()
        {
            if !merge.step(connection, &mut self.ids, entries)? {
                return Ok(());
            }
            let merge = self.merges.remove(0);
            let (run, filter, parts) = merge.finish(connection, &mut self.ids)?;
            for part in &parts {
                self.filters.remove(part.id);
                self.doomed.push_back(part.id);
            }
            self.live.retain(|run| !parts.contains(run));
            if run.kind == Kind::Keys {
                let bytes_max = self.tuning.filter_bytes_max;
                self.filters.insert(run.id, filter, bytes_max);
            }
            self.live.push(run);
            self.begin_merges(connection)?;
        }
        Ok(())
    }

    fn delete(&mut self, connection: &Connection, blocks_max: usize) -> Result<()> {
        if let Some(run) = self.doomed.front()
            && delete_blocks(connection, *run, blocks_max)?
        {
            self.doomed.pop_front();
        }
        Ok(())
    }

    /// Deletes what the journal has of the oldest commits, of `commits_max` at most, as far as they are folded.
    fn trim_journal(&mut self, connection: &Connection, commits_max: u64) -> Result<()> {
        if self.trimmed < self.folded {
            let up_to = self.folded.min(self.trimmed.saturating_add(commits_max));
            let mut trim = connection.prepare_cached(TRIM_JOURNAL)?;
            trim.execute([int(self.trimmed), int(up_to)])?;
            self.trimmed = up_to;
        }
        Ok(())
    }

    /// Folds everything at once; the tail is to be emptied when that is durable.
    pub(super) fn fold_all(&mut self, connection: &Connection, tail: &Tail) -> Result<()> {
        for segment in tail.segments() {
            if self.fold.is_none() {
                if segment.read().is_empty() {
                    continue;
                }
                self.begin_fold(connection, &segment)?;
            }
            self.step_fold(connection, i64::MAX)?;
        }
        self.trim_journal(connection, u64::MAX)
    }

    /// What is under way: a fold, merges, deletions of runs, and of the journal.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> [bool; 4] {
        [
            self.fold.is_some(),
            !self.merges.is_empty(),
            !self.doomed.is_empty(),
            self.trimmed < self.folded,
        ]
    }
}

/// What of a fold is due when the tail has grown by `grown` and `sealed` segments wait: a quarter faster than the tail grows, so that every
/// fold ends before its turn.
fn fold_due(fold: &Fold, grown: usize, sealed: usize) -> i64 {
    let due =
        i128::from(fold.units()) * grown as i128 * sealed.max(1) as i128 * 5 / 4 / FULL as i128;
    let due = i64::try_from(due).unwrap_or(i64::MAX);
    due.saturating_sub(fold.units_done())
}

/// The oldest commit in the journal.
fn journal_start(connection: &Connection) -> Result<Option<u64>> {
    let start: Option<i64> = connection.query_row(JOURNAL_MIN, [], |row| row.get(0))?;
    Ok(start.map(i64::cast_unsigned))
}
