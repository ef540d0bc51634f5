//! Runs: sorted entries in blocks, each block one row that fills a page, found by its first entry.
//!
//! A run covers the messages of a range of ids, and runs of a kind cover ranges that do not overlap. It is written front to back over
//! several commits, is then live, and is deleted when a merge has put its entries into a greater one.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::limits::MERGE_RUNS;
use crate::store::Result;
use crate::store::sqlite::block::{Builder, Entry, Full, Kind, Piece, Pieces, unpack};
use crate::store::sqlite::int;
use crate::store::sqlite::keys::{Filter, RunFilter};
use crate::store::sqlite::varint::damaged;

const PUT_RUN: &str = "
    INSERT INTO run (id, kind, level, first_message, last_message, newest_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)";
const SET_STATE: &str = "UPDATE run SET state = ?2 WHERE id = ?1";
const PUT_BLOCK: &str = "INSERT INTO block (id, data) VALUES (?1, ?2)";
const PUT_BLOCK_KEY: &str =
    "INSERT INTO block_key (run, list, place, block, filter) VALUES (?1, ?2, ?3, ?4, ?5)";

const RUNS: &str = "
    SELECT id, kind, level, first_message, last_message, newest_at FROM run
    WHERE state = ?1 AND kind = ?2 ORDER BY last_message DESC";
const BLOCK_UP_TO: &str = "
    SELECT k.list, k.place, b.data FROM block_key k JOIN block b ON b.id = k.block
    WHERE k.run = ?1 AND (k.list, k.place) <= (?2, ?3) ORDER BY k.list DESC, k.place DESC LIMIT 1";
const BLOCK_AFTER: &str = "
    SELECT k.list, k.place, b.data FROM block_key k JOIN block b ON b.id = k.block
    WHERE k.run = ?1 AND (k.list, k.place) > (?2, ?3) ORDER BY k.list, k.place LIMIT 1";
const LIST_AFTER: &str = "
    SELECT list FROM block_key WHERE run = ?1 AND (list, place) > (?2, ?3) ORDER BY list, place LIMIT 1";
const FILTERS: &str = "SELECT list, filter FROM block_key WHERE run = ?1 ORDER BY list, place";
const BLOCKS: &str = "SELECT list, place, block FROM block_key WHERE run = ?1 LIMIT ?2";
const DELETE_BLOCK: &str = "DELETE FROM block WHERE id = ?1";
const DELETE_BLOCK_KEY: &str = "DELETE FROM block_key WHERE run = ?1 AND list = ?2 AND place = ?3";
const DELETE_RUN: &str = "DELETE FROM run WHERE id = ?1";
const RUN_MAX: &str = "SELECT max(id) FROM run";
const BLOCK_MAX: &str = "SELECT max(id) FROM block";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 15] = [
    PUT_RUN,
    SET_STATE,
    PUT_BLOCK,
    PUT_BLOCK_KEY,
    RUNS,
    BLOCK_UP_TO,
    BLOCK_AFTER,
    LIST_AFTER,
    FILTERS,
    BLOCKS,
    DELETE_BLOCK,
    DELETE_BLOCK_KEY,
    DELETE_RUN,
    RUN_MAX,
    BLOCK_MAX,
];

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunState {
    /// It is being written, and means nothing yet.
    Building = 0,
    /// It counts.
    Live = 1,
    /// Its entries are in another run, and it is being deleted.
    Doomed = 2,
}

/// A run as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Rises with each new run.
    pub(super) id: u64,
    /// What its entries are.
    pub(super) kind: Kind,
    /// 0 for what a fold wrote, one more than its parts' for what a merge wrote.
    pub(super) level: u32,
    /// The lowest id of a message that it covers.
    pub(super) first_message: u64,
    /// The highest.
    pub(super) last_message: u64,
    /// The latest time of a message that it covers, in milliseconds since the Unix epoch.
    pub(super) newest_at: i64,
}

/// The numbers that the next run and the next block get.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextIds {
    run: u64,
    block: u64,
}

impl NextIds {
    /// Those after what is in the file.
    pub(super) fn load(connection: &Connection) -> Result<NextIds> {
        let next = |sql| -> Result<u64> {
            let newest: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
            Ok(newest.unwrap_or(0).cast_unsigned() + 1)
        };
        Ok(NextIds {
            run: next(RUN_MAX)?,
            block: next(BLOCK_MAX)?,
        })
    }
}

