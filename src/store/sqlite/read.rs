//! Snapshots: rows as they were at one commit, out of the file and the tail.

mod rows;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::domain::account::Account;
use crate::domain::conversation::{Conversation, Pair};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, MessageId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message};
use crate::domain::service::{AgentLoad, Assignment};
use crate::domain::token::{Token, TokenHash};
use crate::store::sqlite::block::{Entry, Kind};
use crate::store::sqlite::heads;
use crate::store::sqlite::keys::anywhere;
use crate::store::sqlite::log;
use crate::store::sqlite::members;
use crate::store::sqlite::run::{self, Run, RunState};
use crate::store::sqlite::tail::View;
use crate::store::sqlite::{Shared, int};
use crate::store::{Counters, Order, Reader, Result, Snapshot};

use rows::{account, conversation, number, token};

// A commit with messages stands in the log, one with rows of members there or in the journal, until they are folded.
// That ids are above 0 has the newest of the log looked up and not come to by going through it.
const COMMIT: &str = "
    SELECT max(commit_number, fold_commit, ifnull((SELECT max(commit_number) FROM journal), 0),
        ifnull((SELECT commit_number FROM log WHERE id > 0 ORDER BY id DESC LIMIT 1), 0))
    FROM meta WHERE id = 1";
/// Reads next to nothing, and begins what a transaction sees.
const BEGIN: &str = "PRAGMA user_version";
const ACCOUNT_MAX: &str = "SELECT max(id) FROM account";
const CONVERSATION_MAX: &str = "SELECT max(id) FROM conversation";
const MESSAGE_MAX: &str = "SELECT max(id) FROM log";
const RESERVED_ID: &str = "SELECT reserved_id FROM meta WHERE id = 1";

const ACCOUNT: &str =
    "SELECT id, name, created_at, nick, avatar, terminal, role FROM account WHERE id = ?1";
// The server, account 1, is not found by its name.
const ACCOUNT_NAMED: &str = "SELECT id, name, created_at, nick, avatar, terminal, role FROM account WHERE name = ?1 AND id <> 1";

const TOKEN: &str = "SELECT hash, account, used_at FROM token WHERE hash = ?1";
const TOKENS: &str = "SELECT hash, account, used_at FROM token WHERE account = ?1";

const SINGLE: &str = "SELECT id FROM conversation WHERE low = ?1 AND high = ?2 AND events = ?3";
const CONVERSATION: &str = "
    SELECT id, created_at, low, high, owner, name, image, description, jim_name, member_count, next_slot, events
    FROM conversation WHERE id = ?1";

const PAIR: &str = "SELECT low, high FROM conversation WHERE id = ?1";

/// Most entries that are looked at in one step for messages from others.
const OTHERS_ENTRIES_MAX: usize = 4_096;

const JIM_GROUP: &str = "SELECT id FROM conversation WHERE jim_name = ?1";
const AGENTS: &str =
    "SELECT id, name, created_at, nick, avatar, terminal, role FROM account WHERE role IN (1, 2)";
const ASSIGNMENTS: &str = "SELECT visitor, agent, at FROM assignment WHERE visitor = ?1";
const AGENT_VISITORS: &str = "SELECT count(*) FROM assignment WHERE agent = ?1 AND at >= ?2";
const AGENT_LAST: &str = "SELECT max(at) FROM assignment WHERE agent = ?1";

/// Every statement here that looks something up, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 17] = [
    COMMIT,
    ACCOUNT_MAX,
    CONVERSATION_MAX,
    MESSAGE_MAX,
    RESERVED_ID,
    ACCOUNT,
    ACCOUNT_NAMED,
    TOKEN,
    TOKENS,
    SINGLE,
    CONVERSATION,
    PAIR,
    JIM_GROUP,
    AGENTS,
    ASSIGNMENTS,
    AGENT_VISITORS,
    AGENT_LAST,
];

/// Reads the file through a connection of its own, and the tail.
pub(super) struct SqliteReader {
    connection: Connection,
    shared: Arc<Shared>,
}

impl SqliteReader {
    /// A reader over `connection` and the tail of its store.
    pub(super) fn new(connection: Connection, shared: Arc<Shared>) -> SqliteReader {
        SqliteReader { connection, shared }
    }
}

impl Reader for SqliteReader {
    fn snapshot(&mut self, read: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        let _passed = self.shared.gate.read();
        let (view, transaction) = self.shared.tail.view(|| {
            let transaction = self.connection.transaction()?;
            let begin = || -> Result<()> {
                let mut begin = transaction.prepare_cached(BEGIN)?;
                Ok(begin.query_row([], |_| Ok(()))?)
            };
            let commit = match self.shared.newest.shown_by(begin)? {
                Some(commit) => commit,
                None => newest_commit(&transaction)?.0,
            };
            Ok((commit, transaction))
        })?;
        read(&SqliteSnapshot {
            connection: &transaction,
            view,
            lists: OnceCell::new(),
        })
    }
}

