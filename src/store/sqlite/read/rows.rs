//! Rows of the file as what they stand for.

use std::sync::Arc;

use rusqlite::Row;

use crate::domain::account::{Account, Profile, ServiceRole};
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use crate::domain::ids::{AccountId, ConversationId, Slot, TimeMs};
use crate::domain::token::{Token, TokenHash};
use crate::store::StoreError;

/// A number below 2^63 in a column.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
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

/// A row of the accounts' table.
pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Arc<Account>> {
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

/// A row of the tokens' table.
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        hash: TokenHash(row.get(0)?),
        account: AccountId(number(row, 1)?),
        used_at: TimeMs(row.get(2)?),
    })
}

/// A row of the conversations' table, with the head of one in which nothing was said.
pub(super) fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let pair = match (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?) {
        (Some(low), Some(high)) => Pair::new(
            AccountId(low.cast_unsigned()),
            AccountId(high.cast_unsigned()),
        ),
        _ => None,
    };
    let kind = match pair {
        Some(pair) if row.get(11)? => ConversationKind::Events(pair),
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
    Ok(Conversation {
        id: ConversationId(number(row, 0)?),
        created_at,
        kind,
        head: Head {
            at: created_at,
            ..Head::default()
        },
    })
}
