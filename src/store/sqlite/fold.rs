//! A fold: a sealed segment of the tail becomes runs, heads and member rows, a few at a time within other commits.

use std::sync::Arc;

use rusqlite::Connection;

use crate::domain::conversation::Head;
use crate::domain::ids::{ConversationId, MessageId, Position, TimeMs};
use crate::store::Result;
use crate::store::sqlite::block::{Entry, Kind};
use crate::store::sqlite::heads::{HeadWriter, PAGE_HEADS};
use crate::store::sqlite::int;
use crate::store::sqlite::keys::RunFilter;
use crate::store::sqlite::members::{self, PageChange};
use crate::store::sqlite::run::{NextIds, Run, RunWriter};
use crate::store::sqlite::segment::{Data, Segment};
use crate::store::sqlite::sorted::Sorted;

const SET_MARK: &str = "UPDATE meta SET fold_commit = ?1, fold_message = ?2 WHERE id = 1";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 1] = [SET_MARK];

/// What parts of a fold cost against each other, in units of about half a microsecond.
pub(super) mod cost {
    /// A message in its conversation's list.
    pub(in crate::store::sqlite) const MESSAGE: i64 = 1;
    /// A conversation's head, and finding what it has.
    pub(in crate::store::sqlite) const HEAD: i64 = 1;
    /// A key.
    pub(in crate::store::sqlite) const KEY: i64 = 1;
    /// A member's row that is changed.
    pub(in crate::store::sqlite) const MEMBER: i64 = 1;
    /// One that is new: perhaps in a group's table, too.
    pub(in crate::store::sqlite) const JOINED: i64 = 6;
    /// A page that is read and written.
    pub(in crate::store::sqlite) const PAGE: i64 = 24;
    /// A page of members with all the rows that are gone through.
    pub(in crate::store::sqlite) const MEMBER_PAGE: i64 = 2 * PAGE;
}

/// What a fold costs, if no member's row is new and no page splits.
fn units(connection: &Connection, data: &Data) -> Result<i64> {
    let conversations = data.conversations().count() as u64;
    let pages = data.conversations().map(|(id, _)| id / PAGE_HEADS);
    let (first, last) = pages.fold((u64::MAX, 0), |(first, last), page| {
        (first.min(page), last.max(page))
    });
    let head_pages = conversations.min(last.saturating_sub(first) + 1);
    let members = data.members().len() as u64;
    let member_pages = members::page_count(connection)?.min(members);
    Ok(data.message_count() as i64 * cost::MESSAGE
        + conversations as i64 * cost::HEAD
        + head_pages as i64 * cost::PAGE
        + data.keys().len() as i64 * cost::KEY
        + members as i64 * cost::MEMBER
        + member_pages as i64 * cost::MEMBER_PAGE)
}

/// Where a fold goes on, and what is left to be done there.
#[derive(Debug)]
enum Stage {
    /// Lists and heads of conversations.
    Lists(Sorted<(u64, u32)>),
    /// Keys.
    Keys(Sorted<(u64, u64)>),
    /// Members' rows.
    Members(Sorted<((u64, u64), u32)>),
}

