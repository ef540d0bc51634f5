//! What a message sent on behalf of an account looks at.

use super::{Facts, Gather, Named, Place};
use crate::domain::backend::{Relay, RelayTo};

impl Gather<'_> {
    /// A sender who does not exist has no conversations and no membership.
    pub(super) fn relay(&mut self, relay: &Relay) -> Option<Facts> {
        let sender = self.named(&relay.from);
        let place = match &relay.to {
            RelayTo::Account(who) => {
                let recipient = self.named(who);
                match (sender.as_ref()?, recipient?) {
                    (Named::Account(sender), recipient) => {
                        self.account_place(&relay.to_send(sender.id), recipient)
                    }
                    (_, recipient) => Some(Place::Account {
                        recipient,
                        existing: None,
                        prior: None,
                    }),
                }
            }
            RelayTo::Conversation { id, .. } => match sender.as_ref()? {
                Named::Account(sender) => self.conversation_place(&relay.to_send(sender.id), *id),
                Named::NewName(_) | Named::UnknownId => {
                    let found = self.state.conversation(*id);
                    self.want(found).map(|conversation| Place::Conversation {
                        conversation,
                        member: None,
                        recipient: None,
                        prior: None,
                    })
                }
            },
        };
        Some(Facts::Relay {
            sender: sender?,
            place: place?,
        })
    }
}
