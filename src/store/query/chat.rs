//! Answers to apps that know which messages have reached them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{conversation_of, count_by_bodies, count_that_fits};
use crate::domain::chat::{ChatAnswer, ChatQuery, ChatRow, ListRow, NotPushed};
use crate::domain::conversation::{Conversation, ConversationKind, Pair};
use crate::domain::ids::{AccountId, ConversationId, MessageId};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::pushed::Pushed;
use crate::limits::{ANSWER_BYTES_MAX, CHAT_PAGE_DEPTH_MAX, LIST_ROWS_MAX, PAGE_ROWS_MAX};
use crate::store::query::unread::oldest_from_others;
use crate::store::{Order, Result, Snapshot, StoreError};

/// The answer to `query` as `snapshot` shows it. Rows whose bodies would take more than [`ANSWER_BYTES_MAX`] together are left out; of a page
/// all but the first of them, so that whoever writes it sees that it does not fit.
pub(super) fn answer(snapshot: &dyn Snapshot, query: &ChatQuery) -> Result<ChatAnswer> {
    Ok(match query {
        ChatQuery::Undelivered { account, rows_max } => {
            let rows_max = (*rows_max).min(LIST_ROWS_MAX);
            ChatAnswer::Rows(Some(undelivered(snapshot, *account, rows_max)?))
        }
        ChatQuery::Waiting {
            account,
            pushed,
            rows_max,
        } => waiting(snapshot, *account, pushed, (*rows_max).min(LIST_ROWS_MAX))?,
        ChatQuery::Everything {
            account,
            page,
            size,
        } => match snapshot.account(*account)? {
            None => ChatAnswer::Rows(None),
            Some(_) => ChatAnswer::Rows(Some(everything(snapshot, *account, *page, *size)?)),
        },
        ChatQuery::Between {
            account,
            other,
            page,
            size,
        } => {
            if snapshot.account(*account)?.is_none() || snapshot.account(*other)?.is_none() {
                return Ok(ChatAnswer::Rows(None));
            }
            ChatAnswer::Rows(Some(match part_with(snapshot, *account, *other)? {
                Some(part) => one_page(snapshot, &part, *page, *size)?,
                None => Vec::new(),
            }))
        }
        ChatQuery::Team {
            account,
            group,
            page,
            size,
        } => {
            let member = snapshot.member(*group, *account)?;
            let rows = match (snapshot.conversation(*group)?, member) {
                (Some(conversation), Some(member)) if conversation.group().is_some() => {
                    let part = Part::new(snapshot, conversation, member)?;
                    Some(one_page(snapshot, &part, *page, *size)?)
                }
                _ => None,
            };
            ChatAnswer::Rows(rows)
        }
        ChatQuery::List { account, rows_max } => {
            ChatAnswer::List(list(snapshot, *account, (*rows_max).min(LIST_ROWS_MAX))?)
        }
        ChatQuery::Unread(account) => {
            let parts = parts(snapshot, *account)?;
            let seen = parts.iter().filter(|part| !part.conversation.is_events());
            let unread = |part: &Part| part.member.unread(part.conversation.head.position);
            ChatAnswer::Count(seen.map(unread).sum())
        }
        ChatQuery::Part(id, slot) => {
            let conversation = snapshot.conversation(*id)?;
            let conversation = conversation.filter(|found| !found.is_events());
            let mut members = snapshot.members(*id)?.into_iter();
            let member = members.find(|member| member.slot == *slot && member.is_active());
            ChatAnswer::Part(conversation.zip(member).map(Box::new))
        }
        ChatQuery::PartWith(account, other) => {
            let part = part_with(snapshot, *account, *other)?;
            ChatAnswer::Part(part.map(|part| Box::new((part.conversation, part.member))))
        }
        ChatQuery::Members(id) => {
            let conversation = snapshot.conversation(*id)?;
            let group = conversation.filter(|found| found.group().is_some() && !found.is_deleted());
            let Some(conversation) = group else {
                return Ok(ChatAnswer::Members(None));
            };
            let members = snapshot.members(*id)?.into_iter();
            let members = members.filter(Member::is_active);
            let numbers = members.map(|member| member.account).collect();
            ChatAnswer::Members(Some(Box::new((conversation, numbers))))
        }
    })
}