/// A fold under way.
#[derive(Debug)]
pub(super) struct Fold {
    segment: Arc<Segment>,
    stage: Stage,
    lists: Option<RunWriter>,
    keys: Option<RunWriter>,
    heads: HeadWriter,
    members: PageChange,
    entries: Vec<Entry>,
    /// What all of it costs, and what is done.
    units: i64,
    units_done: i64,
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
        let keys = match data.keys().len() {
            0 => None,
            _ => begin(Kind::Keys).transpose()?,
        };
        let stage = Stage::Lists(Sorted::new(data.conversations()));
        let units = units(connection, &data)?;
        drop(data);
        Ok(Fold {
            units,
            units_done: 0,
            segment,
            stage,
            lists,
            keys,
            heads: HeadWriter::default(),
            members: PageChange::default(),
            entries: Vec::new(),
        })
    }

    /// What all of it costs, in units of [`cost`], as far as is known.
    pub(super) fn units(&self) -> i64 {
        self.units
    }

    /// How much of that is done.
    pub(super) fn units_done(&self) -> i64 {
        self.units_done
    }

    /// Does about `units` of work; with the last of it the mark moves.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        units: i64,
    ) -> Result<Option<Folded>> {
        let mut left = units;
        let mut is_last = false;
        while left > 0 && !is_last {
            is_last = match self.stage {
                Stage::Lists(_) => self.fold_lists(connection, ids, &mut left)?,
                Stage::Keys(_) => self.fold_keys(connection, ids, &mut left)?,
                Stage::Members(_) => self.fold_members(connection, &mut left)?,
            };
        }
        self.units_done = self.units_done.saturating_add(units.saturating_sub(left));
        match is_last {
            true => self.finish(connection, ids).map(Some),
            false => Ok(None),
        }
    }

    fn fold_lists(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        left: &mut i64,
    ) -> Result<bool> {
        let data = self.segment.read();
        let Stage::Lists(conversations) = &mut self.stage else {
            return Ok(false);
        };
        while *left > 0 {
            let Some((conversation, newest)) = conversations.next() else {
                self.heads.flush(connection)?;
                self.stage = Stage::Keys(Sorted::new(data.keys()));
                break;
            };
            let at = data.entries(conversation, newest, &mut self.entries);
            *left -= cost::HEAD + self.entries.len() as i64 * cost::MESSAGE;
            if let (Some(newest), Some(lists)) = (self.entries.last(), &mut self.lists) {
                for entry in &self.entries {
                    lists.push(connection, ids, *entry)?;
                }
                let head = Head {
                    position: Position(newest.place),
                    message: MessageId(newest.message),
                    at: TimeMs(at),
                };
                let conversation = ConversationId(conversation);
                if self.heads.put(connection, conversation, head)? {
                    *left -= cost::PAGE;
                    let ahead = conversations.ahead().iter().take(PAGE_HEADS as usize);
                    data.look_at_messages(ahead.map(|(_, newest)| *newest));
                }
            }
        }
        Ok(false)
    }

    fn fold_keys(
        &mut self,
        connection: &Connection,
        ids: &mut NextIds,
        left: &mut i64,
    ) -> Result<bool> {
        let Stage::Keys(keys) = &mut self.stage else {
            return Ok(false);
        };
        while *left > 0 {
            let Some((key, message)) = keys.next() else {
                let members = self.segment.read();
                self.stage = Stage::Members(Sorted::new(members.members()));
                break;
            };
            if let Some(keys) = &mut self.keys {
                let entry = Entry {
                    list: key,
                    place: message,
                    message,
                    sender: 0,
                };
                keys.push(connection, ids, entry)?;
            }
            *left -= cost::KEY;
        }
        Ok(false)
    }

    fn fold_members(&mut self, connection: &Connection, left: &mut i64) -> Result<bool> {
        let data = self.segment.read();
        let Stage::Members(changes) = &mut self.stage else {
            return Ok(false);
        };
        while let Some((first, _)) = changes.peek() {
            if *left <= 0 {
                return Ok(false);
            }
            self.members.begin(connection, first)?;
            let ahead = changes.ahead().iter();
            let ahead = ahead.take_while(|(key, _)| self.members.covers(*key));
            data.look_at_rows(ahead.map(|(_, version)| *version));
            while let Some((key, version)) = changes.next_if(|(key, _)| self.members.covers(*key)) {
                self.members.put(key, data.row(version));
                *left -= cost::MEMBER;
            }
            let changed = self.members.store(connection)?;
            let joined = changed.joined as i64 * cost::JOINED;
            self.units += joined + cost::MEMBER_PAGE * (changed.pages as i64 - 1);
            *left -= joined + cost::MEMBER_PAGE * changed.pages as i64;
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
