//! Answers to queries, out of the rows of any store's snapshot.

mod backend;
mod chat;
mod contacts;
mod range;
mod unread;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::command::{Peer, Who};
use crate::domain::conversation::{Conversation, ConversationKind, Pair};
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::query::{
    Answer, Answered, ContactList, ConversationList, MessagePage, Query, Resolved, Session, mark,
};
use crate::domain::token::TokenHash;
use crate::domain::view::{Other, View, ViewRow, group_names};
use crate::limits::{
    ANSWER_BYTES_MAX, ANSWER_ROW_BYTES_MAX, LIST_ROWS_MAX, MESSAGE_BODY_BYTES_MAX, PAGE_ROWS_MAX,
};
use crate::store::{Order, Reader, Result, Snapshot, StoreError, read};

const _: () = assert!(
    6 * MESSAGE_BODY_BYTES_MAX + ANSWER_ROW_BYTES_MAX <= ANSWER_BYTES_MAX,
    "every message fits into an answer"
);

/// The answer to `query` in a snapshot of `reader`'s; see [`answer`].
///
/// # Errors
/// When the store cannot be read.
pub fn ask(reader: &mut dyn Reader, query: &Query) -> Result<Answered> {
    read(reader, |snapshot| answer(snapshot, query))
}

/// The answer to `query` as `snapshot` shows it.
///
/// The messages of a page take at most [`ANSWER_BYTES_MAX`]: instead of a history page that would take more a smaller one is given that
/// begins with the same message, of unread messages the oldest, and the mark stands where they end.
///
/// # Errors
/// When the store cannot be read.
pub fn answer(snapshot: &dyn Snapshot, query: &Query) -> Result<Answered> {
    let answer = match query {
        Query::View(account) => Answer::View(Box::new(view(snapshot, *account)?)),
        Query::Conversations {
            account,
            rows_max,
            unread_only,
        } => Answer::Conversations(Box::new(conversations(
            snapshot,
            *account,
            *rows_max,
            *unread_only,
        )?)),
        Query::Backend(query) => Answer::Backend(backend::answer(snapshot, query)?),
        Query::Chat(query) => Answer::Chat(Box::new(chat::answer(snapshot, query)?)),
        Query::Groups(account) => Answer::Groups(groups(snapshot, *account)?),
        Query::Session(hash) => Answer::Session(session(snapshot, *hash)?),
        Query::Resolve { account, peer } => Answer::Resolved(resolve(snapshot, *account, peer)?),
        Query::History {
            account,
            peer,
            page,
            size,
        } => {
            let size = (*size).clamp(1, PAGE_ROWS_MAX);
            let found = open_page(snapshot, *account, peer)?;
            Answer::History(
                found
                    .map(|found| history(snapshot, found, *page, size))
                    .transpose()?
                    .map(Box::new),
            )
        }
        Query::Unread {
            account,
            peer,
            rows_max,
        } => {
            let rows_max = (*rows_max).clamp(1, LIST_ROWS_MAX);
            let found = open_page(snapshot, *account, peer)?;
            Answer::Unread(
                found
                    .map(|found| unread(snapshot, found, rows_max))
                    .transpose()?
                    .map(Box::new),
            )
        }
        Query::UnreadPages {
            account,
            peer,
            rows_max,
        } => {
            let rows_max = (*rows_max).clamp(1, LIST_ROWS_MAX);
            Answer::UnreadPages(match peer {
                None => Some(unread::everywhere(snapshot, *account, rows_max)?),
                Some(peer) => open_page(snapshot, *account, peer)?
                    .map(|found| unread::one(snapshot, found, rows_max))
                    .transpose()?
                    .map(|page| vec![page]),
            })
        }
        Query::Range {
            account,
            peer,
            times,
            slice,
            rows_max,
        } => {
            let rows_max = (*rows_max).clamp(1, LIST_ROWS_MAX);
            let found = open_page(snapshot, *account, peer)?;
            Answer::Range(
                found
                    .map(|found| range::range(snapshot, found, *times, *slice, rows_max))
                    .transpose()?
                    .map(Box::new),
            )
        }
        Query::Contacts {
            account,
            only,
            rows_max,
            messages_each,
        } => {
            let rows_max = (*rows_max).clamp(1, LIST_ROWS_MAX);
            let each = (*messages_each).min(PAGE_ROWS_MAX);
            Answer::Contacts(Box::new(ContactList {
                account: account_of(snapshot, *account)?,
                rows: contacts::contacts(snapshot, *account, only, rows_max, each)?,
            }))
        }
        Query::ContactCounts { owner, peer, since } => Answer::ContactCounts(
            contacts::counts(snapshot, owner.as_deref(), peer, *since)?.map(Box::new),
        ),
    };
    Ok(Answered {
        commit: snapshot.commit()?,
        answer,
    })
}

