//! What apps do that keep account of what reached them and of their list of conversations.

use std::sync::Arc;

use crate::domain::account::check_name;
use crate::domain::chat::Arrangement;
use crate::domain::command::{Effect, Refusal, Reply};
use crate::domain::conversation::{Conversation, ConversationKind};
use crate::domain::decide::{Deciding, standing};
use crate::domain::event::{Audience, Event};
use crate::domain::ids::Position;
use crate::domain::member::Member;
use crate::domain::needs::Named;

impl Deciding<'_> {
    pub(super) fn acknowledge(
        &mut self,
        positions: &[Position],
        conversation: Option<Conversation>,
        member: Option<Member>,
    ) {
        let member = member.filter(Member::is_active);
        let Some((conversation, mut member)) = conversation.zip(member) else {
            return;
        };
        let mut is_changed = false;
        for position in positions {
            if *position <= conversation.head.position {
                is_changed |= member.apply_acknowledged(*position);
            }
        }
        if is_changed {
            self.change_member(member);
        }
    }

    pub(super) fn arrange(
        &mut self,
        arrangement: Arrangement,
        conversation: Option<Conversation>,
        member: Option<Member>,
    ) -> Result<Reply, Refusal> {
        let conversation = conversation.ok_or(Refusal::NoSuchConversation)?;
        let member = member
            .filter(Member::is_active)
            .ok_or(Refusal::NotAMember)?;
        let mut arranged = member.clone();
        match arrangement {
            Arrangement::Pin(pinned) => arranged.pinned = pinned,
            Arrangement::Hide => arranged.hidden_at = Some(conversation.head.position),
        }
        if arranged != member {
            self.change_member(arranged);
        }
        Ok(Reply::Done)
    }

    fn change_member(&mut self, member: Member) {
        self.decision.effects.push(Effect::Member(member.clone()));
        self.tell(
            Audience::One(member.account),
            Event::MemberChanged { member },
        );
    }

    pub(super) fn reserve_id(&mut self) -> Reply {
        let id = self.numbers.ids.next(self.now);
        self.decision.effects.push(Effect::ReserveId(id));
        Reply::Id(id)
    }

    /// The first `removed` of `members` leave, the others join.
    pub(super) fn change_group(
        &mut self,
        name: Option<&Arc<str>>,
        removed: usize,
        conversation: Option<Conversation>,
        mut members: Vec<(Named, Option<Member>)>,
        name_taken: bool,
    ) -> Result<Reply, Refusal> {
        let mut conversation = standing(conversation)?;
        let added = members.split_off(removed.min(members.len()));
        let leaving = members.into_iter().filter_map(|(_, member)| member);
        self.part(&mut conversation, leaving)?;
        if let Some(name) = name {
            self.rename(&mut conversation, name, name_taken)?;
        }
        self.join(&mut conversation, added, name_taken)?;
        Ok(Reply::Group(conversation.id))
    }

    fn rename(
        &mut self,
        conversation: &mut Conversation,
        name: &Arc<str>,
        name_taken: bool,
    ) -> Result<(), Refusal> {
        check_name(name).map_err(|_| Refusal::BadName)?;
        let ConversationKind::Group(group) = &mut conversation.kind else {
            return Err(Refusal::NotAGroup);
        };
        if group.name != *name {
            Arc::make_mut(group).name = Arc::clone(name);
            self.decision
                .effects
                .push(Effect::Conversation(conversation.clone()));
            self.tell(
                Audience::Everyone,
                Event::GroupRenamed {
                    conversation: conversation.clone(),
                    name_taken,
                },
            );
        }
        Ok(())
    }
}
