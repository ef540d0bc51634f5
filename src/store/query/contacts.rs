//! Those with whom an account shares a single conversation.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::domain::conversation::ConversationKind;
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::Message;
use crate::domain::query::{Contact, ContactCounts, ContactFilter};
use crate::domain::view::{Other, ViewRow};
use crate::limits::ANSWER_BYTES_MAX;
use crate::store::query::{account_of, conversation_of};
use crate::store::{Order, Result, Snapshot};

/// At most `rows_max` contacts that pass `only`, with the newest `messages_each` messages of each; as many as fit into an answer.
pub(super) fn contacts(
    snapshot: &dyn Snapshot,
    account: AccountId,
    only: &ContactFilter,
    rows_max: usize,
    messages_each: usize,
) -> Result<Vec<Contact>> {
    let mut rows = rows(snapshot, account)?;
    let text = only.text.as_ref().map(|text| text.to_lowercase());
    rows.retain(|row| {
        (!only.unread || row.unread() > 0)
            && only.since.is_none_or(|since| is_recent(row, since))
            && text.as_ref().is_none_or(|text| is_called(row, text))
    });
    rows.sort_unstable_by_key(|row| Reverse(row.conversation.activity()));
    rows.truncate(rows_max);
    let mut contacts = Vec::with_capacity(rows.len());
    let mut bytes = 0;
    for row in rows {
        let messages = newest(snapshot, &row, messages_each)?;
        bytes += messages
            .iter()
            .map(|message| message.body.len())
            .sum::<usize>();
        if bytes > ANSWER_BYTES_MAX && !contacts.is_empty() {
            break;
        }
        contacts.push(Contact { row, messages });
    }
    Ok(contacts)
}

/// How many contacts `owner` has, or the agent to whom `peer` was assigned last, and how much is unread from `peer`.
pub(super) fn counts(
    snapshot: &dyn Snapshot,
    owner: Option<&str>,
    peer: &str,
    since: TimeMs,
) -> Result<Option<ContactCounts>> {
    let peer = snapshot.account_named(peer)?;
    let owner = match (owner, &peer) {
        (Some(owner), _) => snapshot.account_named(owner)?,
        (None, Some(visitor)) => {
            let last = snapshot
                .assignments(visitor.id)?
                .into_iter()
                .max_by_key(|assignment| (assignment.at, assignment.agent));
            last.map(|last| account_of(snapshot, last.agent))
                .transpose()?
        }
        (None, None) => None,
    };
    let Some(owner) = owner else { return Ok(None) };
    let mut counts = ContactCounts {
        unread: 0,
        pending: 0,
        recent: 0,
        all: 0,
        mark: None,
        owner,
    };
    for row in rows(snapshot, counts.owner.id)? {
        let unread = row.unread();
        counts.all += 1;
        counts.pending += u64::from(unread > 0);
        counts.recent += u64::from(is_recent(&row, since));
        let is_peer = matches!((&row.other, &peer), (Other::Account(other), Some(peer)) if other.id == peer.id);
        if is_peer {
            counts.unread = unread;
            let everything = ReadMark {
                position: row.conversation.head.position,
                own: row.member.sent,
            };
            counts.mark = (unread > 0).then_some((row.conversation.id, everything));
        }
    }
    Ok(Some(counts))
}

fn rows(snapshot: &dyn Snapshot, account: AccountId) -> Result<Vec<ViewRow>> {
    let mut rows = Vec::new();
    for member in snapshot
        .memberships(account)?
        .into_iter()
        .filter(Member::is_active)
    {
        let conversation = conversation_of(snapshot, &member)?;
        if let ConversationKind::Single(pair) = conversation.kind {
            let other = Other::Account(account_of(snapshot, pair.other(account))?);
            rows.push(ViewRow {
                conversation,
                member,
                other,
            });
        }
    }
    Ok(rows)
}

fn is_recent(row: &ViewRow, since: TimeMs) -> bool {
    let head = row.conversation.head;
    head.position.0 > 0 && head.at >= since
}

fn is_called(row: &ViewRow, text: &str) -> bool {
    let Other::Account(account) = &row.other else {
        return false;
    };
    [&account.profile.nick, &account.name]
        .iter()
        .any(|name| name.to_lowercase().contains(text))
}

fn newest(snapshot: &dyn Snapshot, row: &ViewRow, rows_max: usize) -> Result<Vec<Arc<Message>>> {
    if rows_max == 0 {
        return Ok(Vec::new());
    }
    let visible = row.member.joined_after.next().0..=row.conversation.head.position.0;
    let mut messages =
        snapshot.messages(row.conversation.id, visible, Order::NewestFirst, rows_max)?;
    messages.reverse();
    Ok(messages)
}
