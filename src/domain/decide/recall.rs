//! Taking a message back: the one change to a stored message.

use std::sync::Arc;

use crate::domain::command::{Effect, Recall, Refusal, Reply};
use crate::domain::conversation::ConversationKind;
use crate::domain::decide::Deciding;
use crate::domain::event::{Audience, Event, Recalled};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::needs::Recallable;
use crate::limits::RECALL_MS_MAX;

impl Deciding<'_> {
    pub(super) fn recall(
        &mut self,
        recall: &Recall,
        found: Option<Box<Recallable>>,
    ) -> Result<Reply, Refusal> {
        let found = found.ok_or(Refusal::NoSuchMessage)?;
        if !self.may_recall(recall, &found) {
            return Err(Refusal::NoSuchMessage);
        }
        let Recallable {
            message,
            conversation,
            sender,
            ..
        } = *found;
        if message.recalled {
            return Ok(Reply::Done);
        }
        let message = Arc::new(Message {
            body: Arc::from(""),
            attributes: message.attributes_after_recall(),
            recalled: true,
            ..(*message).clone()
        });
        self.decision
            .effects
            .push(Effect::Recall(Arc::clone(&message)));
        let audience = match conversation.kind {
            ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
                Audience::Two(pair.low(), pair.high())
            }
            ConversationKind::Group(_) => Audience::Everyone,
        };
        let recalled = Recalled {
            message,
            conversation,
            sender,
        };
        self.tell(audience, Event::Recalled(Box::new(recalled)));
        Ok(Reply::Done)
    }

    fn may_recall(&self, recall: &Recall, found: &Recallable) -> bool {
        let message = &found.message;
        let own = message.sender == recall.account
            && self.now.0.saturating_sub(message.at.0) <= RECALL_MS_MAX;
        let owner = recall.said.is_some()
            && found.member.as_ref().is_some_and(Member::is_active)
            && found
                .conversation
                .group()
                .is_some_and(|group| group.owner == recall.account);
        // Nobody but `chat`, which takes nothing back, knows of events.
        (own || owner) && !found.conversation.is_events()
    }
}
