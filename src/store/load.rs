//! Rows for the writer: what a command looks at and the writer does not have in memory.

use std::sync::Arc;

use crate::domain::conversation::Pair;
use crate::domain::ids::ConversationId;
use crate::domain::needs::{Key, Row, SingleRow};
use crate::store::query::shown_group;
use crate::store::{Result, Snapshot, StoreError};

/// The rows of `keys`, in their order, as `snapshot` shows them.
///
/// # Errors
/// When the store cannot be read.
pub fn load(snapshot: &dyn Snapshot, keys: &[Key]) -> Result<Vec<Row>> {
    keys.iter().map(|key| row(snapshot, key)).collect()
}

fn row(snapshot: &dyn Snapshot, key: &Key) -> Result<Row> {
    Ok(match key {
        Key::Account(id) => Row::Account(*id, snapshot.account(*id)?),
        Key::Name(name) => Row::Name(Arc::clone(name), snapshot.account_named(name)?),
        Key::Single(pair) => {
            let id = snapshot.single(*pair)?;
            Row::Single(*pair, id.map(|id| single(snapshot, *pair, id)).transpose()?)
        }
        Key::Conversation(id) => Row::Conversation(*id, snapshot.conversation(*id)?),
        Key::Member(conversation, account) => Row::Member(
            *conversation,
            *account,
            snapshot.member(*conversation, *account)?,
        ),
        Key::Shown(account, name) => Row::Shown(
            *account,
            Arc::clone(name),
            shown_group(snapshot, *account, name)?,
        ),
        Key::Token(hash) => Row::Token(*hash, snapshot.token(*hash)?),
        Key::Tokens(account) => Row::Tokens(*account, snapshot.tokens(*account)?),
        Key::ClientId(key) => Row::ClientId(
            key.clone(),
            snapshot.message_named(key.sender, key.conversation, key.origin, &key.client_id)?,
        ),
    })
}

fn single(snapshot: &dyn Snapshot, pair: Pair, id: ConversationId) -> Result<Box<SingleRow>> {
    let rows = (
        snapshot.conversation(id)?,
        snapshot.member(id, pair.low())?,
        snapshot.member(id, pair.high())?,
    );
    let (Some(conversation), Some(low), Some(high)) = rows else {
        return Err(StoreError(format!(
            "conversation {id} lacks its row or a member"
        )));
    };
    Ok(Box::new(SingleRow {
        conversation,
        low,
        high,
    }))
}
