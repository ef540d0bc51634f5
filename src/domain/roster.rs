//! Which accounts have sockets in a shard, and which groups they are members of: who is given an event.

use hashbrown::{HashMap, HashSet};
use smallvec::{SmallVec, smallvec};

use crate::domain::event::{Audience, Event, Told};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId};

/// The accounts of a shard's sockets. `S` names a socket, `W` who waits for being attached.
///
/// An account is attached at the commit that the load of its groups shows: what came up to it is in the store, what comes after it is
/// an event, and nothing is in neither or both.
#[derive(Debug)]
pub struct Roster<S, W> {
    attached: HashMap<AccountId, Attached<S>>,
    attaching: HashMap<AccountId, Attaching<W>>,
    /// For each group the attached accounts that are members.
    groups: HashMap<ConversationId, SmallVec<[AccountId; 2]>>,
}

#[derive(Debug)]
struct Attached<S> {
    /// Events up to here came before.
    since: CommitNumber,
    sockets: SmallVec<[S; 1]>,
    /// Those that it is a member of; exists only while there is one.
    groups: Option<Box<Groups>>,
}

#[derive(Debug, Default)]
struct Groups(HashSet<ConversationId>);

#[derive(Debug)]
struct Attaching<W> {
    waiting: Vec<W>,
    /// What came since the load was asked for.
    events: Vec<(CommitNumber, Told)>,
}

impl<S, W> Default for Roster<S, W> {
    fn default() -> Roster<S, W> {
        Roster {
            attached: HashMap::new(),
            attaching: HashMap::new(),
            groups: HashMap::new(),
        }
    }
}

/// What [`Roster::attach`] leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// The socket is given events from here on.
    Attached,
    /// The groups of the account must be loaded.
    Load,
    /// They are being loaded already.
    Wait,
}

impl<S: Copy + PartialEq, W> Roster<S, W> {
    /// Attaches a socket to an account, or lets `waiter` wait for the account's groups.
    pub fn attach(&mut self, account: AccountId, socket: S, waiter: W) -> Attach {
        if let Some(attached) = self.attached.get_mut(&account) {
            if !attached.sockets.contains(&socket) {
                attached.sockets.push(socket);
            }
            return Attach::Attached;
        }
        match self.attaching.get_mut(&account) {
            Some(attaching) => {
                attaching.waiting.push(waiter);
                Attach::Wait
            }
            None => {
                self.attaching.insert(
                    account,
                    Attaching {
                        waiting: vec![waiter],
                        events: Vec::new(),
                    },
                );
                Attach::Load
            }
        }
    }

    /// Takes the groups of an account as of `commit`; gives who waits and the events to give them when they are attached.
    pub fn deliver(
        &mut self,
        account: AccountId,
        commit: CommitNumber,
        groups: Vec<ConversationId>,
    ) -> (Vec<W>, Vec<Told>) {
        let Some(attaching) = self.attaching.remove(&account) else {
            return (Vec::new(), Vec::new());
        };
        let attached = Attached {
            since: commit,
            sockets: SmallVec::new(),
            groups: None,
        };
        self.attached.insert(account, attached);
        for group in groups {
            self.join(account, group);
        }
        let mut since = Vec::new();
        for (number, told) in attaching.events {
            if number > commit && self.follow(&told).contains(&account) {
                since.push(told);
            }
        }
        (attaching.waiting, since)
    }

    /// Gives up on a load; gives who waited for it.
    pub fn abandon(&mut self, account: AccountId) -> Vec<W> {
        self.attaching
            .remove(&account)
            .map(|attaching| attaching.waiting)
            .unwrap_or_default()
    }

    /// A socket is gone; `true` when it was the account's last here.
    pub fn detach(&mut self, account: AccountId, socket: S) -> bool {
        let Some(attached) = self.attached.get_mut(&account) else {
            return false;
        };
        attached.sockets.retain(|other| *other != socket);
        if !attached.sockets.is_empty() {
            return false;
        }
        let groups: Vec<ConversationId> = attached
            .groups
            .iter()
            .flat_map(|all| all.0.iter().copied())
            .collect();
        groups
            .into_iter()
            .for_each(|group| self.leave(account, group));
        self.attached.remove(&account);
        true
    }

    /// Takes what happened; gives the sockets to tell, those of one account together.
    pub fn apply(&mut self, commit: CommitNumber, told: &Told) -> SmallVec<[S; 4]> {
        for (account, attaching) in &mut self.attaching {
            let is_for_others = match told.audience {
                Audience::One(one) => one != *account,
                Audience::Two(one, other) => one != *account && other != *account,
                Audience::Everyone => false,
            };
            if !is_for_others {
                attaching.events.push((commit, told.clone()));
            }
        }
        if self.attached.is_empty() {
            return SmallVec::new();
        }
        let mut sockets = SmallVec::new();
        for account in self.follow(told) {
            if let Some(attached) = self.attached.get(&account)
                && commit > attached.since
            {
                sockets.extend(attached.sockets.iter().copied());
            }
        }
        sockets
    }

    /// Brings the groups forward by an event; gives the accounts that it concerns. Of a group's those who were members before or are
    /// members after it.
    fn follow(&mut self, told: &Told) -> SmallVec<[AccountId; 4]> {
        match (told.audience, &*told.event) {
            (Audience::One(account), _) => smallvec![account],
            (Audience::Two(one, other), _) => smallvec![one, other],
            (Audience::Everyone, Event::TokenEnded(token)) => smallvec![token.account],
            (Audience::Everyone, event @ (Event::Joined { .. } | Event::Left { .. })) => {
                let mut members = self.members_of(event);
                self.apply_membership(event);
                members.extend(self.members_of(event));
                members.sort_unstable();
                members.dedup();
                members
            }
            (Audience::Everyone, event) => self.members_of(event),
        }
    }

    /// The attached members of the group that an event is about.
    fn members_of(&self, event: &Event) -> SmallVec<[AccountId; 4]> {
        let group = match event {
            Event::Message(delivery) => delivery.conversation.id,
            Event::Joined { conversation, .. } => conversation.id,
            Event::Left { member, .. } => member.conversation,
            Event::Announced(announcement) => announcement.conversation.id,
            Event::Recalled(recalled) => recalled.conversation.id,
            _ => return SmallVec::new(),
        };
        let members = self.groups.get(&group);
        members.map_or_else(SmallVec::new, |members| members.iter().copied().collect())
    }

    fn apply_membership(&mut self, event: &Event) {
        match event {
            Event::Joined { member, .. } => self.join(member.account, member.conversation),
            Event::Left { member, .. } => self.leave(member.account, member.conversation),
            _ => {}
        }
    }

    fn join(&mut self, account: AccountId, group: ConversationId) {
        if let Some(attached) = self.attached.get_mut(&account)
            && attached.groups.get_or_insert_default().0.insert(group)
        {
            self.groups.entry(group).or_default().push(account);
        }
    }

    fn leave(&mut self, account: AccountId, group: ConversationId) {
        if let Some(attached) = self.attached.get_mut(&account)
            && attached
                .groups
                .as_mut()
                .is_some_and(|groups| groups.0.remove(&group))
            && let Some(members) = self.groups.get_mut(&group)
        {
            members.retain(|other| *other != account);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }
}

#[cfg(test)]
mod tests;