/// The group that is shown to `account` under `name`, among those that it is a member of.
pub(super) fn shown_group(
    snapshot: &dyn Snapshot,
    account: AccountId,
    name: &str,
) -> Result<Option<ConversationId>> {
    let mut groups = Vec::new();
    for member in snapshot
        .memberships(account)?
        .into_iter()
        .filter(Member::is_active)
    {
        let conversation = conversation_of(snapshot, &member)?;
        if let Some(group) = conversation.group() {
            let other = Other::Group {
                name_taken: snapshot.account_named(&group.name)?.is_some(),
            };
            groups.push(ViewRow {
                conversation,
                member,
                other,
            });
        }
    }
    Ok(group_names(&groups)
        .into_iter()
        .find(|(_, shown)| **shown == *name)
        .map(|(id, _)| id))
}

fn view(snapshot: &dyn Snapshot, account: AccountId) -> Result<View> {
    let memberships = snapshot.memberships(account)?;
    let mut error = None;
    // Row by row, since a view that grows too large keeps none of them.
    let rows = memberships.into_iter().filter(Member::is_active);
    let rows = rows.map_while(|member| {
        view_row(snapshot, member)
            .map_err(|failed| error = Some(failed))
            .ok()
    });
    let rows = rows.flatten();
    let view = View::load(account, snapshot.commit()?, rows);
    error.map_or(Ok(view), Err)
}

fn groups(snapshot: &dyn Snapshot, account: AccountId) -> Result<Vec<ConversationId>> {
    let memberships = snapshot.memberships(account)?;
    let mut groups = Vec::new();
    for member in memberships.iter().filter(|member| member.is_active()) {
        if conversation_of(snapshot, member)?.group().is_some() {
            groups.push(member.conversation);
        }
    }
    Ok(groups)
}

fn conversations(
    snapshot: &dyn Snapshot,
    account: AccountId,
    rows_max: usize,
    unread_only: bool,
) -> Result<ConversationList> {
    let memberships = snapshot.memberships(account)?;
    let active = memberships.into_iter().filter(Member::is_active);
    let mut rows = active
        .filter_map(|member| view_row(snapshot, member).transpose())
        .collect::<Result<Vec<_>>>()?;
    let mut group_names = group_names(&rows);
    rows.retain(|row| !unread_only || row.unread() > 0);
    rows.sort_unstable_by_key(|row| Reverse(row.conversation.activity()));
    rows.truncate(rows_max.min(LIST_ROWS_MAX));
    group_names.retain(|id, _| rows.iter().any(|row| row.conversation.id == *id));
    Ok(ConversationList { rows, group_names })
}

/// `None` for a conversation that is shown to nobody.
fn view_row(snapshot: &dyn Snapshot, member: Member) -> Result<Option<ViewRow>> {
    let conversation = conversation_of(snapshot, &member)?;
    let other = match &conversation.kind {
        ConversationKind::Single(pair) => {
            Other::Account(account_of(snapshot, pair.other(member.account))?)
        }
        ConversationKind::Group(group) => Other::Group {
            name_taken: snapshot.account_named(&group.name)?.is_some(),
        },
        ConversationKind::Events(_) => return Ok(None),
    };
    Ok(Some(ViewRow {
        conversation,
        member,
        other,
    }))
}

fn session(snapshot: &dyn Snapshot, hash: TokenHash) -> Result<Option<Session>> {
    let Some(token) = snapshot.token(hash)? else {
        return Ok(None);
    };
    Ok(Some(Session {
        token,
        account: account_of(snapshot, token.account)?,
    }))
}

fn resolve(snapshot: &dyn Snapshot, asker: AccountId, peer: &Peer) -> Result<Option<Resolved>> {
    let account = match peer {
        Peer::Account(Who::Id(id)) => snapshot.account(*id)?,
        Peer::Account(Who::Name(name)) => snapshot.account_named(name)?,
        Peer::Shown(name) => match snapshot.account_named(name)? {
            None => return Ok(shown_group(snapshot, asker, name)?.map(Resolved::Group)),
            account => account,
        },
        Peer::Conversation(id) => return resolve_conversation(snapshot, asker, *id),
        Peer::Group(id) => {
            let found = snapshot.conversation(*id)?;
            let group = found.filter(|found| found.group().is_some());
            return Ok(group.map(|group| Resolved::Group(group.id)));
        }
        Peer::JimGroup(name) => return Ok(snapshot.jim_group(name)?.map(Resolved::Group)),
    };
    let Some(account) = account else {
        return Ok(None);
    };
    let conversation = Pair::new(asker, account.id)
        .map(|pair| snapshot.single(pair))
        .transpose()?
        .flatten();
    Ok(Some(Resolved::Account(account, conversation)))
}

/// A group exists for everybody, a single conversation for its two parties.
fn resolve_conversation(
    snapshot: &dyn Snapshot,
    asker: AccountId,
    id: ConversationId,
) -> Result<Option<Resolved>> {
    let Some(conversation) = snapshot.conversation(id)? else {
        return Ok(None);
    };
    Ok(match conversation.kind {
        ConversationKind::Group(_) => Some(Resolved::Group(id)),
        ConversationKind::Single(pair) if pair.has(asker) => Some(Resolved::Account(
            account_of(snapshot, pair.other(asker))?,
            Some(id),
        )),
        ConversationKind::Single(_) | ConversationKind::Events(_) => None,
    })
}

