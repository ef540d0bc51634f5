//! What an account has not read anywhere.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::conversation::ConversationKind;
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::query::{MessagePage, mark};
use crate::limits::{ANSWER_BYTES_MAX, QUERY_CHUNK_ROWS};
use crate::store::query::{account_of, conversation_of, count_by_bodies, fill};
use crate::store::{Result, Snapshot};

/// A page for each conversation in which `account` has unread messages: the oldest of all, at most `rows_max` and
/// [`ANSWER_BYTES_MAX`] together.
pub(super) fn everywhere(
    snapshot: &dyn Snapshot,
    account: AccountId,
    rows_max: usize,
) -> Result<Vec<MessagePage>> {
    let mut pages = Vec::new();
    let mut oldest: Vec<Arc<Message>> = Vec::new();
    let mut cut = false;
    for member in snapshot.memberships(account)? {
        if !member.is_active() {
            continue;
        }
        let conversation = conversation_of(snapshot, &member)?;
        let head = conversation.head.position;
        if conversation.is_events() || member.unread(head) == 0 {
            continue;
        }
        let range = member.read.next().0..=member.visible_until(head).0;
        oldest.extend(oldest_from_others(
            snapshot,
            conversation.id,
            account,
            range,
            rows_max + 1,
        )?);
        oldest.sort_unstable_by_key(|message| message.id);
        let fitting = count_by_bodies(&oldest).min(rows_max);
        cut |= fitting < oldest.len();
        oldest.truncate(fitting);
        pages.push(MessagePage {
            conversation: Some(conversation),
            member: Some(member),
            ..MessagePage::default()
        });
    }
    for page in &mut pages {
        put_messages(snapshot, page, &oldest, cut)?;
    }
    pages.retain(|page| !page.messages.is_empty());
    Ok(pages)
}

/// What is unread in the conversation of `page`, which holds no message yet: the oldest, at most `rows_max` and [`ANSWER_BYTES_MAX`].
pub(super) fn one(
    snapshot: &dyn Snapshot,
    mut page: MessagePage,
    rows_max: usize,
) -> Result<MessagePage> {
    let (Some(conversation), Some(member)) = (&page.conversation, &page.member) else {
        return Ok(page);
    };
    let head = conversation.head.position;
    let visible = member.visible_until(head);
    if member.unread(head) == 0 {
        return Ok(page);
    }
    let range = member.read.next().0..=visible.0;
    let mut messages =
        oldest_from_others(snapshot, conversation.id, member.account, range, rows_max)?;
    messages.truncate(count_by_bodies(&messages));
    let is_whole = messages.len() as u64 == member.unread(head);
    page.mark = mark(member, &messages, is_whole.then_some(visible));
    fill(snapshot, &mut page, messages)?;
    Ok(page)
}

/// Gives a page its share of the `oldest` messages of all.
fn put_messages(
    snapshot: &dyn Snapshot,
    page: &mut MessagePage,
    oldest: &[Arc<Message>],
    cut: bool,
) -> Result<()> {
    let (Some(conversation), Some(member)) = (&page.conversation, &page.member) else {
        return Ok(());
    };
    let messages: Vec<_> = oldest
        .iter()
        .filter(|message| message.conversation == conversation.id)
        .cloned()
        .collect();
    let is_whole = !cut || messages.len() as u64 == member.unread(conversation.head.position);
    let visible = member.visible_until(conversation.head.position);
    page.mark = mark(member, &messages, is_whole.then_some(visible));
    page.accounts = parties(snapshot, &conversation.kind, member)?;
    fill(snapshot, page, messages)
}

fn parties(
    snapshot: &dyn Snapshot,
    kind: &ConversationKind,
    member: &Member,
) -> Result<Vec<Arc<Account>>> {
    match kind {
        ConversationKind::Single(pair) | ConversationKind::Events(pair) => Ok(vec![
            account_of(snapshot, member.account)?,
            account_of(snapshot, pair.other(member.account))?,
        ]),
        ConversationKind::Group(_) => Ok(Vec::new()),
    }
}

/// Messages from others at `positions`, the oldest first, at most `rows_max`, in pieces that end soon after their bodies are more than an
/// answer can hold.
pub(super) fn oldest_from_others(
    snapshot: &dyn Snapshot,
    conversation: ConversationId,
    account: AccountId,
    positions: RangeInclusive<u64>,
    rows_max: usize,
) -> Result<Vec<Arc<Message>>> {
    let (mut from, to) = positions.into_inner();
    let mut messages: Vec<Arc<Message>> = Vec::new();
    let mut bytes = 0;
    while bytes <= ANSWER_BYTES_MAX && messages.len() < rows_max && from <= to {
        let rows = QUERY_CHUNK_ROWS.min(rows_max - messages.len());
        let chunk = snapshot.messages_from_others(conversation, account, from..=to, rows)?;
        let Some(last) = chunk.last() else { break };
        from = last.position.next().0;
        let is_last = chunk.len() < rows;
        bytes += chunk
            .iter()
            .map(|message| message.body.len())
            .sum::<usize>();
        messages.extend(chunk);
        if is_last {
            break;
        }
    }
    Ok(messages)
}
