//! Groups: made, joined and left. Of those that `jim` clients make by joining them under a name the members are told who comes and goes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::account::{Account, check_name};
use crate::domain::command::{Effect, GroupAbout, Refusal, Reply};
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head};
use crate::domain::decide::{Deciding, standing};
use crate::domain::event::{Announcement, Audience, Event};
use crate::domain::holes::Holes;
use crate::domain::ids::{AccountId, Slot};
use crate::domain::member::Member;
use crate::domain::needs::Named;
use crate::limits::SLOT_BITS;

/// A group and an account's part in it.
type Existing = Option<Box<(Conversation, Option<Member>)>>;

impl Deciding<'_> {
    pub(super) fn create_group(
        &mut self,
        about: &GroupAbout,
        owner: Named,
        members: Vec<Named>,
        name_taken: bool,
    ) -> Result<Reply, Refusal> {
        let owner = self.account(owner)?;
        let id = self.numbers.next_conversation();
        let group = Group {
            owner: owner.id,
            name: Arc::clone(&about.name),
            image: Arc::clone(&about.image),
            description: Arc::clone(&about.description),
            jim_name: about.jim_name.clone(),
            member_count: 0,
            next_slot: Slot(0),
        };
        let kind = ConversationKind::Group(Arc::new(group));
        let head = Head {
            at: self.now,
            ..Head::default()
        };
        let mut conversation = Conversation {
            id,
            created_at: self.now,
            kind,
            head,
        };
        let name_taken = name_taken || owner.name == about.name;
        let is_owner = |named: &Named| matches!(named, Named::NewName(name) if *name == owner.name);
        let members = members.into_iter().filter(|named| !is_owner(named));
        let everybody = std::iter::once(Named::Account(Arc::clone(&owner)))
            .chain(members)
            .map(|named| (named, None));
        self.join(&mut conversation, everybody.collect(), name_taken)?;
        Ok(Reply::Group(id))
    }

    pub(super) fn add_members(
        &mut self,
        group: Option<Conversation>,
        members: Vec<(Named, Option<Member>)>,
        name_taken: bool,
    ) -> Result<Reply, Refusal> {
        let mut conversation = standing(group)?;
        self.join(&mut conversation, members, name_taken)?;
        Ok(Reply::Group(conversation.id))
    }

    /// Makes those members who are not, in their order; who stands twice counts once.
    pub(super) fn join(
        &mut self,
        conversation: &mut Conversation,
        whom: Vec<(Named, Option<Member>)>,
        mut name_taken: bool,
    ) -> Result<(), Refusal> {
        let ConversationKind::Group(group) = &mut conversation.kind else {
            return Err(Refusal::NotAGroup);
        };
        let group = Arc::make_mut(group);
        let mut created: HashMap<Arc<str>, Arc<Account>> = HashMap::new();
        let mut joined: Vec<Member> = Vec::new();
        let mut seen = HashSet::new();
        for (named, member) in whom {
            let named = match named {
                Named::NewName(name) => match created.get(&name) {
                    Some(account) => Named::Account(Arc::clone(account)),
                    None => Named::NewName(name),
                },
                named => named,
            };
            let is_new = matches!(named, Named::NewName(_));
            let account = self.account(named)?;
            if is_new {
                name_taken |= account.name == group.name;
                created.insert(Arc::clone(&account.name), Arc::clone(&account));
            }
            if !seen.insert(account.id) || member.as_ref().is_some_and(Member::is_active) {
                continue;
            }
            group.member_count += 1;
            if group.member_count as usize > self.policy.group_members_max {
                return Err(Refusal::GroupFull);
            }
            joined.push(match member {
                Some(former) => Member {
                    joined_at: self.now,
                    joined_after: conversation.head.position,
                    left_after: None,
                    read: conversation.head.position,
                    sent_read: former.sent,
                    acknowledged: conversation.head.position,
                    holes: Holes::default(),
                    hidden_at: None,
                    ..former
                },
                None => {
                    let slot = group.next_slot;
                    if slot.0 >= 1 << SLOT_BITS {
                        return Err(Refusal::GroupFull);
                    }
                    group.next_slot.0 += 1;
                    Member::new(
                        conversation.id,
                        account.id,
                        slot,
                        conversation.head.position,
                        self.now,
                    )
                }
            });
        }
        if joined.is_empty() {
            return Ok(());
        }
        self.decision
            .effects
            .push(Effect::Conversation(conversation.clone()));
        for member in joined {
            self.decision.effects.push(Effect::Member(member.clone()));
            self.tell(
                Audience::Everyone,
                Event::Joined {
                    conversation: conversation.clone(),
                    member,
                    name_taken,
                },
            );
        }
        Ok(())
    }

    pub(super) fn remove_members(
        &mut self,
        group: Option<Conversation>,
        whom: Vec<(Named, Option<Member>)>,
    ) -> Result<Reply, Refusal> {
        let mut conversation = standing(group)?;
        let leaving = whom.into_iter().filter_map(|(_, member)| member);
        self.part(&mut conversation, leaving)?;
        Ok(Reply::Group(conversation.id))
    }

    pub(super) fn delete_group(
        &mut self,
        by: Option<AccountId>,
        group: Option<Conversation>,
        members: Vec<Member>,
    ) -> Result<Reply, Refusal> {
        let mut conversation = standing(group)?;
        let ConversationKind::Group(group) = &mut conversation.kind else {
            return Err(Refusal::NotAGroup);
        };
        if by.is_some_and(|by| by != group.owner) {
            return Err(Refusal::NotTheOwner);
        }
        Arc::make_mut(group).owner = AccountId::SERVER;
        if members.is_empty() {
            self.decision
                .effects
                .push(Effect::Conversation(conversation.clone()));
        }
        self.part(&mut conversation, members)?;
        Ok(Reply::Group(conversation.id))
    }

    /// Ends the membership of those who are members.
    pub(super) fn part(
        &mut self,
        conversation: &mut Conversation,
        whom: impl IntoIterator<Item = Member>,
    ) -> Result<(), Refusal> {
        let head = conversation.head.position;
        let ConversationKind::Group(group) = &mut conversation.kind else {
            return Err(Refusal::NotAGroup);
        };
        let group = Arc::make_mut(group);
        let mut left: Vec<(Member, u64)> = Vec::new();
        let mut seen = HashSet::new();
        for mut member in whom {
            if !member.is_active() || !seen.insert(member.account) {
                continue;
            }
            let cleared = member.unread(head);
            member.left_after = Some(head);
            group.member_count = group.member_count.saturating_sub(1);
            left.push((member, cleared));
        }
        if !left.is_empty() {
            self.decision
                .effects
                .push(Effect::Conversation(conversation.clone()));
        }
        for (member, cleared) in left {
            self.decision.effects.push(Effect::Member(member.clone()));
            self.tell(Audience::Everyone, Event::Left { member, cleared });
        }
        Ok(())
    }

    pub(super) fn join_named(
        &mut self,
        name: &Arc<str>,
        account: Option<Arc<Account>>,
        existing: Existing,
        name_taken: bool,
    ) -> Result<Reply, Refusal> {
        let account = account.ok_or(Refusal::NoSuchAccount)?;
        let joiner = Named::Account(Arc::clone(&account));
        let id = match existing {
            None => {
                check_name(name).map_err(|_| Refusal::BadName)?;
                let about = GroupAbout {
                    name: Arc::clone(name),
                    jim_name: Some(Arc::clone(name)),
                    ..GroupAbout::default()
                };
                self.create_group(&about, joiner, Vec::new(), name_taken)?
            }
            Some(existing) => {
                let (conversation, member) = *existing;
                if member.as_ref().is_some_and(Member::is_active) {
                    return Ok(Reply::Group(conversation.id));
                }
                self.add_members(Some(conversation), vec![(joiner, member)], name_taken)?
            }
        };
        let joined = self
            .decision
            .told
            .iter()
            .rev()
            .find_map(|told| match &*told.event {
                Event::Joined { conversation, .. } => Some(conversation.clone()),
                _ => None,
            });
        if let Some(conversation) = joined {
            self.announce(conversation, account, true);
        }
        Ok(id)
    }

    pub(super) fn leave(
        &mut self,
        account: Option<Arc<Account>>,
        existing: Existing,
    ) -> Result<Reply, Refusal> {
        let account = account.ok_or(Refusal::NoSuchAccount)?;
        let (conversation, member) = *existing.ok_or(Refusal::NoSuchConversation)?;
        let conversation = standing(Some(conversation))?;
        let member = member
            .filter(Member::is_active)
            .ok_or(Refusal::NotAMember)?;
        self.announce(conversation.clone(), Arc::clone(&account), false);
        self.remove_members(
            Some(conversation),
            vec![(Named::Account(account), Some(member))],
        )
    }

    fn announce(&mut self, conversation: Conversation, account: Arc<Account>, joins: bool) {
        self.tell(
            Audience::Everyone,
            Event::Announced(Box::new(Announcement {
                conversation,
                account,
                joins,
            })),
        );
    }
}
