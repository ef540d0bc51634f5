//! Parts of a conversation by time and by count.

use std::sync::Arc;

use crate::domain::ids::{ConversationId, TimeMs};
use crate::domain::message::Message;
use crate::domain::query::MessagePage;
use crate::limits::{ANSWER_BYTES_MAX, QUERY_CHUNK_ROWS};
use crate::store::query::{count_by_bodies, fill};
use crate::store::{Order, Result, Snapshot};

/// What the member may see between two times, from an offset on or up to the newest. Positions have no gaps and times rise with them, so
/// both are found without reading what lies between.
pub(super) fn range(
    snapshot: &dyn Snapshot,
    mut page: MessagePage,
    times: Option<(TimeMs, TimeMs)>,
    slice: Option<(u64, usize)>,
    rows_max: usize,
) -> Result<MessagePage> {
    let (Some(conversation), Some(member)) = (&page.conversation, &page.member) else {
        return Ok(page);
    };
    let id = conversation.id;
    let mut oldest = member.joined_after.next().0;
    let mut newest = member.visible_until(conversation.head.position).0;
    if let Some((begin, end)) = times {
        let after_end = first(snapshot, id, oldest, newest, |at| at > end)?;
        oldest = first(snapshot, id, oldest, newest, |at| at >= begin)?;
        newest = after_end - 1;
    }
    let order = match slice {
        Some((offset, count)) => {
            oldest = oldest.saturating_add(offset);
            let count = count.min(rows_max) as u64;
            newest = newest.min(oldest.saturating_add(count).saturating_sub(1));
            Order::OldestFirst
        }
        None => {
            oldest = oldest.max((newest + 1).saturating_sub(rows_max as u64));
            Order::NewestFirst
        }
    };
    let mut messages = chunks(snapshot, id, oldest, newest, order)?;
    messages.truncate(count_by_bodies(&messages));
    if order == Order::NewestFirst {
        messages.reverse();
    }
    fill(snapshot, &mut page, messages)?;
    Ok(page)
}

/// The first position from `low` to `high` whose time is as wanted, or the one after `high`. Whoever is wanted has only such after it.
fn first(
    snapshot: &dyn Snapshot,
    conversation: ConversationId,
    mut low: u64,
    high: u64,
    is_wanted: impl Fn(TimeMs) -> bool,
) -> Result<u64> {
    let mut end = high + 1;
    while low < end {
        let middle = low + (end - low) / 2;
        let found = snapshot.messages(conversation, middle..=middle, Order::OldestFirst, 1)?;
        if found.first().is_some_and(|message| !is_wanted(message.at)) {
            low = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(low)
}

/// The messages from `oldest` to `newest`, until their bodies are more than an answer can hold.
fn chunks(
    snapshot: &dyn Snapshot,
    conversation: ConversationId,
    mut oldest: u64,
    mut newest: u64,
    order: Order,
) -> Result<Vec<Arc<Message>>> {
    let mut messages: Vec<Arc<Message>> = Vec::new();
    let mut bytes = 0;
    while oldest <= newest && bytes <= ANSWER_BYTES_MAX {
        let chunk = snapshot.messages(conversation, oldest..=newest, order, QUERY_CHUNK_ROWS)?;
        let Some(last) = chunk.last() else { break };
        match order {
            Order::OldestFirst => oldest = last.position.0 + 1,
            Order::NewestFirst => newest = last.position.0.saturating_sub(1),
        }
        bytes += chunk
            .iter()
            .map(|message| message.body.len())
            .sum::<usize>();
        messages.extend(chunk);
    }
    Ok(messages)
}
