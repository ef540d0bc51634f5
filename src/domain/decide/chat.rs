//! What apps do that keep account of what reached them and of their list of conversations.

use std::sync::Arc;

use crate::domain::account::check_name;
use crate::domain::chat::Arrangement;
use crate::domain::command::{Effect, Refusal, Reply};
use crate::domain::conversation::{Conversation, ConversationKind};
use crate::domain::decide::Deciding;
use crate::domain::event::{Audience, Event};
use crate::domain::ids::Position;
use crate::domain::member::Member;

impl Deciding<'_> {
    pub(super) fn acknowledge(
        &mut self,
        position: Position,
        conversation: Option<Conversation>,
        member: Option<Member>,
    ) -> Result<Reply, Refusal> {
        let conversation = conversation.ok_or(Refusal::NoSuchConversation)?;
        let mut member = member
            .filter(Member::is_active)
            .ok_or(Refusal::NotAMember)?;
        if position <= conversation.head.position && member.apply_acknowledged(position) {
            self.change_member(member);
        }
        Ok(Reply::Done)
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
        self.effects.push(Effect::Member(member.clone()));
        self.tell(
            Audience::One(member.account),
            Event::MemberChanged { member },
        );
    }

    pub(super) fn reserve_id(&mut self) -> Reply {
        let id = self.numbers.ids.next(self.now);
        self.effects.push(Effect::ReserveId(id));
        Reply::Id(id)
    }

    pub(super) fn rename_group(
        &mut self,
        name: &Arc<str>,
        conversation: Option<Conversation>,
        name_taken: bool,
    ) -> Result<Reply, Refusal> {
        let mut conversation = conversation.ok_or(Refusal::NoSuchConversation)?;
        let id = conversation.id;
        let ConversationKind::Group(group) = &mut conversation.kind else {
            return Err(Refusal::NotAGroup);
        };
        check_name(name).map_err(|_| Refusal::BadName)?;
        if group.name != *name {
            Arc::make_mut(group).name = Arc::clone(name);
            self.effects
                .push(Effect::Conversation(conversation.clone()));
            self.tell(
                Audience::Everyone,
                Event::GroupRenamed {
                    conversation,
                    name_taken,
                },
            );
        }
        Ok(Reply::Group(id))
    }
}