/// The runs of a kind in a state, from the newest messages on.
pub(super) fn runs(connection: &Connection, state: RunState, kind: Kind) -> Result<Vec<Run>> {
    let mut statement = connection.prepare_cached(RUNS)?;
    let mut rows = statement.query([state as i64, kind as i64])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(run(row)?);
    }
    Ok(runs)
}

fn run(row: &Row<'_>) -> Result<Run> {
    let number = |column| -> Result<u64> { Ok(row.get::<_, i64>(column)?.cast_unsigned()) };
    Ok(Run {
        id: number(0)?,
        kind: Kind::from_code(row.get(1)?)?,
        level: row.get(2)?,
        first_message: number(3)?,
        last_message: number(4)?,
        newest_at: row.get(5)?,
    })
}

/// Moves a run on.
pub(super) fn set_state(connection: &Connection, run: u64, state: RunState) -> Result<()> {
    let mut statement = connection.prepare_cached(SET_STATE)?;
    statement.execute([int(run), state as i64])?;
    Ok(())
}

/// Writes a run front to back.
#[derive(Debug)]
pub(super) struct RunWriter {
    run: Run,
    builder: Builder,
    filter: RunFilter,
    /// Those of a piece that is taken apart, kept for its memory.
    entries: Vec<Entry>,
}

impl RunWriter {
    /// Begins `run`, whose number is given here.
    pub(super) fn begin(connection: &Connection, ids: &mut NextIds, run: Run) -> Result<RunWriter> {
        let run = Run { id: ids.run, ..run };
        ids.run += 1;
        connection.prepare_cached(PUT_RUN)?.execute(params![
            int(run.id),
            run.kind as i64,
            run.level,
            int(run.first_message),
            int(run.last_message),
            run.newest_at,
        ])?;
        Ok(RunWriter {
            builder: Builder::new(run.kind),
            filter: RunFilter::default(),
            entries: Vec::new(),
            run,
        })
    }

    /// Adds the next entry. They come sorted.
    pub(super) fn push(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        entry: Entry,
    ) -> Result<()> {
        match self.builder.push(entry) {
            Some(full) => self.put(connection, ids, full),
            None => Ok(()),
        }
    }

    /// Adds the next entries, which are those of a piece.
    pub(super) fn push_piece(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        piece: &Piece<'_>,
    ) -> Result<()> {
        if self.builder.push_piece(piece)? {
            return Ok(());
        }
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        piece.entries(|entry| entries.push(entry))?;
        for entry in &entries {
            self.push(connection, ids, *entry)?;
        }
        self.entries = entries;
        Ok(())
    }

    fn put(&mut self, connection: &Connection, ids: &mut NextIds, full: Full) -> Result<()> {
        let block = ids.block;
        ids.block += 1;
        let (list, place) = full.first;
        let filter = full.filter.as_ref().map(|filter| filter.as_bytes());
        connection
            .prepare_cached(PUT_BLOCK)?
            .execute(params![int(block), full.data])?;
        connection.prepare_cached(PUT_BLOCK_KEY)?.execute(params![
            int(self.run.id),
            int(list),
            int(place),
            int(block),
            filter,
        ])?;
        if let Some(filter) = full.filter {
            self.filter.push(list, filter);
        }
        Ok(())
    }

    /// Writes the last block and makes the run live.
    pub(super) fn finish(
        mut self,
        connection: &Connection,
        ids: &mut NextIds,
    ) -> Result<(Run, RunFilter)> {
        if let Some(full) = self.builder.finish() {
            self.put(connection, ids, full)?;
        }
        set_state(connection, self.run.id, RunState::Live)?;
        Ok((self.run, self.filter))
    }
}

/// The filters of a run of keys.
pub(super) fn load_filter(connection: &Connection, run: u64) -> Result<RunFilter> {
    let mut filter = RunFilter::default();
    let mut statement = connection.prepare_cached(FILTERS)?;
    let mut rows = statement.query([int(run)])?;
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)?.cast_unsigned();
        let bytes = row.get_ref(1)?.as_blob_or_null();
        let bytes = bytes.map_err(|_| damaged("a filter is no blob"))?;
        filter.push(first, Filter::stored(bytes.unwrap_or_default())?);
    }
    Ok(filter)
}