/// An account's part in a conversation.
struct Part {
    conversation: Conversation,
    member: Member,
    /// The other party's part in a single conversation.
    other: Option<Member>,
}

impl Part {
    fn new(snapshot: &dyn Snapshot, conversation: Conversation, member: Member) -> Result<Part> {
        let other = match &conversation.kind {
            ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
                snapshot.member(conversation.id, pair.other(member.account))?
            }
            ConversationKind::Group(_) => None,
        };
        Ok(Part {
            conversation,
            member,
            other,
        })
    }

    /// The newest position that the account may see; nothing is seen up to `joined_after`.
    fn newest(&self) -> u64 {
        let head = self.conversation.head.position;
        self.member.visible_until(head).0
    }

    fn row(&self, message: Arc<Message>) -> ChatRow {
        let is_own = message.sender == self.member.account;
        let (recipient, judged) = match (&self.other, is_own) {
            (Some(other), true) => (Some(other.account), Some(other)),
            (Some(_), false) => (Some(self.member.account), Some(&self.member)),
            (None, true) => (None, None),
            (None, false) => (None, Some(&self.member)),
        };
        let position = message.position;
        ChatRow {
            recipient,
            receiver: judged.map_or(self.member.account, |member| member.account),
            is_acknowledged: judged.is_none_or(|member| member.has_acknowledged(position)),
            is_read: judged.is_none_or(|member| member.read >= position),
            message,
        }
    }
}

fn parts(snapshot: &dyn Snapshot, account: AccountId) -> Result<Vec<Part>> {
    let members = snapshot.memberships(account)?.into_iter();
    let active = members.filter(Member::is_active);
    let parts = active.map(|member| {
        let conversation = conversation_of(snapshot, &member)?;
        Ok(Part {
            conversation,
            member,
            other: None,
        })
    });
    parts.collect()
}

fn part_with(
    snapshot: &dyn Snapshot,
    account: AccountId,
    other: AccountId,
) -> Result<Option<Part>> {
    let id = Pair::new(account, other).map(|pair| snapshot.single(pair));
    let Some(id) = id.transpose()?.flatten() else {
        return Ok(None);
    };
    let found = (snapshot.conversation(id)?, snapshot.member(id, account)?);
    let (Some(conversation), Some(member)) = found else {
        return Ok(None);
    };
    Part::new(snapshot, conversation, member).map(Some)
}

fn undelivered(
    snapshot: &dyn Snapshot,
    account: AccountId,
    rows_max: usize,
) -> Result<Vec<ChatRow>> {
    let mut oldest = Oldest::new(account, rows_max);
    for part in parts(snapshot, account)? {
        let missing = part.member.unacknowledged(part.conversation.head.position);
        let missing: Vec<_> = missing.collect();
        oldest.add(snapshot, part, missing)?;
    }
    Ok(oldest.rows)
}

/// What is not acknowledged, with the messages of what was pushed: as many as can be pushed again at once. What was not is counted, up
/// to a list's length.
fn waiting(
    snapshot: &dyn Snapshot,
    account: AccountId,
    pushed: &Pushed,
    rows_max: usize,
) -> Result<ChatAnswer> {
    let mut oldest = Oldest::new(account, rows_max);
    let mut others = Others::default();
    for part in parts(snapshot, account)? {
        let id = part.conversation.id;
        let mut again = Vec::new();
        for missing in part.member.unacknowledged(part.conversation.head.position) {
            let (inside, outside) = pushed.split(id, missing);
            again.extend(inside);
            others.add(snapshot, &part, outside)?;
        }
        oldest.add(snapshot, part, again)?;
    }
    let others = others.found;
    let mut pushed = oldest.rows;
    let messages: Vec<_> = pushed.iter().map(|row| Arc::clone(&row.message)).collect();
    pushed.truncate(count_that_fits(&messages));
    Ok(ChatAnswer::Waiting { pushed, others })
}

/// Messages to an account that were not pushed to it, counted without being read.
#[derive(Default)]
struct Others {
    found: Vec<NotPushed>,
    count: u64,
}

