//! What an account's lists and unread counts show, kept in memory: a load at one commit, then events.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::conversation::{Activity, Conversation, ConversationKind};
use crate::domain::event::{Contact, Delivery, Event};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId};
use crate::domain::member::Member;
use crate::limits::VIEW_BYTES_MAX;

/// One conversation of an account's, as its lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRow {
    /// The conversation with its head.
    pub conversation: Conversation,
    /// The account's part in it.
    pub member: Member,
    /// Who or what is on the other side.
    pub other: Other,
}

/// The other side of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// The other party of a single conversation.
    Account(Arc<Account>),
    /// A group.
    Group {
        /// Whether an account has the group's name, so that it must be shown under another.
        name_taken: bool,
    },
}

impl ViewRow {
    /// How many messages from others are unread.
    pub fn unread(&self) -> u64 {
        self.member.unread(self.conversation.head.position)
    }

    fn bytes(&self) -> usize {
        let name = match &self.other {
            Other::Account(account) => account.name.len(),
            Other::Group { .. } => self
                .conversation
                .group()
                .map_or(0, |group| group.name.len()),
        };
        2 * size_of::<ViewRow>() + name
    }
}

/// An account's conversations and unread counts at one commit.
///
/// Above [`VIEW_BYTES_MAX`] it keeps totals only and [`View::rows`] gives `None`: then lists are asked of the store.
/// [`View::apply`] brings it forward; events applied to a view equal a fresh load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    account: AccountId,
    commit: CommitNumber,
    unread: u64,
    groups: HashSet<ConversationId>,
    rows: Option<Rows>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rows {
    by_id: HashMap<ConversationId, ViewRow>,
    by_activity: BTreeMap<Activity, ConversationId>,
    bytes: usize,
}

impl Rows {
    fn put(&mut self, row: ViewRow) {
        self.remove(row.conversation.id);
        self.bytes += row.bytes();
        self.by_activity
            .insert(row.conversation.activity(), row.conversation.id);
        self.by_id.insert(row.conversation.id, row);
    }

    fn remove(&mut self, id: ConversationId) -> Option<ViewRow> {
        let row = self.by_id.remove(&id)?;
        self.bytes -= row.bytes();
        self.by_activity.remove(&row.conversation.activity());
        Some(row)
    }
}

impl View {
    /// The view of `account` at `commit`, from every conversation that it is a member of.
    pub fn load(
        account: AccountId,
        commit: CommitNumber,
        loaded: impl IntoIterator<Item = ViewRow>,
    ) -> View {
        let mut view = View {
            account,
            commit,
            unread: 0,
            groups: HashSet::new(),
            rows: Some(Rows::default()),
        };
        for row in loaded {
            view.unread += row.unread();
            view.put(row);
        }
        view
    }

    /// Whose it is.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The commit that it shows at least: events up to it are in it already.
    pub fn commit(&self) -> CommitNumber {
        self.commit
    }