/// The page of a conversation before any message is in it; `None` where `peer` means nothing to `asker`.
fn open_page(
    snapshot: &dyn Snapshot,
    asker: AccountId,
    peer: &Peer,
) -> Result<Option<MessagePage>> {
    let mut page = MessagePage::default();
    let id = match resolve(snapshot, asker, peer)? {
        None => return Ok(None),
        Some(Resolved::Group(id)) => Some(id),
        Some(Resolved::Account(other, id)) => {
            page.accounts.extend(
                snapshot
                    .account(asker)?
                    .filter(|asker| asker.id != other.id),
            );
            page.accounts.push(other);
            id
        }
    };
    if let Some(id) = id {
        page.conversation = snapshot.conversation(id)?;
        page.member = snapshot.member(id, asker)?;
    }
    Ok(Some(page))
}

/// Page `number` of `size` rows, of what the member may see. Positions have no gaps, so the page is a range of them.
fn history(
    snapshot: &dyn Snapshot,
    mut page: MessagePage,
    number: u64,
    size: usize,
) -> Result<MessagePage> {
    let (Some(conversation), Some(member)) = (&page.conversation, &page.member) else {
        return Ok(page);
    };
    let rows = size as u64;
    let visible = member.visible_until(conversation.head.position).0;
    let newest = visible.saturating_sub(number.saturating_sub(1).saturating_mul(rows));
    let oldest = newest.saturating_sub(rows).max(member.joined_after.0) + 1;
    let mut messages =
        snapshot.messages(conversation.id, oldest..=newest, Order::NewestFirst, size)?;
    let fits = count_that_fits(&messages);
    page.instead = smaller_page(&mut messages, fits, number, size);
    messages.reverse();
    fill(snapshot, &mut page, messages)?;
    Ok(page)
}

/// Of page `number` of `size` rows, the newest first, an answer holds `fits`. If that is not all, keeps a page of fewer rows that begins with
/// the same one, and says which that is.
fn smaller_page(
    messages: &mut Vec<Arc<Message>>,
    fits: usize,
    number: u64,
    size: usize,
) -> Option<(u64, usize)> {
    if fits >= messages.len() {
        return None;
    }
    let skipped = number.saturating_sub(1).saturating_mul(size as u64);
    let divides = |size: &usize| skipped.is_multiple_of(*size as u64);
    let size = (1..=fits).rev().find(divides).unwrap_or(1);
    messages.truncate(size);
    Some((skipped / size as u64 + 1, size))
}

fn unread(snapshot: &dyn Snapshot, mut page: MessagePage, rows_max: usize) -> Result<MessagePage> {
    let (Some(conversation), Some(member)) = (&page.conversation, &page.member) else {
        return Ok(page);
    };
    let head = conversation.head.position;
    if member.unread(head) == 0 {
        return Ok(page);
    }
    let visible = member.visible_until(head);
    // One row more than is given tells whether anything is left.
    let mut messages = snapshot.messages_from_others(
        conversation.id,
        member.account,
        member.read.next().0..=visible.0,
        rows_max + 1,
    )?;
    let found = messages.len();
    messages.truncate(count_that_fits(&messages).min(rows_max));
    page.mark = mark(
        member,
        &messages,
        if messages.len() == found {
            Some(visible)
        } else {
            None
        },
    );
    fill(snapshot, &mut page, messages)?;
    Ok(page)
}

/// How many of `messages`, from the first on, an answer can hold.
fn count_that_fits(messages: &[Arc<Message>]) -> usize {
    let mut bytes = 0;
    messages
        .iter()
        .take_while(|message| {
            (
                bytes += message.answer_bytes_max(),
                bytes <= ANSWER_BYTES_MAX,
            )
                .1
        })
        .count()
}

/// How many of `messages`, from the first on, have bodies that an answer can hold. The dialect bounds what it makes of them.
fn count_by_bodies(messages: &[Arc<Message>]) -> usize {
    let mut bytes = 0;
    messages
        .iter()
        .take_while(|message| (bytes += message.body.len(), bytes <= ANSWER_BYTES_MAX).1)
        .count()
}

fn fill(
    snapshot: &dyn Snapshot,
    page: &mut MessagePage,
    messages: Vec<Arc<Message>>,
) -> Result<()> {
    let mut known: HashSet<AccountId> = page.accounts.iter().map(|account| account.id).collect();
    for message in &messages {
        if known.insert(message.sender) {
            page.accounts.push(account_of(snapshot, message.sender)?);
        }
    }
    page.messages = messages;
    Ok(())
}

fn conversation_of(snapshot: &dyn Snapshot, member: &Member) -> Result<Conversation> {
    let found = snapshot.conversation(member.conversation)?;
    found.ok_or_else(|| {
        StoreError(format!(
            "account {} is a member of conversation {}, which has no row",
            member.account, member.conversation
        ))
    })
}

fn account_of(snapshot: &dyn Snapshot, id: AccountId) -> Result<Arc<Account>> {
    snapshot
        .account(id)?
        .ok_or_else(|| StoreError(format!("account {id} is named by another row but has none")))
}