/// Gives the last block of a run that begins at `(list, place)` or before to `look`, with its own beginning. `None` if there is none.
fn block_up_to<T>(
    connection: &Connection,
    run: u64,
    (list, place): (u64, u64),
    look: impl FnOnce((u64, u64), &[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(BLOCK_UP_TO)?;
    let mut rows = statement.query([int(run), int(list), int(place)])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (first, data) = block(row)?;
    look(first, data).map(Some)
}

fn block<'a>(row: &'a Row<'_>) -> Result<((u64, u64), &'a [u8])> {
    // What is looked for next lies before or behind: a number that came out as another would have it looked for without end.
    let number = |column| -> Result<u64> {
        let number = u64::try_from(row.get::<_, i64>(column)?);
        number.map_err(|_| damaged("a block has no place"))
    };
    let data = row.get_ref(2)?.as_blob();
    let data = data.map_err(|_| damaged("a block is no blob"))?;
    Ok(((number(0)?, number(1)?), data))
}

/// What a run has of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    /// Entries at the places that were looked for.
    These,
    /// Only what comes before them.
    Lower,
    /// Only what comes after them.
    Higher,
    Nothing,
}

/// Appends the entries of `list` at `places` in `runs` of lists, from the newest on, until there are `rows_max`. The runs come from the newest
/// on, too: places of a list fall from each to the next, without gaps, but a run may have nothing of it.
pub(super) fn newest_first(
    connection: &Connection,
    runs: &[Run],
    list: u64,
    places: RangeInclusive<u64>,
    rows_max: usize,
    out: &mut Vec<Entry>,
) -> Result<()> {
    let (low, mut high) = places.into_inner();
    let first = first_with(connection, runs, list, low..=high, rows_max, out)?;
    for run in runs.get(first..).unwrap_or_default() {
        if let Some(oldest) = out.last().filter(|oldest| oldest.place <= high) {
            if oldest.place <= low || out.len() >= rows_max {
                break;
            }
            high = oldest.place - 1;
        }
        newest_first_in(connection, run.id, list, low..=high, rows_max, out)?;
    }
    Ok(())
}

/// Appends what the first of `runs` has that has entries at `places`, as [`newest_first`] does, and gives the index of the run to go on with.
/// The newest is tried first, since that is what most ask for; then it is searched, each time where about as many entries are before as
/// behind.
fn first_with(
    connection: &Connection,
    runs: &[Run],
    list: u64,
    places: RangeInclusive<u64>,
    rows_max: usize,
    out: &mut Vec<Entry>,
) -> Result<usize> {
    let begin = out.len();
    let mut rest = runs.len();
    // Runs before `first` have only what is higher, if anything; those from `end` on nothing newer than what `rest`, where to go on if that is
    // all, may have.
    let (mut first, mut end, mut middle) = (0, runs.len(), 0);
    while first < end {
        let mut has = Has::Nothing;
        let mut next = middle;
        while has == Has::Nothing
            && next < end
            && let Some(run) = runs.get(next)
        {
            has = newest_first_in(connection, run.id, list, places.clone(), rows_max, out)?;
            next += 1;
        }
        match has {
            Has::Higher => first = next,
            Has::These => {
                let newest = out.get(begin).map(|entry| entry.place);
                if middle == first || newest == Some(*places.end()) {
                    return Ok(next);
                }
                out.truncate(begin);
                (end, rest) = (middle, next - 1);
            }
            Has::Lower | Has::Nothing => end = middle,
        }
        middle = first + half(runs.get(first..end).unwrap_or_default());
    }
    Ok(rest)
}

/// The first run with which half of all entries are passed, where a run of level n counts as [`MERGE_RUNS`] to the power of n.
fn half(runs: &[Run]) -> usize {
    let size = |run: &Run| (MERGE_RUNS as u64).saturating_pow(run.level);
    let total = runs.iter().map(size).fold(0, u64::saturating_add);
    let mut sum = 0_u64;
    let is_before = |run: &&Run| {
        sum = sum.saturating_add(size(run));
        sum <= total / 2
    };
    runs.iter().take_while(is_before).count()
}

