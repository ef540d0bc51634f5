//! One commit: effects into rows, in one transaction.
//!
//! Messages are appended to the log, and members' rows with them, or to the journal; both also go to the tail, which answers for them until
//! they are folded. Everything else is written where it belongs.

use rusqlite::{Transaction, params};

use crate::domain::account::{Account, ServiceRole};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind};
use crate::domain::ids::{CommitNumber, MessageId};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::service::Assignment;
use crate::domain::token::{Token, TokenHash};
use crate::store::Result;
use crate::store::sqlite::int;
use crate::store::sqlite::journal;
use crate::store::sqlite::keys::Secret;
use crate::store::sqlite::log::{self, Logged};
use crate::store::sqlite::segment::{Appended, RowAt};

const ADVANCE: &str = "UPDATE meta SET commit_number = ?1 WHERE id = 1";

const PUT_ACCOUNT: &str = "
    INSERT INTO account (id, name, created_at, nick, avatar, terminal, role) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, created_at = excluded.created_at, nick = excluded.nick,
        avatar = excluded.avatar, terminal = excluded.terminal, role = excluded.role";

const PUT_TOKEN: &str = "
    INSERT INTO token (hash, account, used_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (hash) DO UPDATE SET account = excluded.account, used_at = excluded.used_at";

const END_TOKEN: &str = "DELETE FROM token WHERE hash = ?1";

const PUT_SINGLE: &str = "INSERT INTO conversation (id, created_at, low, high, events) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";

const PUT_GROUP: &str = "
    INSERT INTO conversation (id, created_at, owner, name, image, description, jim_name, member_count, next_slot)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, name = excluded.name, image = excluded.image, description = excluded.description,
        jim_name = excluded.jim_name, member_count = excluded.member_count, next_slot = excluded.next_slot";

const PUT_JOURNAL: &str = "INSERT INTO journal (commit_number, members) VALUES (?1, ?2)";

const PUT_ASSIGNMENT: &str = "
    INSERT INTO assignment (visitor, agent, at) VALUES (?1, ?2, ?3) ON CONFLICT (visitor, agent) DO UPDATE SET at = excluded.at";

const RESERVE_ID: &str = "UPDATE meta SET reserved_id = max(reserved_id, ?1) WHERE id = 1";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 9] = [
    ADVANCE,
    PUT_ACCOUNT,
    PUT_TOKEN,
    END_TOKEN,
    PUT_SINGLE,
    PUT_GROUP,
    PUT_JOURNAL,
    PUT_ASSIGNMENT,
    RESERVE_ID,
];

/// What a commit adds to the tail. It is kept from one commit to the next for its memory.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// New messages in the order of their ids.
    pub(super) messages: Vec<Appended>,
    /// Members' rows.
    pub(super) rows: Vec<u8>,
    /// Where they stand.
    pub(super) rows_at: Vec<RowAt>,
    /// Chunks of the log are made in it; the tail has no use for it.
    chunk: Vec<u8>,
}

/// The rows of a batch of effects, each once as it stands in the end, sorted by their keys.
#[derive(Default)]
pub(super) struct Batch<'a> {
    accounts: Vec<&'a Account>,
    tokens: Vec<(TokenHash, Option<&'a Token>)>,
    conversations: Vec<&'a Conversation>,
    members: Vec<&'a Member>,
    messages: Vec<&'a Message>,
    assignments: Vec<&'a Assignment>,
    reserved_id: Option<MessageId>,
}

