//! Runs and their blocks, held to the log that they come from.

use rusqlite::Connection;

use super::{KeyRange, Report, Sum, Walk};
use crate::domain::ids::MessageId;
use crate::store::Result;
use crate::store::sqlite::block::{Entry, Kind};
use crate::store::sqlite::log;
use crate::store::sqlite::run::{Run, RunState, next_block, runs};

/// Finds out of which messages the keys must be there.
pub(super) fn expect(connection: &Connection, walk: &mut Walk, report: &mut Report) -> Result<()> {
    for kind in [Kind::Lists, Kind::Keys] {
        let mut live = runs(connection, RunState::Live, kind)?;
        live.sort_unstable_by_key(|run| run.first_message);
        for pair in live.windows(2) {
            if let [one, other] = pair {
                report.hold(one.last_message < other.first_message, || {
                    format!("runs {} and {} cover the same messages", one.id, other.id)
                });
            }
        }
        if kind == Kind::Keys {
            walk.keys.extend(live.iter().map(|run| KeyRange {
                first: run.first_message,
                last: run.last_message,
                expected: Sum::default(),
            }));
        }
    }
    Ok(())
}

/// Holds what is derived to what the log said.
pub(super) fn check(connection: &Connection, walk: &Walk, report: &mut Report) -> Result<()> {
    let mut lists = Sum::default();
    for run in runs(connection, RunState::Live, Kind::Lists)? {
        walk_run(connection, &run, report, |entry| lists.add(numbers(entry)))?;
    }
    if lists != walk.lists {
        report.fault(format!(
            "the lists have {} entries, and the log has {} messages that belong there",
            lists.count, walk.lists.count
        ));
        name_wrong_places(connection, report)?;
    }
    let mut key_runs = runs(connection, RunState::Live, Kind::Keys)?;
    key_runs.sort_unstable_by_key(|run| run.first_message);
    for (run, range) in key_runs.iter().zip(&walk.keys) {
        let mut keys = Sum::default();
        walk_run(connection, run, report, |entry| keys.add(numbers(entry)))?;
        report.hold(keys == range.expected, || {
            format!(
                "run {} has {} keys that are not those of the {} messages with client ids that it covers",
                run.id, keys.count, range.expected.count
            )
        });
    }
    check_blocks(connection, report)
}

fn numbers(entry: &Entry) -> [u64; 4] {
    [entry.list, entry.place, entry.message, entry.sender]
}

/// Reads a run front to back: its entries rise, blocks begin where they say, and messages are those that the run covers.
fn walk_run(
    connection: &Connection,
    run: &Run,
    report: &mut Report,
    mut each: impl FnMut(&Entry),
) -> Result<()> {
    let (mut entries, mut block) = (Vec::new(), None);
    let mut last: Option<(u64, u64)> = None;
    loop {
        match next_block(connection, run, block, &mut entries) {
            Ok(Some(next)) => block = Some(next),
            Ok(None) => return Ok(()),
            Err(error) => {
                report.fault(format!("run {} cannot be read on: {error}", run.id));
                return Ok(());
            }
        }
        let first = entries.first().map(|entry| (entry.list, entry.place));
        report.hold(first == block, || {
            format!("a block of run {} does not begin with {block:?}", run.id)
        });
        for entry in &entries {
            let next = (entry.list, entry.place);
            report.hold(last.is_none_or(|last| last < next), || {
                format!("run {} goes from {last:?} to {next:?}", run.id)
            });
            let covered = run.first_message..=run.last_message;
            report.hold(covered.contains(&entry.message), || {
                format!(
                    "run {} has message {}, which it does not cover",
                    run.id, entry.message
                )
            });
            last = Some(next);
            each(entry);
        }
    }
}

/// Looks every entry up, once it is known that some are wrong.
fn name_wrong_places(connection: &Connection, report: &mut Report) -> Result<()> {
    for run in runs(connection, RunState::Live, Kind::Lists)? {
        let mut wrong = Vec::new();
        // What is wrong with the run itself is known already, as is what cannot be read in the log.
        walk_run(connection, &run, &mut Report::default(), |entry| {
            let found = log::find(connection, MessageId(entry.message), |found| {
                [found.conversation.0, found.position.0, found.sender.0]
            });
            if found.ok().flatten() != Some([entry.list, entry.place, entry.sender]) {
                wrong.push(*entry);
            }
        })?;
        for entry in wrong {
            report.fault(format!(
                "run {} has message {} at position {} of conversation {}, and the log says otherwise",
                run.id, entry.message, entry.place, entry.list
            ));
        }
    }
    Ok(())
}

/// Each block belongs to one run that there is.
fn check_blocks(connection: &Connection, report: &mut Report) -> Result<()> {
    let count = |sql| -> Result<i64> { Ok(connection.query_row(sql, [], |row| row.get(0))?) };
    let blocks = count("SELECT count(*) FROM block")?;
    let keys = count("SELECT count(*) FROM block_key")?;
    let named = count("SELECT count(DISTINCT block) FROM block_key")?;
    let found = count("SELECT count(*) FROM block_key k JOIN block b ON b.id = k.block")?;
    report.hold(blocks == keys && keys == named && keys == found, || {
        format!(
            "there are {blocks} blocks and {keys} entries for {named}, of which {found} are there"
        )
    });
    let lost = count("SELECT count(*) FROM block_key WHERE run NOT IN (SELECT id FROM run)")?;
    report.hold(lost == 0, || format!("{lost} blocks belong to no run"));
    Ok(())
}
