//! Groups that `jim` clients make by joining them under a name, whose members are told who comes and goes.

use std::sync::Arc;

use crate::domain::account::{Account, check_name};
use crate::domain::command::{GroupAbout, Refusal, Reply};
use crate::domain::conversation::Conversation;
use crate::domain::decide::Deciding;
use crate::domain::event::{Announcement, Audience, Event};
use crate::domain::member::Member;
use crate::domain::needs::Named;

/// A group and an account's part in it.
type Existing = Option<Box<(Conversation, Option<Member>)>>;

impl Deciding<'_> {
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
        let joined = self.told.iter().rev().find_map(|told| match &*told.event {
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