impl Others {
    /// Counts in `ranges`, which are not acknowledged. The account's own messages stand there too, unless it said them as an app.
    fn add(
        &mut self,
        snapshot: &dyn Snapshot,
        part: &Part,
        ranges: Vec<RangeInclusive<u64>>,
    ) -> Result<()> {
        let (conversation, account) = (part.conversation.id, part.member.account);
        // What is read is acknowledged: nothing waits where nothing is unread.
        if part.member.unread(part.conversation.head.position) == 0 {
            return Ok(());
        }
        let has_own = part.member.sent > part.member.sent_read;
        for range in ranges {
            let (mut from, last) = range.into_inner();
            while from <= last && self.count < LIST_ROWS_MAX as u64 {
                let to = last.min(from + LIST_ROWS_MAX as u64 - 1);
                let own = match has_own {
                    true => snapshot.count_sent(conversation, account, from..=to)?,
                    false => 0,
                };
                let count = (to - from + 1).saturating_sub(own);
                if count > 0 {
                    self.count += count;
                    self.found.push(NotPushed {
                        conversation,
                        positions: from..=to,
                        count,
                    });
                }
                from = to + 1;
            }
        }
        Ok(())
    }
}

/// The oldest messages to an account out of several conversations.
struct Oldest {
    account: AccountId,
    rows_max: usize,
    rows: Vec<ChatRow>,
}

impl Oldest {
    fn new(account: AccountId, rows_max: usize) -> Oldest {
        Oldest {
            account,
            rows_max,
            rows: Vec::new(),
        }
    }

    /// Adds those of `ranges`, which go from low to high.
    fn add(
        &mut self,
        snapshot: &dyn Snapshot,
        part: Part,
        ranges: Vec<RangeInclusive<u64>>,
    ) -> Result<()> {
        if ranges.is_empty() {
            return Ok(());
        }
        let part = Part::new(snapshot, part.conversation, part.member)?;
        let mut found = 0;
        for range in ranges {
            let (id, rows_max) = (part.conversation.id, self.rows_max - found);
            let messages = oldest_from_others(snapshot, id, self.account, range, rows_max)?;
            found += messages.len();
            let rows = messages.into_iter().map(|message| part.row(message));
            self.rows.extend(rows);
            if found >= self.rows_max {
                break;
            }
        }
        self.rows.sort_unstable_by_key(|row| row.message.id);
        cut(&mut self.rows, self.rows_max);
        Ok(())
    }
}

/// Keeps the first rows, as many as an answer can hold.
fn cut(rows: &mut Vec<ChatRow>, rows_max: usize) {
    rows.truncate(rows_max);
    let messages: Vec<_> = rows.iter().map(|row| Arc::clone(&row.message)).collect();
    rows.truncate(count_by_bodies(&messages));
}

fn one_page(snapshot: &dyn Snapshot, part: &Part, page: u64, size: usize) -> Result<Vec<ChatRow>> {
    let rows = size.clamp(1, PAGE_ROWS_MAX) as u64;
    let skipped = page.saturating_sub(1).saturating_mul(rows);
    let newest = part.newest().saturating_sub(skipped);
    let oldest = newest.saturating_sub(rows).max(part.member.joined_after.0) + 1;
    let range = oldest..=newest;
    let mut messages = snapshot.messages(
        part.conversation.id,
        range,
        Order::NewestFirst,
        rows as usize,
    )?;
    messages.truncate(count_by_bodies(&messages) + 1);
    Ok(messages
        .into_iter()
        .map(|message| part.row(message))
        .collect())
}

