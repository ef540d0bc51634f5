//! Snapshots: rows of the file as they were at one commit.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::domain::account::{Account, Profile, ServiceRole};
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use crate::domain::holes::Holes;
use crate::domain::ids::{
    AccountId, CommitNumber, ConversationId, MessageId, Position, Slot, TimeMs,
};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::service::{AgentLoad, Assignment};
use crate::domain::token::{Token, TokenHash};
use crate::store::sqlite::int;
use crate::store::{Counters, Order, Reader, Result, Snapshot, StoreError};

const COMMIT: &str = "SELECT commit_number FROM meta WHERE id = 1";
const ACCOUNT_MAX: &str = "SELECT max(id) FROM account";
const CONVERSATION_MAX: &str = "SELECT max(id) FROM conversation";
const MESSAGE_MAX: &str = "SELECT max(id) FROM message";
const RESERVED_ID: &str = "SELECT reserved_id FROM meta WHERE id = 1";

const ACCOUNT: &str =
    "SELECT id, name, created_at, nick, avatar, terminal, role FROM account WHERE id = ?1";
// The server, account 1, is not found by its name.
const ACCOUNT_NAMED: &str = "SELECT id, name, created_at, nick, avatar, terminal, role FROM account WHERE name = ?1 AND id <> 1";

const TOKEN: &str = "SELECT hash, account, used_at FROM token WHERE hash = ?1";
const TOKENS: &str = "SELECT hash, account, used_at FROM token WHERE account = ?1";

const SINGLE: &str = "SELECT id FROM conversation WHERE low = ?1 AND high = ?2 AND events = ?3";
const CONVERSATION: &str = "
    SELECT c.id, c.created_at, c.low, c.high, c.owner, c.name, c.image, c.description, c.jim_name, c.member_count, c.next_slot,
        m.position, m.id, m.at, c.events
    FROM conversation c LEFT JOIN message m
        ON m.conversation = c.id AND m.position = (SELECT max(position) FROM message WHERE conversation = c.id)
    WHERE c.id = ?1";

const MEMBER: &str = "
    SELECT conversation, account, slot, joined_at, joined_after, left_after, alias, read, sent, sent_read,
        acknowledged, holes, hidden_at, pinned
    FROM member WHERE account = ?2 AND conversation = ?1";
const MEMBERS: &str = "
    SELECT conversation, account, slot, joined_at, joined_after, left_after, alias, read, sent, sent_read,
        acknowledged, holes, hidden_at, pinned
    FROM member WHERE conversation = ?1 ORDER BY slot";
const MEMBERSHIPS: &str = "
    SELECT conversation, account, slot, joined_at, joined_after, left_after, alias, read, sent, sent_read,
        acknowledged, holes, hidden_at, pinned
    FROM member WHERE account = ?1 ORDER BY conversation";

const MESSAGES_OLDEST_FIRST: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled
    FROM message WHERE conversation = ?1 AND position BETWEEN ?2 AND ?3 ORDER BY position LIMIT ?4";
const MESSAGES_NEWEST_FIRST: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled
    FROM message WHERE conversation = ?1 AND position BETWEEN ?2 AND ?3 ORDER BY position DESC LIMIT ?4";
const MESSAGES_FROM_OTHERS: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled
    FROM message WHERE conversation = ?1 AND position BETWEEN ?2 AND ?3 AND sender <> ?5 ORDER BY position LIMIT ?4";
const COUNT_SENT: &str = "
    SELECT count(*) FROM message WHERE conversation = ?1 AND position BETWEEN ?2 AND ?3 AND sender = ?4";
const MESSAGE_NAMED: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled
    FROM message WHERE sender = ?1 AND conversation = ?2 AND origin = ?3 AND client_id = ?4";

const MESSAGE: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled
    FROM message WHERE id = ?1";
const NEWEST_MESSAGE_NAMED: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled
    FROM message WHERE id = (SELECT max(id) FROM message WHERE sender = ?1 AND origin = ?2 AND client_id = ?3)";

const JIM_GROUP: &str = "SELECT id FROM conversation WHERE jim_name = ?1";
const AGENTS: &str =
    "SELECT id, name, created_at, nick, avatar, terminal, role FROM account WHERE role IN (1, 2)";
