//! Accounts, conversations, members and the log.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row};

use super::{Known, Own, Place, Report, Walk};
use crate::domain::ids::{MessageId, Position};
use crate::domain::member::Member;
use crate::limits::{CLIENT_ID_TTL_MS, HOLES_MAX};
use crate::store::Result;
use crate::store::sqlite::heads;
use crate::store::sqlite::int;
use crate::store::sqlite::journal::take_member;
use crate::store::sqlite::log::{self, Chunk, Logged};
use crate::store::sqlite::members::{self, Rows};
use crate::store::sqlite::varint::Bytes;

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// Reads accounts, conversations and members.
pub(super) fn load(connection: &Connection, walk: &mut Walk, report: &mut Report) -> Result<()> {
    let mut accounts = connection.prepare("SELECT id FROM account")?;
    for id in accounts.query_map([], |row| number(row, 0))? {
        walk.accounts.insert(id?);
    }
    report.accounts = walk.accounts.len() as u64;
    let mut conversations =
        connection.prepare("SELECT id, low, high, member_count FROM conversation")?;
    let mut rows = conversations.query([])?;
    while let Some(row) = rows.next()? {
        let id = number(row, 0)?;
        let pair = match (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?) {
            (Some(low), Some(high)) => Some((low.cast_unsigned(), high.cast_unsigned())),
            _ => None,
        };
        let known = Known {
            pair,
            member_count: row.get::<_, Option<u32>>(3)?.map_or(0, u64::from),
            ..Known::default()
        };
        for account in pair.into_iter().flat_map(|(low, high)| [low, high]) {
            report.hold(walk.accounts.contains(&account), || {
                format!("conversation {id} is with account {account}, which has no row")
            });
        }
        walk.conversations.insert(id, known);
    }
    report.conversations = walk.conversations.len() as u64;
    let read = heads::all(connection, |id, head| {
        let Some(known) = walk.conversations.get_mut(&id.0) else {
            report.fault(format!("conversation {id} has a head and no row"));
            return;
        };
        known.head = Place {
            position: head.position.0,
            message: head.message.0,
            at: head.at.0,
        };
    });
    if let Err(error) = read {
        report.fault(format!("heads cannot be read: {error}"));
    }
    load_members(connection, walk, report)?;
    check_groups(connection, walk, report)
}

/// Rows of the file, and over them what log and journal say since the fold mark.
fn load_members(connection: &Connection, walk: &mut Walk, report: &mut Report) -> Result<()> {
    let mut active = HashMap::new();
    let mut take = |member: Member, walk: &mut Walk, report: &mut Report| {
        check_member(&member, report);
        let key = (member.conversation.0, member.account.0);
        active.insert(key, member.is_active());
        let own = Own {
            read: member.read.0,
            sent: member.sent,
            sent_read: member.sent_read,
            ..Own::default()
        };
        walk.members.insert(key, own);
    };
    let mut last = None;
    members::pages(connection, |first, data| {
        report.hold(last.is_none_or(|last| last < first), || {
            format!(
                "a page of members begins with {first:?} and the one before it ends with {last:?}"
            )
        });
        for row in Rows::new(data) {
            let member = row.and_then(|(key, row)| {
                report.hold(key >= first && last.is_none_or(|last| last < key), || {
                    format!("the member's row of {key:?} is out of order")
                });
                last = Some(key);
                members::unpack(key, row)
            });
            match member {
                Ok(member) => {
                    walk.packed
                        .insert((member.conversation.0, member.account.0));
                    take(member, walk, report);
                }
                Err(error) => report.fault(format!("a page of members cannot be read on: {error}")),
            }
        }
        Ok(())
    })?;
    for (commit, rows) in unfolded(connection, walk)? {
        let mut bytes = Bytes(&rows);
        while !bytes.is_empty() {
            match take_member(&mut bytes) {
                Ok(member) => take(member, walk, report),
                Err(error) => {
                    report.fault(format!("the members' rows of commit {commit}: {error}"));
                    break;
                }
            }
        }
    }
    for ((conversation, account), is_active) in active {
        let known = walk.conversations.get_mut(&conversation);
        report.hold(known.is_some() && walk.accounts.contains(&account), || {
            format!("account {account} is a member of conversation {conversation}, and one of them has no row")
        });
        if let Some(known) = known.filter(|_| is_active) {
            known.active += 1;
        }
    }
    Ok(())
}