/// The conversations of an account are merged by their messages' ids, from the newest on. Each begins with its head, and is read on only
/// as far as the page goes; a message is read only if it stands on the page.
fn everything(
    snapshot: &dyn Snapshot,
    account: AccountId,
    page: u64,
    size: usize,
) -> Result<Vec<ChatRow>> {
    let size = size.clamp(1, PAGE_ROWS_MAX);
    let skipped = page.saturating_sub(1).saturating_mul(size as u64);
    if skipped >= CHAT_PAGE_DEPTH_MAX {
        return Ok(Vec::new());
    }
    let mut sources = Vec::new();
    let mut heap: BinaryHeap<(MessageId, usize)> = BinaryHeap::new();
    for member in snapshot.memberships(account)? {
        let conversation = conversation_of(snapshot, &member)?;
        if conversation.is_events() {
            continue;
        }
        let mut source = Source::new(conversation, member);
        if let Some(newest) = source.peek(snapshot)? {
            heap.push((newest, sources.len()));
        }
        sources.push(source);
    }
    let mut rows = Vec::with_capacity(size);
    let (mut passed, mut bytes) = (0, 0);
    while let Some((id, place)) = heap.pop() {
        let Some(source) = sources.get_mut(place) else {
            break;
        };
        source.ids.pop();
        if passed >= skipped {
            let message = snapshot.message(id)?;
            let message = message.ok_or_else(|| StoreError(format!("there is no message {id}")))?;
            bytes += message.body.len();
            rows.push(source.part(snapshot)?.row(message));
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
        }
        passed += 1;
        if rows.len() == size {
            break;
        }
        if let Some(next) = source.peek(snapshot)? {
            heap.push((next, place));
        }
    }
    Ok(rows)
}

/// What of a conversation is looked at first, behind its head.
const SOURCE_IDS_MIN: usize = 8;
/// Most of a conversation that is looked at in one step.
const SOURCE_IDS_MAX: usize = 1_024;

/// The messages of one conversation from the newest on, looked at as they are needed.
struct Source {
    /// Without the other party, until a row of it is wanted.
    part: Part,
    has_other: bool,
    /// The newest position that was not looked at.
    next: u64,
    /// Old to new.
    ids: Vec<MessageId>,
    /// How many are looked at next: the deeper the page, the more at a time.
    count: usize,
}

impl Source {
    fn new(conversation: Conversation, member: Member) -> Source {
        let part = Part {
            conversation,
            member,
            other: None,
        };
        Source {
            next: part.newest(),
            part,
            has_other: false,
            ids: Vec::new(),
            count: SOURCE_IDS_MIN,
        }
    }

    /// The id of the next message.
    fn peek(&mut self, snapshot: &dyn Snapshot) -> Result<Option<MessageId>> {
        let oldest = self.part.member.joined_after.next().0;
        if self.ids.is_empty() && self.next >= oldest {
            let head = self.part.conversation.head;
            if self.next == head.position.0 {
                self.ids.push(head.message);
                self.next -= 1;
            } else {
                let from = oldest.max((self.next + 1).saturating_sub(self.count as u64));
                let id: ConversationId = self.part.conversation.id;
                self.ids = snapshot.message_ids(id, from..=self.next, self.count)?;
                self.ids.reverse();
                self.next = from - 1;
                self.count = (2 * self.count).min(SOURCE_IDS_MAX);
            }
        }
        Ok(self.ids.last().copied())
    }

    /// The account's part, with the other party.
    fn part(&mut self, snapshot: &dyn Snapshot) -> Result<&Part> {
        if !self.has_other {
            let (conversation, member) = (&self.part.conversation, &self.part.member);
            self.part = Part::new(snapshot, conversation.clone(), member.clone())?;
            self.has_other = true;
        }
        Ok(&self.part)
    }
}

fn list(snapshot: &dyn Snapshot, account: AccountId, rows_max: usize) -> Result<Vec<ListRow>> {
    let mut parts = parts(snapshot, account)?;
    parts.retain(|part| {
        let head = part.conversation.head.position;
        part.member.is_listed(head) && !part.conversation.is_events()
    });
    parts.sort_unstable_by_key(|part| Reverse((part.member.pinned, part.conversation.activity())));
    parts.truncate(rows_max);
    let mut rows: Vec<ListRow> = Vec::with_capacity(parts.len());
    let mut bytes = 0;
    for part in parts {
        let newest = part.newest();
        let last = match newest > part.member.joined_after.0 {
            true => {
                snapshot.messages(part.conversation.id, newest..=newest, Order::NewestFirst, 1)?
            }
            false => Vec::new(),
        };
        bytes += last.iter().map(|last| last.body.len()).sum::<usize>();
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
        rows.push(ListRow {
            conversation: part.conversation,
            member: part.member,
            last: last.into_iter().next(),
        });
    }
    Ok(rows)
}
