//! Accounts, conversations, members and the log.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row, params};

use super::{Known, Own, Place, Report, Walk};
use crate::domain::ids::{AccountId, ConversationId, Position};
use crate::domain::member::Member;
use crate::domain::message::Dialect;
use crate::limits::{CLIENT_ID_TTL_MS, HOLES_MAX};
use crate::store::Result;
use crate::store::sqlite::heads;
use crate::store::sqlite::int;
use crate::store::sqlite::journal::take_member;
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

/// Rows of the file, and over them what the journal says since the fold mark.
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
    let mut journal = connection.prepare(
        "SELECT commit_number, last_message, members FROM journal ORDER BY commit_number",
    )?;
    let mut rows = journal.query([])?;
    let mut last = (0, 0);
    while let Some(row) = rows.next()? {
        let (commit, message) = (number(row, 0)?, number(row, 1)?);
        report.hold(message >= last.1, || {
            format!(
                "commit {commit} of the journal ends with a message before that of commit {}",
                last.0
            )
        });
        last = (commit, message);
        let members: Vec<u8> = row.get(2)?;
        let mut bytes = Bytes(&members);
        while !bytes.is_empty() {
            match take_member(&mut bytes) {
                Ok(member) if commit > walk.state.fold_commit => take(member, walk, report),
                Ok(_) => {}
                Err(error) => {
                    report.fault(format!("commit {commit} of the journal: {error}"));
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
    let mut log = connection.prepare(
        "SELECT id, conversation, position, sender, at, origin, client_id FROM message ORDER BY id",
    )?;
    let mut rows = log.query([])?;
    let newest = "SELECT max(at) FROM message";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
    let keys_since = newest.unwrap_or(0).saturating_sub(CLIENT_ID_TTL_MS);
    while let Some(row) = rows.next()? {
        let (message, list, position, sender) = (
            number(row, 0)?,
            number(row, 1)?,
            number(row, 2)?,
            number(row, 3)?,
        );
        let at: i64 = row.get(4)?;
        report.messages += 1;
        report.hold(walk.accounts.contains(&sender), || {
            format!("message {message} is from account {sender}, which has no row")
        });
        let is_folded = message <= walk.state.fold_message;
        match walk.conversations.get_mut(&list) {
            None => report.fault(format!(
                "message {message} is in conversation {list}, which has no row"
            )),
            Some(known) => {
                let before = known.newest;
                report.hold(before.position.checked_add(1) == Some(position), || {
                    format!(
                        "message {message} of conversation {list} is at position {position}, and the one before it at {}",
                        before.position
                    )
                });
                report.hold(at >= before.at || before.position == 0, || {
                    format!(
                        "message {message} of conversation {list} is earlier than the one before it"
                    )
                });
                known.newest = Place {
                    position,
                    message,
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
        if !is_folded {
            continue;
        }
        walk.lists.add([list, position, message, sender]);
        let client_id = row.get_ref(6)?.as_str_or_null().unwrap_or_default();
        let Some(client_id) = client_id else { continue };
        let Some(origin) = Dialect::from_code(row.get(5)?) else {
            report.fault(format!("message {message} is of no dialect"));
            continue;
        };
        let (account, conversation) = (AccountId(sender), ConversationId(list));
        let key = walk.secret.key(account, conversation, origin, client_id);
        let after = walk.keys.partition_point(|range| range.last < message);
        match walk
            .keys
            .get_mut(after)
            .filter(|range| range.first <= message)
        {
            Some(range) => range.expected.add([key, message, message, 0]),
            None => report.hold(at < keys_since, || {
                format!("the client's id of message {message} has no key")
            }),
        }
    }
    Ok(())
}

/// Holds heads and members' counts to the log.
pub(super) fn check(connection: &Connection, walk: &Walk, report: &mut Report) -> Result<()> {
    let mut find = connection
        .prepare("SELECT at FROM message WHERE id = ?1 AND conversation = ?2 AND position = ?3")?;
    for (id, known) in &walk.conversations {
        let head = known.head;
        let mut is_right = head == known.folded || head.position == 0 && known.folded.position == 0;
        if !is_right {
            // A fold under way is ahead of its mark.
            let key = params![int(head.message), int(*id), int(head.position)];
            let mut found = find.query_map(key, |row| row.get::<_, i64>(0))?;
            let is_there = found.next().transpose()? == Some(head.at);
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