/// Where the file stands.
pub(super) fn counters(connection: &Connection) -> Result<Counters> {
    let newest = |sql| -> Result<u64> {
        let found: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(found.unwrap_or(0).cast_unsigned())
    };
    Ok(Counters {
        commit: newest_commit(connection)?,
        account: AccountId(newest(ACCOUNT_MAX)?),
        conversation: ConversationId(newest(CONVERSATION_MAX)?),
        message: MessageId(newest(MESSAGE_MAX)?.max(newest(RESERVED_ID)?)),
    })
}

/// The newest commit that `connection` sees.
pub(super) fn newest_commit(connection: &Connection) -> Result<CommitNumber> {
    let found: i64 = connection
        .prepare_cached(COMMIT)?
        .query_row([], |row| row.get(0))?;
    Ok(CommitNumber(found.cast_unsigned()))
}

struct SqliteSnapshot<'a> {
    connection: &'a Connection,
    view: View,
    /// The live runs of lists, from the newest on, once they were looked at.
    lists: OnceCell<Vec<Run>>,
}

impl SqliteSnapshot<'_> {
    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row(params, read)
            .optional()?)
    }

    fn of_pair(&self, pair: Pair, events: bool) -> Result<Option<ConversationId>> {
        let key = params![int(pair.low().0), int(pair.high().0), events];
        self.one(SINGLE, key, |row| Ok(ConversationId(number(row, 0)?)))
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }

    fn runs(&self, kind: Kind) -> Result<Vec<Run>> {
        run::runs(self.connection, RunState::Live, kind)
    }

    fn lists(&self) -> Result<&[Run]> {
        match self.lists.get() {
            Some(lists) => Ok(lists),
            None => {
                let lists = self.runs(Kind::Lists)?;
                Ok(self.lists.get_or_init(|| lists))
            }
        }
    }

    /// The entries of a conversation at `positions`, the newest `rows_max`, from the newest on.
    fn entries(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<Entry>> {
        let (low, high) = (*positions.start().max(&1), *positions.end());
        let mut entries = Vec::new();
        if low > high || rows_max == 0 {
            return Ok(entries);
        }
        self.view
            .entries(conversation, low..=high, rows_max, &mut entries)?;
        // Positions have no gaps, so what is found ends the search.
        let high = match entries.last() {
            Some(oldest) if oldest.place <= low || entries.len() >= rows_max => return Ok(entries),
            Some(oldest) => oldest.place - 1,
            None => high,
        };
        let (runs, list) = (self.lists()?, conversation.0);
        run::newest_first(
            self.connection,
            runs,
            list,
            low..=high,
            rows_max,
            &mut entries,
        )?;
        Ok(entries)
    }

    /// The same, but the oldest `rows_max`, from the oldest on.
    fn oldest_entries(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<Entry>> {
        let low = *positions.start().max(&1);
        // Positions have no gaps.
        let last = low.saturating_add(rows_max as u64).saturating_sub(1);
        let high = last.min(*positions.end());
        let mut entries = self.entries(conversation, low..=high, rows_max)?;
        entries.reverse();
        Ok(entries)
    }

    /// The messages of `entries`.
    fn rows<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> Result<Vec<Arc<Message>>> {
        log::messages(
            self.connection,
            entries.map(|entry| MessageId(entry.message)),
        )
    }

    /// The newest message under the keys of `range` that is as wanted.
    fn keyed(
        &self,
        range: RangeInclusive<u64>,
        is_wanted: impl Fn(&Message) -> bool,
    ) -> Result<Option<Arc<Message>>> {
        let mut candidates = Vec::new();
        self.view.keyed(range.clone(), &mut candidates)?;
        let mut runs = self.runs(Kind::Keys)?.into_iter();
        loop {
            candidates.sort_unstable();
            while let Some(candidate) = candidates.pop() {
                // The tail may be ahead of the snapshot.
                let found = self.message(MessageId(candidate))?;
                if let Some(found) = found.filter(|found| is_wanted(found)) {
                    return Ok(Some(found));
                }
            }
            match runs.next() {
                Some(run) => run::keyed(self.connection, run.id, range.clone(), &mut candidates)?,
                None => return Ok(None),
            }
        }
    }
}

impl Snapshot for SqliteSnapshot<'_> {
    fn commit(&self) -> Result<CommitNumber> {
        Ok(CommitNumber(self.view.commit()))
    }

    fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        self.one(ACCOUNT, [int(id.0)], account)
    }

    fn account_named(&self, name: &str) -> Result<Option<Arc<Account>>> {
        self.one(ACCOUNT_NAMED, [name], account)
    }

    fn token(&self, hash: TokenHash) -> Result<Option<Token>> {
        self.one(TOKEN, [hash.0], token)
    }

    fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        self.all(TOKENS, [int(account.0)], token)
    }

    fn single(&self, pair: Pair) -> Result<Option<ConversationId>> {
        self.of_pair(pair, false)
    }

    fn events(&self, pair: Pair) -> Result<Option<ConversationId>> {
        self.of_pair(pair, true)
    }

    fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>> {
        let Some(mut found) = self.one(CONVERSATION, [int(id.0)], conversation)? else {
            return Ok(None);
        };
        let head = match self.view.head(id)? {
            None => heads::head(self.connection, id)?,
            newer => newer,
        };
        if let Some(head) = head {
            found.head = head;
        }
        Ok(Some(found))
    }

    fn member(&self, conversation: ConversationId, account: AccountId) -> Result<Option<Member>> {
        match self.view.member(conversation, account)? {
            None => members::member(self.connection, conversation, account),
            newer => Ok(newer),
        }
    }

    fn members(&self, conversation: ConversationId) -> Result<Vec<Member>> {
        let pair = self.one(PAIR, [int(conversation.0)], |row| {
            let pair: (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(pair.0.zip(pair.1))
        })?;
        let accounts = match pair.flatten() {
            Some((low, high)) => [low, high].map(|id| AccountId(id.cast_unsigned())).to_vec(),
            None => members::of_group(self.connection, conversation)?,
        };
        let mut members = BTreeMap::new();
        for account in accounts {
            let folded = members::member(self.connection, conversation, account)?;
            members.extend(folded.map(|member| (account, member)));
        }
        self.view.members(conversation, &mut members)?;
        let mut members: Vec<Member> = members.into_values().collect();
        members.sort_unstable_by_key(|member| member.slot);
        Ok(members)
    }

    fn memberships(&self, account: AccountId) -> Result<Vec<Member>> {
        let mut memberships = BTreeMap::new();
        members::memberships(self.connection, account, |member| {
            memberships.insert(member.conversation, member);
        })?;
        self.view.memberships(account, &mut memberships)?;
        Ok(memberships.into_values().collect())
    }

    fn messages(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>> {
        let entries = match order {
            Order::OldestFirst => self.oldest_entries(conversation, positions, rows_max)?,
            Order::NewestFirst => self.entries(conversation, positions, rows_max)?,
        };
        self.rows(entries.iter())
    }

    fn message_ids(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<MessageId>> {
        let entries = self.entries(conversation, positions, rows_max)?;
        Ok(entries
            .iter()
            .map(|entry| MessageId(entry.message))
            .collect())
    }

    fn messages_from_others(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>> {
        let (mut low, high) = positions.into_inner();
        let mut found: Vec<Entry> = Vec::new();
        // Few of them are its own, as a rule; else more are looked at each time.
        let mut count = rows_max.clamp(32, OTHERS_ENTRIES_MAX);
        while found.len() < rows_max && low <= high {
            let entries = self.oldest_entries(conversation, low..=high, count)?;
            let Some(last) = entries.last() else { break };
            low = last.place + 1;
            let others = entries.iter().filter(|entry| entry.sender != account.0);
            found.extend(others.take(rows_max - found.len()));
            if entries.len() < count {
                break;
            }
            count = (2 * count).min(OTHERS_ENTRIES_MAX);
        }
        self.rows(found.iter())
    }

    fn count_sent(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
    ) -> Result<u64> {
        let entries = self.entries(conversation, positions, usize::MAX)?;
        let own = entries.iter().filter(|entry| entry.sender == account.0);
        Ok(own.count() as u64)
    }

    fn message_named(
        &self,
        sender: AccountId,
        conversation: ConversationId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>> {
        let secret = self.view.secret();
        let key = secret.key(sender, conversation, origin, client_id);
        self.keyed(key..=key, |message| {
            message.conversation == conversation
                && message.sender == sender
                && message.origin == origin
                && message.client_id.as_deref() == Some(client_id)
        })
    }

    fn message(&self, id: MessageId) -> Result<Option<Arc<Message>>> {
        log::message(self.connection, id)
    }

    fn newest_message_named(
        &self,
        sender: AccountId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>> {
        let secret = self.view.secret();
        let key = secret.key(sender, ConversationId(0), origin, client_id);
        self.keyed(anywhere(key), |message| {
            message.sender == sender
                && message.origin == origin
                && message.client_id.as_deref() == Some(client_id)
        })
    }

    fn jim_group(&self, name: &str) -> Result<Option<ConversationId>> {
        self.one(JIM_GROUP, [name], |row| Ok(ConversationId(number(row, 0)?)))
    }

    fn agents(&self) -> Result<Vec<Arc<Account>>> {
        let mut agents = self.all(AGENTS, [], account)?;
        agents.sort_unstable_by_key(|agent| agent.id);
        Ok(agents)
    }

    fn assignments(&self, visitor: AccountId) -> Result<Vec<Assignment>> {
        self.all(ASSIGNMENTS, [int(visitor.0)], |row| {
            Ok(Assignment {
                visitor: AccountId(number(row, 0)?),
                agent: AccountId(number(row, 1)?),
                at: TimeMs(row.get(2)?),
            })
        })
    }

    fn agent_load(&self, agent: AccountId, since: TimeMs) -> Result<AgentLoad> {
        let agent = int(agent.0);
        let visitors = self.one(AGENT_VISITORS, [agent, since.0], |row| number(row, 0))?;
        let last_at = self.one(AGENT_LAST, [agent], |row| row.get::<_, Option<i64>>(0))?;
        Ok(AgentLoad {
            visitors: visitors.unwrap_or(0),
            last_at: last_at.flatten().map(TimeMs),
        })
    }
}
