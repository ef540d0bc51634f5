//! Answers to what a back end asks.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::{account_of, conversation_of, fill, smaller_page};
use crate::domain::account::Account;
use crate::domain::backend::{BackendAnswer, BackendQuery, OverviewRow, Talk};
use crate::domain::command::Refusal;
use crate::domain::conversation::{Conversation, ConversationKind, Pair};
use crate::domain::ids::{AccountId, ConversationId, Position};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::escaped_bytes_max;
use crate::domain::query::MessagePage;
use crate::limits::{ANSWER_BYTES_MAX, LIST_ROWS_MAX, PAGE_ROWS_MAX};
use crate::store::{Order, Result, Snapshot};

/// An answer, or why there is none.
type Answered<T> = Result<std::result::Result<T, Refusal>>;

/// The answer to `query` as `snapshot` shows it. Rows that would make it larger than [`ANSWER_BYTES_MAX`] are left out, the oldest first; a page
/// of messages says so.
pub(super) fn answer(snapshot: &dyn Snapshot, query: &BackendQuery) -> Answered<BackendAnswer> {
    Ok(match query {
        BackendQuery::Overview {
            account,
            rows_max,
            members_max,
        } => Ok(BackendAnswer::Overview(overview(
            snapshot,
            account,
            *rows_max,
            *members_max,
        )?)),
        BackendQuery::Transcript {
            reader,
            talk,
            page,
            size,
        } => transcript(snapshot, reader.as_deref(), talk, *page, *size)?
            .map(|page| BackendAnswer::Transcript(Box::new(page))),
        BackendQuery::Members { group, rows_max } => {
            members(snapshot, *group, *rows_max)?.map(BackendAnswer::Members)
        }
    })
}