impl<'a> Batch<'a> {
    /// The rows of `effects`.
    pub(super) fn new(effects: &'a [Effect]) -> Batch<'a> {
        let mut batch = Batch::default();
        for effect in effects {
            match effect {
                Effect::Account(account) => batch.accounts.push(account),
                Effect::Token(token) => batch.tokens.push((token.hash, Some(token))),
                Effect::TokenEnded(token) => batch.tokens.push((token.hash, None)),
                Effect::Conversation(conversation) => batch.conversations.push(conversation),
                Effect::Member(member) => batch.members.push(member),
                Effect::Append(message) | Effect::Recall(message) => batch.messages.push(message),
                Effect::Assign(assignment) => batch.assignments.push(assignment),
                Effect::ReserveId(id) => batch.reserved_id = batch.reserved_id.max(Some(*id)),
            }
        }
        keep_last(&mut batch.accounts, |account| account.id);
        keep_last(&mut batch.tokens, |(hash, _)| *hash);
        keep_last(&mut batch.conversations, |conversation| conversation.id);
        keep_last(&mut batch.members, |member| {
            (member.account, member.conversation)
        });
        keep_last(&mut batch.messages, |message| message.id);
        keep_last(&mut batch.assignments, |given| (given.visitor, given.agent));
        batch
    }

    /// Whether it changes messages in a log whose newest is `newest`.
    pub(super) fn has_changes(&self, newest: MessageId) -> bool {
        self.messages
            .first()
            .is_some_and(|first| first.id <= newest)
    }

    /// Stores the rows as commit `number` in a log whose newest message is `newest`. What the tail is to get replaces what is in
    /// `additions`.
    ///
    /// # Errors
    /// When a row cannot be written, or a message is changed that is not there.
    pub(super) fn write(
        &self,
        transaction: &Transaction<'_>,
        number: CommitNumber,
        newest: MessageId,
        secret: &Secret,
        additions: &mut Additions,
    ) -> Result<()> {
        for account in &self.accounts {
            put_account(transaction, account)?;
        }
        for (hash, token) in &self.tokens {
            put_token(transaction, *hash, *token)?;
        }
        for conversation in &self.conversations {
            put_conversation(transaction, conversation)?;
        }
        for assignment in &self.assignments {
            put_assignment(transaction, assignment)?;
        }
        if let Some(id) = self.reserved_id {
            let mut reserve = transaction.prepare_cached(RESERVE_ID)?;
            reserve.execute([int(id.0)])?;
        }
        let after = self
            .messages
            .partition_point(|message| message.id <= newest);
        let (changed, new) = self.messages.split_at(after);
        for message in changed {
            log::change(transaction, message)?;
        }
        self.append(new, secret, additions);
        let (rows, rows_at) = (&additions.rows, &additions.rows_at);
        let with_messages = log::takes_rows(new.len(), rows.len());
        let (logged, logged_at): (&[u8], &[RowAt]) = match with_messages {
            true => (rows, rows_at),
            false => (&[], &[]),
        };
        let chunk = &mut additions.chunk;
        log::append(transaction, number.0, new, logged, logged_at, chunk)?;
        if !with_messages && !rows.is_empty() {
            let mut put = transaction.prepare_cached(PUT_JOURNAL)?;
            put.execute(params![int(number.0), rows])?;
        } else if new.is_empty() {
            let mut advance = transaction.prepare_cached(ADVANCE)?;
            advance.execute([int(number.0)])?;
        }
        Ok(())
    }

    fn append(&self, new: &[&Message], secret: &Secret, additions: &mut Additions) {
        additions.messages.clear();
        let logged = new.iter().map(|message| Logged::of(message));
        additions
            .messages
            .extend(logged.map(|message| message.appended(secret)));
        additions.rows.clear();
        additions.rows_at.clear();
        for member in &self.members {
            journal::put_key(&mut additions.rows, member);
            let start = additions.rows.len();
            journal::put_row(&mut additions.rows, member);
            additions.rows_at.push(RowAt {
                account: member.account,
                conversation: member.conversation,
                row: start..additions.rows.len(),
            });
        }
    }
}

/// Sorts `rows` and keeps the last of those with the same key.
fn keep_last<T, K: Ord>(rows: &mut Vec<T>, key: impl Fn(&T) -> K) {
    rows.reverse();
    rows.sort_by_key(&key);
    rows.dedup_by_key(|row| key(row));
}

fn put_account(transaction: &Transaction<'_>, account: &Account) -> Result<()> {
    let profile = &account.profile;
    let role = profile.role.map(|role| match role {
        ServiceRole::Visitor => 0,
        ServiceRole::Agent => 1,
        ServiceRole::Consultant => 2,
    });
    let (nick, avatar, terminal) = (&*profile.nick, &*profile.avatar, &*profile.terminal);
    let mut put = transaction.prepare_cached(PUT_ACCOUNT)?;
    put.execute(params![
        int(account.id.0),
        &*account.name,
        account.created_at.0,
        nick,
        avatar,
        terminal,
        role
    ])?;
    Ok(())
}

fn put_token(transaction: &Transaction<'_>, hash: TokenHash, token: Option<&Token>) -> Result<()> {
    match token {
        Some(token) => transaction.prepare_cached(PUT_TOKEN)?.execute(params![
            hash.0,
            int(token.account.0),
            token.used_at.0
        ])?,
        None => transaction.prepare_cached(END_TOKEN)?.execute([hash.0])?,
    };
    Ok(())
}

fn put_conversation(transaction: &Transaction<'_>, conversation: &Conversation) -> Result<()> {
    let (id, created_at) = (int(conversation.id.0), conversation.created_at.0);
    match &conversation.kind {
        ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
            transaction.prepare_cached(PUT_SINGLE)?.execute(params![
                id,
                created_at,
                int(pair.low().0),
                int(pair.high().0),
                conversation.is_events()
            ])?
        }
        ConversationKind::Group(group) => {
            transaction.prepare_cached(PUT_GROUP)?.execute(params![
                id,
                created_at,
                int(group.owner.0),
                &*group.name,
                &*group.image,
                &*group.description,
                group.jim_name.as_deref(),
                group.member_count,
                group.next_slot.0,
            ])?
        }
    };
    Ok(())
}

fn put_assignment(transaction: &Transaction<'_>, assignment: &Assignment) -> Result<()> {
    let (visitor, agent) = (int(assignment.visitor.0), int(assignment.agent.0));
    transaction
        .prepare_cached(PUT_ASSIGNMENT)?
        .execute([visitor, agent, assignment.at.0])?;
    Ok(())
}