/// Appends the entries of `list` at `places` in one run of lists, from the newest on, until there are `rows_max`.
fn newest_first_in(
    connection: &Connection,
    run: u64,
    list: u64,
    places: RangeInclusive<u64>,
    rows_max: usize,
    out: &mut Vec<Entry>,
) -> Result<Has> {
    let (low, mut high) = places.into_inner();
    let begin = out.len();
    let mut found = Vec::new();
    let mut has = Has::Nothing;
    let mut is_followed = false;
    while low <= high && out.len() < rows_max {
        found.clear();
        let first = block_up_to(connection, run, (list, high), |first, data| {
            for piece in Pieces::new(data) {
                let piece = piece?;
                if piece.list > list {
                    is_followed = true;
                    break;
                }
                if piece.list != list {
                    continue;
                }
                if piece.place > high {
                    has = Has::Higher;
                    break;
                }
                if piece.last() < low {
                    has = Has::Lower;
                    continue;
                }
                piece.entries(|entry| {
                    if (low..=high).contains(&entry.place) {
                        found.push(entry);
                    }
                })?;
            }
            Ok(first)
        })?;
        out.extend(found.iter().rev().take(rows_max - out.len()));
        match first {
            // The block began with this list, so there may be more of it in the one before.
            Some((of, place)) if of == list && place > low => high = place - 1,
            _ => break,
        }
    }
    if out.len() > begin {
        return Ok(Has::These);
    }
    if has == Has::Nothing && !is_followed {
        let mut after = connection.prepare_cached(LIST_AFTER)?;
        let key = [int(run), int(list), int(high)];
        let after = after.query_row(key, |row| row.get(0)).optional()?;
        if after == Some(int(list)) {
            has = Has::Higher;
        }
    }
    Ok(has)
}

/// Appends the messages under the keys of `range` in a run of keys.
pub(super) fn keyed(
    connection: &Connection,
    run: u64,
    range: RangeInclusive<u64>,
    out: &mut Vec<u64>,
) -> Result<()> {
    let mut entries = Vec::new();
    let mut up_to = (*range.end(), u64::MAX);
    loop {
        entries.clear();
        let first = block_up_to(connection, run, up_to, |first, data| {
            unpack(Kind::Keys, data, &mut entries)?;
            Ok(first)
        })?;
        let meant = entries.iter().filter(|entry| range.contains(&entry.list));
        out.extend(meant.map(|entry| entry.message));
        match first {
            Some((key, message)) if key >= *range.start() => {
                up_to = match message.checked_sub(1) {
                    Some(before) => (key, before),
                    None => (key - 1, u64::MAX),
                };
            }
            _ => return Ok(()),
        }
    }
}

/// Gives the next block of a run after the one that begins at `after` to `look`; its own beginning, `None` if there is none.
pub(super) fn block_after(
    connection: &Connection,
    run: u64,
    after: Option<(u64, u64)>,
    look: impl FnOnce(&[u8]) -> Result<()>,
) -> Result<Option<(u64, u64)>> {
    let mut statement = connection.prepare_cached(BLOCK_AFTER)?;
    let (list, place) = after.map_or((-1, -1), |(list, place)| (int(list), int(place)));
    let mut rows = statement.query([int(run), list, place])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (first, data) = block(row)?;
    look(data).map(|()| Some(first))
}

/// The same, with the block's entries in the place of those in `entries`.
pub(super) fn next_block(
    connection: &Connection,
    run: &Run,
    after: Option<(u64, u64)>,
    entries: &mut Vec<Entry>,
) -> Result<Option<(u64, u64)>> {
    entries.clear();
    block_after(connection, run.id, after, |data| {
        unpack(run.kind, data, entries)
    })
}

/// Deletes at most `blocks_max` blocks of a doomed run, and the run itself after the last; says whether it is gone.
pub(super) fn delete_blocks(connection: &Connection, run: u64, blocks_max: usize) -> Result<bool> {
    let found = connection
        .prepare_cached(BLOCKS)?
        .query_map([int(run), int(blocks_max as u64)], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?])
        })?
        .collect::<rusqlite::Result<Vec<[i64; 3]>>>()?;
    for [list, place, block] in &found {
        connection.prepare_cached(DELETE_BLOCK)?.execute([block])?;
        let mut delete = connection.prepare_cached(DELETE_BLOCK_KEY)?;
        delete.execute([&int(run), list, place])?;
    }
    let is_gone = found.len() < blocks_max;
    if is_gone {
        connection.prepare_cached(DELETE_RUN)?.execute([int(run)])?;
    }
    Ok(is_gone)
}

#[cfg(test)]
mod tests;