fn overview(
    snapshot: &dyn Snapshot,
    name: &str,
    rows_max: usize,
    members_max: usize,
) -> Result<Vec<OverviewRow>> {
    let Some(account) = snapshot.account_named(name)? else {
        return Ok(Vec::new());
    };
    let mut parts = Vec::new();
    for member in snapshot.memberships(account.id)? {
        if member.is_active() {
            let conversation = conversation_of(snapshot, &member)?;
            // Two accounts may be joined before either has said anything.
            let is_begun = conversation.group().is_some() || conversation.head.position.0 > 0;
            if is_begun && !conversation.is_events() {
                parts.push((conversation, member));
            }
        }
    }
    parts.sort_unstable_by_key(|(conversation, _)| Reverse(conversation.activity()));
    parts.truncate(rows_max.min(LIST_ROWS_MAX));
    let mut accounts = Accounts(HashMap::from([(account.id, account)]));
    let mut rows = Vec::with_capacity(parts.len());
    let mut bytes = 0;
    for (conversation, member) in parts {
        let row = overview_row(snapshot, conversation, &member, members_max, &mut accounts)?;
        bytes += row_bytes(&row);
        if bytes > ANSWER_BYTES_MAX && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

fn overview_row(
    snapshot: &dyn Snapshot,
    conversation: Conversation,
    member: &Member,
    members_max: usize,
    accounts: &mut Accounts,
) -> Result<OverviewRow> {
    let ids: Vec<AccountId> = match &conversation.kind {
        ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
            vec![member.account, pair.other(member.account)]
        }
        ConversationKind::Group(_) => joined(snapshot, conversation.id, members_max)?
            .iter()
            .map(|member| member.account)
            .collect(),
    };
    let members = ids
        .into_iter()
        .map(|id| accounts.get(snapshot, id))
        .collect::<Result<_>>()?;
    let head = conversation.head.position;
    let newest = match head > member.joined_after {
        true => snapshot.messages(conversation.id, head.0..=head.0, Order::NewestFirst, 1)?,
        false => Vec::new(),
    };
    let last = match newest.into_iter().next() {
        Some(message) => {
            let sender = accounts.get(snapshot, message.sender)?;
            Some((message, sender))
        }
        None => None,
    };
    Ok(OverviewRow {
        unread: member.unread(head),
        conversation,
        members,
        last,
    })
}

/// Roughly what a row takes in an answer.
fn row_bytes(row: &OverviewRow) -> usize {
    const REST_BYTES: usize = 256;
    const NAME_REST_BYTES: usize = 8;
    let names = row.members.iter();
    let names: usize = names
        .map(|account| account.name.len() + NAME_REST_BYTES)
        .sum();
    let last = row.last.as_ref();
    REST_BYTES
        + names
        + last.map_or(0, |(message, sender)| {
            message.answer_bytes_max() + sender.profile.nick.len()
        })
}

/// Accounts that were looked up already: groups share members.
#[derive(Default)]
struct Accounts(HashMap<AccountId, Arc<Account>>);

impl Accounts {
    fn get(&mut self, snapshot: &dyn Snapshot, id: AccountId) -> Result<Arc<Account>> {
        if let Some(account) = self.0.get(&id) {
            return Ok(Arc::clone(account));
        }
        let account = account_of(snapshot, id)?;
        self.0.insert(id, Arc::clone(&account));
        Ok(account)
    }
}

/// The members of a group as they are, in the order in which they joined. Who comes back joins anew.
fn joined(snapshot: &dyn Snapshot, group: ConversationId, rows_max: usize) -> Result<Vec<Member>> {
    let mut members = snapshot.members(group)?;
    members.retain(Member::is_active);
    members.sort_by_key(|member| (member.joined_after, member.joined_at, member.slot));
    members.truncate(rows_max);
    Ok(members)
}

fn members(
    snapshot: &dyn Snapshot,
    group: ConversationId,
    rows_max: usize,
) -> Answered<Vec<(Arc<Account>, Member)>> {
    let found = snapshot.conversation(group)?;
    let Some(conversation) = found.filter(|found| !found.is_deleted()) else {
        return Ok(Err(Refusal::NoSuchConversation));
    };
    if conversation.group().is_none() {
        return Ok(Err(Refusal::NotAGroup));
    }
    let members = joined(snapshot, group, rows_max.min(LIST_ROWS_MAX))?;
    let rows = members.into_iter().map(|member| {
        let account = account_of(snapshot, member.account)?;
        Ok((account, member))
    });
    rows.collect::<Result<_>>().map(Ok)
}

fn transcript(
    snapshot: &dyn Snapshot,
    reader: Option<&str>,
    talk: &Talk,
    page: u64,
    size: usize,
) -> Answered<MessagePage> {
    let reader = match reader {
        Some(name) => Some(snapshot.account_named(name)?),
        None => None,
    };
    let id = match talk {
        Talk::Number(id) => *id,
        Talk::With(name) => {
            let (Some(Some(reader)), Some(other)) = (&reader, snapshot.account_named(name)?) else {
                return Ok(Err(Refusal::NoSuchAccount));
            };
            let Some(pair) = Pair::new(reader.id, other.id) else {
                return Ok(Err(Refusal::ToSelf));
            };
            match snapshot.single(pair)? {
                Some(id) => id,
                None => return Ok(Ok(MessagePage::default())),
            }
        }
    };
    let conversation = snapshot.conversation(id)?;
    let Some(conversation) = conversation.filter(|found| !found.is_events()) else {
        return Ok(Err(Refusal::NoSuchConversation));
    };
    let member = match reader {
        None => None,
        Some(reader) => {
            let member = reader.map(|reader| snapshot.member(id, reader.id));
            match member.transpose()?.flatten().filter(Member::is_active) {
                None => return Ok(Err(Refusal::NotAMember)),
                member => member,
            }
        }
    };
    let rows = size.clamp(1, PAGE_ROWS_MAX) as u64;
    let skipped = page.saturating_sub(1).saturating_mul(rows);
    let newest = conversation.head.position.0.saturating_sub(skipped);
    let unseen = member.as_ref().map_or(0, |member| member.joined_after.0);
    let oldest = newest.saturating_sub(rows).max(unseen) + 1;
    let mut messages = snapshot.messages(id, oldest..=newest, Order::NewestFirst, size)?;
    let mut accounts = Accounts::default();
    let mut bytes = 0;
    let mut fits = 0;
    for message in &messages {
        let sender = accounts.get(snapshot, message.sender)?;
        let (nick, avatar) = (&sender.profile.nick, &sender.profile.avatar);
        bytes += message.answer_bytes_max() + escaped_bytes_max(nick) + escaped_bytes_max(avatar);
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
        fits += 1;
    }
    let instead = smaller_page(&mut messages, fits.max(1), page, rows as usize);
    messages.reverse();
    let mut found = MessagePage {
        instead,
        mark: match (&member, messages.last()) {
            (Some(member), Some(last)) => mark(snapshot, &conversation, member, last.position.0)?,
            _ => None,
        },
        conversation: Some(conversation),
        member,
        ..MessagePage::default()
    };
    fill(snapshot, &mut found, messages)?;
    Ok(Ok(found))
}

/// Where reading up to `position` leads; `None` where `member` has read that far. Its own messages are counted in the shorter of the
/// ranges before and behind: pages are read from the newest on.
fn mark(
    snapshot: &dyn Snapshot,
    conversation: &Conversation,
    member: &Member,
    position: u64,
) -> Result<Option<ReadMark>> {
    let (read, head) = (member.read.0, conversation.head.position.0);
    if position <= read {
        return Ok(None);
    }
    let count = |positions| snapshot.count_sent(conversation.id, member.account, positions);
    let own = if head - position < position - read {
        member.sent.saturating_sub(count(position + 1..=head)?)
    } else {
        member.sent_read + count(read + 1..=position)?
    };
    Ok(Some(ReadMark {
        position: Position(position),
        own,
    }))
}