const ASSIGNMENTS: &str = "SELECT visitor, agent, at FROM assignment WHERE visitor = ?1";
const AGENT_VISITORS: &str = "SELECT count(*) FROM assignment WHERE agent = ?1 AND at >= ?2";
const AGENT_LAST: &str = "SELECT max(at) FROM assignment WHERE agent = ?1";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 26] = [
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
    MEMBER,
    MEMBERS,
    MEMBERSHIPS,
    MESSAGES_OLDEST_FIRST,
    MESSAGES_NEWEST_FIRST,
    MESSAGES_FROM_OTHERS,
    COUNT_SENT,
    MESSAGE_NAMED,
    MESSAGE,
    NEWEST_MESSAGE_NAMED,
    JIM_GROUP,
    AGENTS,
    ASSIGNMENTS,
    AGENT_VISITORS,
    AGENT_LAST,
];

/// Reads the file through a connection of its own.
pub(super) struct SqliteReader {
    connection: Connection,
}

impl SqliteReader {
    /// A reader over `connection`.
    pub(super) fn new(connection: Connection) -> SqliteReader {
        SqliteReader { connection }
    }
}

impl Reader for SqliteReader {
    fn snapshot(&mut self, read: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        let transaction = self.connection.transaction()?;
        // The first statement fixes what the transaction sees.
        let commit = newest_commit(&transaction)?;
        read(&SqliteSnapshot {
            connection: &transaction,
            commit,
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
    commit: CommitNumber,
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
}

impl Snapshot for SqliteSnapshot<'_> {
    fn commit(&self) -> Result<CommitNumber> {
        Ok(self.commit)
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
        self.one(CONVERSATION, [int(id.0)], conversation)
    }

    fn member(&self, conversation: ConversationId, account: AccountId) -> Result<Option<Member>> {
        self.one(MEMBER, [int(conversation.0), int(account.0)], member)
    }

    fn members(&self, conversation: ConversationId) -> Result<Vec<Member>> {
        self.all(MEMBERS, [int(conversation.0)], member)
    }

    fn memberships(&self, account: AccountId) -> Result<Vec<Member>> {
        self.all(MEMBERSHIPS, [int(account.0)], member)
    }

    fn messages(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>> {
        let sql = match order {
            Order::OldestFirst => MESSAGES_OLDEST_FIRST,
            Order::NewestFirst => MESSAGES_NEWEST_FIRST,
        };
        self.all(
            sql,
            [
                int(conversation.0),
                int(*positions.start()),
                int(*positions.end()),
                int(rows_max as u64),
            ],
            message,
        )
    }

    fn messages_from_others(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>> {
        let range = [
            int(conversation.0),
            int(*positions.start()),
            int(*positions.end()),
            int(rows_max as u64),
            int(account.0),
        ];
        self.all(MESSAGES_FROM_OTHERS, range, message)
    }

    fn count_sent(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
    ) -> Result<u64> {
        let range = [
            int(conversation.0),
            int(*positions.start()),
            int(*positions.end()),
            int(account.0),
        ];
        let count = self.one(COUNT_SENT, range, |row| number(row, 0))?;
        Ok(count.unwrap_or(0))
    }

    fn message_named(
        &self,
        sender: AccountId,
        conversation: ConversationId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>> {
        self.one(
            MESSAGE_NAMED,
            params![int(sender.0), int(conversation.0), origin as u8, client_id],
            message,
        )
    }

    fn message(&self, id: MessageId) -> Result<Option<Arc<Message>>> {
        self.one(MESSAGE, [int(id.0)], message)
    }

    fn newest_message_named(
        &self,
        sender: AccountId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>> {
        let key = params![int(sender.0), origin as u8, client_id];
        self.one(NEWEST_MESSAGE_NAMED, key, message)
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

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// A number in a column of codes that this program does not know: the file is damaged, or a newer program wrote it.
fn unknown_code(column: usize, code: i64) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        rusqlite::types::Type::Integer,
        Box::new(StoreError(format!("unknown code {code}"))),
    )
}

fn account(row: &Row<'_>) -> rusqlite::Result<Arc<Account>> {
    let role = match row.get::<_, Option<i64>>(6)? {
        None => None,
        Some(0) => Some(ServiceRole::Visitor),
        Some(1) => Some(ServiceRole::Agent),
        Some(2) => Some(ServiceRole::Consultant),
        Some(code) => return Err(unknown_code(6, code)),
    };
    let profile = Profile {
        nick: row.get(3)?,
        avatar: row.get(4)?,
        terminal: row.get(5)?,
        role,
    };
    Ok(Arc::new(Account {
        id: AccountId(number(row, 0)?),
        name: row.get(1)?,
        created_at: TimeMs(row.get(2)?),
        profile,
    }))
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        hash: TokenHash(row.get(0)?),
        account: AccountId(number(row, 1)?),
        used_at: TimeMs(row.get(2)?),
    })
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let pair = match (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?) {
        (Some(low), Some(high)) => Pair::new(
            AccountId(low.cast_unsigned()),
            AccountId(high.cast_unsigned()),
        ),
        _ => None,
    };
    let kind = match pair {
        Some(pair) if row.get(14)? => ConversationKind::Events(pair),
        Some(pair) => ConversationKind::Single(pair),
        None => ConversationKind::Group(Arc::new(Group {
            owner: AccountId(number(row, 4)?),
            name: row.get(5)?,
            image: row.get(6)?,
            description: row.get(7)?,
            jim_name: row.get(8)?,
            member_count: row.get(9)?,
            next_slot: Slot(row.get(10)?),
        })),
    };
    let created_at = TimeMs(row.get(1)?);
    let head = match row.get::<_, Option<i64>>(11)? {
        Some(position) => Head {
            position: Position(position.cast_unsigned()),
            message: MessageId(number(row, 12)?),
            at: TimeMs(row.get(13)?),
        },
        None => Head {
            at: created_at,
            ..Head::default()
        },
    };
    Ok(Conversation {
        id: ConversationId(number(row, 0)?),
        created_at,
        kind,
        head,
    })
}

fn member(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        conversation: ConversationId(number(row, 0)?),
        account: AccountId(number(row, 1)?),
        slot: Slot(row.get(2)?),
        joined_at: TimeMs(row.get(3)?),
        joined_after: Position(number(row, 4)?),
        left_after: row
            .get::<_, Option<i64>>(5)?
            .map(|position| Position(position.cast_unsigned())),
        alias: row.get(6)?,
        read: Position(number(row, 7)?),
        sent: number(row, 8)?,
        sent_read: number(row, 9)?,
        acknowledged: Position(number(row, 10)?),
        holes: holes(row, 11)?,
        hidden_at: row
            .get::<_, Option<i64>>(12)?
            .map(|position| Position(position.cast_unsigned())),
        pinned: row.get(13)?,
    })
}

fn holes(row: &Row<'_>, column: usize) -> rusqlite::Result<Holes> {
    let Some(bytes) = row.get_ref(column)?.as_blob_or_null()? else {
        return Ok(Holes::default());
    };
    let (numbers, _) = bytes.as_chunks::<8>();
    let (pairs, _) = numbers.as_chunks::<2>();
    let ranges = pairs.iter().map(|[from, to]| {
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        (number(from), number(to))
    });
    Ok(Holes::new(ranges.collect()))
}

fn message(row: &Row<'_>) -> rusqlite::Result<Arc<Message>> {
    let (kind, origin) = (row.get(5)?, row.get(7)?);
    Ok(Arc::new(Message {
        id: MessageId(number(row, 0)?),
        conversation: ConversationId(number(row, 1)?),
        position: Position(number(row, 2)?),
        sender: AccountId(number(row, 3)?),
        at: TimeMs(row.get(4)?),
        kind: MessageKind::from_code(kind).ok_or_else(|| unknown_code(5, kind))?,
        body: row.get(6)?,
        origin: Dialect::from_code(origin).ok_or_else(|| unknown_code(7, i64::from(origin)))?,
        client_id: row.get(8)?,
        attributes: row.get(9)?,
        recalled: row.get(10)?,
    }))
}