/// The members' rows that the log and the journal have past the fold mark, by their commits. A damaged chunk is named when the log is read.
fn unfolded(connection: &Connection, walk: &Walk) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut chunks = connection.prepare(log::CHUNKS_AFTER)?;
    let mut chunks = chunks.query([int(walk.state.fold_message)])?;
    while let Some(row) = chunks.next()? {
        if let Ok(chunk) = Chunk::of(row) {
            found.push((number(row, 0)?, chunk.rows.to_vec()));
        }
    }
    let journal = "SELECT commit_number, members FROM journal WHERE commit_number > ?1";
    let mut journal = connection.prepare(journal)?;
    let journal = journal.query_map([int(walk.state.fold_commit)], |row| {
        Ok((number(row, 0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    for row in journal {
        found.push(row?);
    }
    found.sort_by_key(|(commit, _)| *commit);
    Ok(found)
}

/// The rows of a group's members are found by its table, which has no others.
fn check_groups(connection: &Connection, walk: &Walk, report: &mut Report) -> Result<()> {
    let mut named = HashSet::new();
    let mut groups = connection.prepare("SELECT conversation, account FROM group_member")?;
    for key in groups.query_map([], |row| Ok((number(row, 0)?, number(row, 1)?)))? {
        let key = key?;
        report.hold(walk.packed.contains(&key), || {
            let (group, account) = key;
            format!("group {group} names member {account}, who has no row")
        });
        named.insert(key);
    }
    for key in &walk.packed {
        let known = walk.conversations.get(&key.0);
        let is_group = known.is_some_and(|known| known.pair.is_none());
        report.hold(!is_group || named.contains(key), || {
            let (group, account) = key;
            format!("group {group} does not name its member {account}")
        });
    }
    Ok(())
}

fn check_member(member: &Member, report: &mut Report) {
    let who = || {
        format!(
            "account {} in conversation {}",
            member.account, member.conversation
        )
    };
    let (read, acknowledged) = (member.read, member.acknowledged);
    report.hold(read >= member.joined_after && acknowledged >= read, || {
        format!(
            "{} has read up to {read} and acknowledged up to {acknowledged}, which cannot be",
            who()
        )
    });
    let ranges = member.holes.ranges();
    let mut free = read.0.saturating_add(1);
    let is_apart = ranges.iter().all(|(from, to)| {
        let is_apart = *from >= free && from <= to;
        free = to.saturating_add(2);
        is_apart
    });
    let ends_below = ranges.last().is_none_or(|(_, to)| *to < acknowledged.0);
    report.hold(is_apart && ends_below && ranges.len() <= HOLES_MAX, || {
        format!("{} has holes that are out of order or out of bounds", who())
    });
    report.hold(member.sent_read <= member.sent, || {
        format!(
            "{} has read more of its own messages than it has sent",
            who()
        )
    });
}

/// Reads the log from end to end.
pub(super) fn walk_log(
    connection: &Connection,
    walk: &mut Walk,
    report: &mut Report,
) -> Result<()> {
    let mut chunks = connection.prepare(log::CHUNKS_AFTER)?;
    let mut chunks = chunks.query([-1])?;
    let (mut last_commit, mut last) = (0, 0);
    let mut keys = Keys::default();
    while let Some(row) = chunks.next()? {
        let (commit, newest) = (number(row, 0)?, number(row, 1)?);
        report.hold(commit >= last_commit, || {
            format!(
                "message {newest} is of commit {commit}, and one before it of commit {last_commit}"
            )
        });
        last_commit = commit;
        let state = &walk.state;
        let is_folded = newest <= state.fold_message;
        report.hold(is_folded == (commit <= state.fold_commit), || {
            format!(
                "message {newest} is of commit {commit}, and up to message {} and commit {} everything is folded",
                state.fold_message, state.fold_commit
            )
        });
        let chunk = match Chunk::of(row) {
            Ok(chunk) => chunk,
            Err(error) => {
                report.fault(format!("the log's chunk of message {newest}: {error}"));
                continue;
            }
        };
        for message in chunk.messages() {
            match message {
                Ok(message) => {
                    let id = message.id.0;
                    report.hold(last < id, || {
                        format!("message {id} comes after message {last}")
                    });
                    let is_folded_too = id <= walk.state.fold_message;
                    report.hold(is_folded_too == is_folded, || {
                        format!("message {id} is folded, and message {newest} of its commit is not")
                    });
                    last = id;
                    walk_message(&message, walk, &mut keys, report);
                }
                Err(error) => {
                    report.fault(format!("the log's chunk of message {newest}: {error}"));
                }
            }
        }
        report.hold(last == newest, || {
            format!("a chunk of the log that should end with message {newest} ends with {last}")
        });
    }
    let keys_since = keys.newest_at.saturating_sub(CLIENT_ID_TTL_MS);
    if let Some((at, message)) = keys.lacking {
        report.hold(at < keys_since, || {
            format!("the client's id of message {message} has no key")
        });
    }
    Ok(())
}

/// What is known of messages whose clients' ids must have keys.
#[derive(Debug, Default)]
struct Keys {
    /// The latest time of a message.
    newest_at: i64,
    /// The latest message that no run of keys covers, and when it was said.
    lacking: Option<(i64, u64)>,
}

fn walk_message(message: &Logged<'_>, walk: &mut Walk, keys: &mut Keys, report: &mut Report) {
    let (id, list, position) = (message.id.0, message.conversation.0, message.position.0);
    let (sender, at) = (message.sender.0, message.at.0);
    report.messages += 1;
    report.hold(walk.accounts.contains(&sender), || {
        format!("message {id} is from account {sender}, which has no row")
    });
    let is_folded = id <= walk.state.fold_message;
    match walk.conversations.get_mut(&list) {
        None => report.fault(format!(
            "message {id} is in conversation {list}, which has no row"
        )),
        Some(known) => {
            let before = known.newest;
            report.hold(before.position.checked_add(1) == Some(position), || {
                format!(
                    "message {id} of conversation {list} is at position {position}, and the one before it at {}",
                    before.position
                )
            });
            report.hold(at >= before.at || before.position == 0, || {
                format!("message {id} of conversation {list} is earlier than the one before it")
            });
            known.newest = Place {
                position,
                message: id,
                at,
            };
            if is_folded {
                known.folded = known.newest;
            }
        }
    }
    if let Some(own) = walk.members.get_mut(&(list, sender)) {
        own.counted += 1;
        own.counted_read += u64::from(position <= own.read);
    }
    keys.newest_at = keys.newest_at.max(at);
    if !is_folded {
        return;
    }
    walk.lists.add([list, position, id, sender]);
    let Some(key) = walk.secret.key_of(message) else {
        return;
    };
    let after = walk.keys.partition_point(|range| range.last < id);
    match walk.keys.get_mut(after).filter(|range| range.first <= id) {
        Some(range) => range.expected.add([key, id, id, 0]),
        None => keys.lacking = keys.lacking.max(Some((at, id))),
    }
}

/// Holds heads and members' counts to the log.
pub(super) fn check(connection: &Connection, walk: &Walk, report: &mut Report) -> Result<()> {
    for (id, known) in &walk.conversations {
        let head = known.head;
        let mut is_right = head == known.folded || head.position == 0 && known.folded.position == 0;
        if !is_right {
            // A fold under way is ahead of its mark.
            let said = (*id, head.position, head.at);
            let found = log::find(connection, MessageId(head.message), |found| {
                (found.conversation.0, found.position.0, found.at.0)
            });
            let is_there = found.ok().flatten() == Some(said);
            is_right = is_there && head.position > known.folded.position;
        }
        report.hold(is_right, || {
            format!(
                "the row of conversation {id} has its head at position {}, and its newest folded message is at {}",
                head.position, known.folded.position
            )
        });
        match known.pair {
            Some((low, high)) => {
                let has_both = [low, high]
                    .iter()
                    .all(|account| walk.members.contains_key(&(*id, *account)));
                report.hold(has_both, || {
                    format!("conversation {id} lacks the row of one of its two members")
                });
            }
            None => report.hold(known.active == known.member_count, || {
                format!(
                    "conversation {id} has {} members and says that it has {}",
                    known.active, known.member_count
                )
            }),
        }
    }
    for ((conversation, account), own) in &walk.members {
        report.hold((own.sent, own.sent_read) == (own.counted, own.counted_read), || {
            format!(
                "account {account} in conversation {conversation} counts {} own messages and {} of them read, and the log has {} and {}",
                own.sent, own.sent_read, own.counted, own.counted_read
            )
        });
        let newest = walk.conversations.get(conversation);
        let head = newest.map_or(0, |known| known.newest.position);
        report.hold(own.read <= head, || {
            let (read, head) = (Position(own.read), Position(head));
            format!("account {account} has read up to {read} in conversation {conversation}, which ends at {head}")
        });
    }
    Ok(())
}