    /// Messages from others that are unread, over all conversations.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// The groups that the account is a member of.
    pub fn groups(&self) -> impl Iterator<Item = ConversationId> + '_ {
        self.groups.iter().copied()
    }

    /// The conversations, newest activity first; `None` when the view is so large that it keeps totals only.
    pub fn rows(&self) -> Option<impl Iterator<Item = &ViewRow>> {
        let rows = self.rows.as_ref()?;
        Some(
            rows.by_activity
                .values()
                .rev()
                .filter_map(|id| rows.by_id.get(id)),
        )
    }

    /// One conversation; `None` also when the view keeps totals only.
    pub fn row(&self, id: ConversationId) -> Option<&ViewRow> {
        self.rows.as_ref()?.by_id.get(&id)
    }

    /// Roughly how many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<View>()
            + self.groups.len() * 2 * size_of::<ConversationId>()
            + self.rows.as_ref().map_or(0, |rows| rows.bytes)
    }

    /// Under which name each group is shown: its own, or with ` (2)`, ` (3)` … where an account or an earlier group has it.
    pub fn group_names(&self) -> HashMap<ConversationId, Arc<str>> {
        let rows = self
            .rows
            .as_ref()
            .map(|rows| rows.by_id.values())
            .into_iter()
            .flatten();
        group_names(rows)
    }

    /// Brings the view forward by an event of `commit`. Events that it already shows are ignored.
    pub fn apply(&mut self, commit: CommitNumber, event: &Event) {
        if commit <= self.commit {
            return;
        }
        match event {
            Event::Message(delivery) => self.apply_message(delivery),
            Event::Read { member, cleared } if member.account == self.account => {
                self.unread = self.unread.saturating_sub(*cleared);
                self.change(member.conversation, |row| row.member = member.clone());
            }
            Event::MemberChanged { member } if member.account == self.account => {
                self.change(member.conversation, |row| row.member = member.clone());
            }
            Event::Joined {
                conversation,
                member,
                name_taken,
            } => self.apply_joined(conversation, member, *name_taken),
            Event::GroupRenamed {
                conversation,
                name_taken,
            } => self.change(conversation.id, |row| {
                row.conversation.kind = conversation.kind.clone();
                row.other = Other::Group {
                    name_taken: *name_taken,
                };
            }),
            Event::Left { member, cleared } => self.apply_left(member, *cleared),
            Event::AccountCreated(account) => self.apply_account_created(account),
            Event::ProfileChanged(account) => self.apply_profile(account),
            Event::ContactMade(contact) => self.apply_contact(contact),
            Event::Read { .. }
            | Event::TokenEnded(_)
            | Event::MemberChanged { .. }
            | Event::Announced(_)
            | Event::Recalled(_) => {}
        }
    }

    /// Marks everything of `commit` and before it as applied.
    pub fn advance(&mut self, commit: CommitNumber) {
        self.commit = self.commit.max(commit);
    }

    fn apply_message(&mut self, delivery: &Delivery) {
        let conversation = &delivery.conversation;
        match (&conversation.kind, &delivery.recipient) {
            (ConversationKind::Single(_), Some((recipient, recipient_member))) => {
                let (member, other) = if self.account == delivery.sender.id {
                    (&delivery.sender_member, recipient)
                } else if self.account == recipient.id {
                    (recipient_member, &delivery.sender)
                } else {
                    return;
                };
                let other = Other::Account(Arc::clone(other));
                self.count_message(delivery);
                self.put(ViewRow {
                    conversation: conversation.clone(),
                    member: member.clone(),
                    other,
                });
            }
            _ if self.groups.contains(&conversation.id) => {
                self.count_message(delivery);
                let own = self.account == delivery.sender.id;
                self.change(conversation.id, |row| {
                    row.conversation = conversation.clone();
                    if own {
                        row.member = delivery.sender_member.clone();
                    }
                });
            }
            _ => {}
        }
    }

    fn apply_contact(&mut self, contact: &Contact) {
        let [one, two] = &contact.parties;
        let (own, other) = match self.account {
            account if account == one.0.id => (one, two),
            account if account == two.0.id => (two, one),
            _ => return,
        };
        self.put(ViewRow {
            conversation: contact.conversation.clone(),
            member: own.1.clone(),
            other: Other::Account(Arc::clone(&other.0)),
        });
    }

    fn count_message(&mut self, delivery: &Delivery) {
        if self.account != delivery.sender.id {
            self.unread += 1;
        }
    }

    fn apply_joined(&mut self, conversation: &Conversation, member: &Member, name_taken: bool) {
        if member.account == self.account {
            let other = Other::Group { name_taken };
            self.put(ViewRow {
                conversation: conversation.clone(),
                member: member.clone(),
                other,
            });
        } else {
            self.change(conversation.id, |row| {
                row.conversation.kind = conversation.kind.clone()
            });
        }
    }

    fn apply_left(&mut self, member: &Member, cleared: u64) {
        if member.account == self.account {
            self.unread = self.unread.saturating_sub(cleared);
            self.groups.remove(&member.conversation);
            if let Some(rows) = &mut self.rows {
                rows.remove(member.conversation);
            }
        } else {
            self.change(member.conversation, |row| {
                if let ConversationKind::Group(group) = &mut row.conversation.kind {
                    let group = Arc::make_mut(group);
                    group.member_count = group.member_count.saturating_sub(1);
                }
            });
        }
    }

    fn apply_account_created(&mut self, account: &Account) {
        let Some(rows) = &mut self.rows else { return };
        for row in self.groups.iter() {
            let Some(row) = rows.by_id.get_mut(row) else {
                continue;
            };
            let same = row
                .conversation
                .group()
                .is_some_and(|group| group.name == account.name);
            if let (true, Other::Group { name_taken }) = (same, &mut row.other) {
                *name_taken = true;
            }
        }
    }

    fn apply_profile(&mut self, account: &Arc<Account>) {
        let Some(rows) = &mut self.rows else { return };
        for row in rows.by_id.values_mut() {
            if matches!(&row.other, Other::Account(other) if other.id == account.id) {
                row.other = Other::Account(Arc::clone(account));
            }
        }
    }

    fn put(&mut self, row: ViewRow) {
        if row.conversation.group().is_some() {
            self.groups.insert(row.conversation.id);
        }
        if let Some(rows) = &mut self.rows {
            rows.put(row);
            if rows.bytes > VIEW_BYTES_MAX {
                self.rows = None;
            }
        }
    }

    fn change(&mut self, id: ConversationId, change: impl FnOnce(&mut ViewRow)) {
        if let Some(rows) = &mut self.rows
            && let Some(mut row) = rows.remove(id)
        {
            change(&mut row);
            rows.put(row);
        }
    }
}

/// Under which name each group among `rows` is shown to their owner, in the order in which the groups were made.
pub fn group_names<'a>(
    rows: impl IntoIterator<Item = &'a ViewRow>,
) -> HashMap<ConversationId, Arc<str>> {
    let mut groups: Vec<(ConversationId, &Arc<str>, bool)> = rows
        .into_iter()
        .filter_map(|row| match (row.conversation.group(), &row.other) {
            (Some(group), Other::Group { name_taken }) => {
                Some((row.conversation.id, &group.name, *name_taken))
            }
            _ => None,
        })
        .collect();
    groups.sort_by_key(|(id, ..)| *id);
    let own: HashSet<&str> = groups.iter().map(|(_, name, _)| &***name).collect();
    let mut used: HashMap<&str, u32> = HashMap::new();
    let mut shown = HashMap::with_capacity(groups.len());
    for (id, name, taken) in &groups {
        let count = used.entry(name).or_insert(u32::from(*taken));
        *count += 1;
        let mut suffixed = format!("{name} ({count})");
        while *count > 1 && own.contains(suffixed.as_str()) {
            *count += 1;
            suffixed = format!("{name} ({count})");
        }
        shown.insert(
            *id,
            if *count == 1 {
                Arc::clone(name)
            } else {
                Arc::from(suffixed)
            },
        );
    }
    shown
}
