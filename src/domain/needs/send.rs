//! What a message looks at: where it goes, and whether it is there already.

use std::sync::Arc;

use crate::domain::command::{Peer, Send};
use crate::domain::conversation::{Conversation, ConversationKind, Pair, Topic};
use crate::domain::ids::ConversationId;
use crate::domain::message::{Message, MessageKind};
use crate::domain::needs::{ClientKey, Facts, Gather, Key, Named, Place};

/// No conversation at all.
const NOWHERE: Place = Place::Conversation {
    conversation: None,
    member: None,
    recipient: None,
    prior: None,
};

/// In which of the conversations of two accounts a message stands.
fn topic(send: &Send) -> Topic {
    match send.kind {
        MessageKind::Event(_) => Topic::Events,
        _ => Topic::Messages,
    }
}

impl Gather<'_> {
    pub(super) fn send(&mut self, send: &Send) -> Option<Facts> {
        let found = self.state.account(send.from);
        let sender = self.want(found);
        let place = match &send.to {
            Peer::Account(who) => {
                let recipient = self.named(who);
                recipient.and_then(|recipient| self.account_place(send, recipient))
            }
            // Events are for accounts.
            _ if topic(send) == Topic::Events => Some(NOWHERE),
            Peer::Shown(name) => self.shown_place(send, name),
            Peer::Conversation(id) => self.conversation_place(send, *id),
            Peer::Group(id) => self.group_place(send, *id),
            Peer::JimGroup(name) => {
                let found = self.state.jim_group(name);
                match self.want(found) {
                    Some(Some(id)) => self.conversation_place(send, id),
                    Some(None) => Some(NOWHERE),
                    None => None,
                }
            }
        };
        Some(Facts::Send {
            sender: sender?,
            place: place?,
        })
    }

    pub(super) fn account_place(&mut self, send: &Send, recipient: Named) -> Option<Place> {
        let mut existing = None;
        let mut prior = None;
        if let Named::Account(account) = &recipient
            && let Some(pair) = Pair::new(send.from, account.id)
        {
            let found = self.state.single(pair, topic(send));
            if let Some((conversation, low, high)) = self.want(found)? {
                prior = self.prior(send, conversation.id)?;
                let (own, other) = if pair.low() == send.from {
                    (low, high)
                } else {
                    (high, low)
                };
                existing = Some(Box::new((conversation, own, other)));
            }
        }
        Some(Place::Account {
            recipient,
            existing,
            prior,
        })
    }

    fn shown_place(&mut self, send: &Send, name: &Arc<str>) -> Option<Place> {
        let found = self.state.account_named(name);
        if let Some(account) = self.want(found)? {
            return self.account_place(send, Named::Account(account));
        }
        let found = self.state.shown(send.from, name);
        match self.want(found)? {
            None => self.account_place(send, Named::NewName(Arc::clone(name))),
            Some(group) => {
                let place = self.conversation_place(send, group);
                if place.is_none() {
                    self.missing.push(Key::Shown(send.from, Arc::clone(name)));
                }
                place
            }
        }
    }

    pub(super) fn conversation_place(&mut self, send: &Send, id: ConversationId) -> Option<Place> {
        let (conversation, member) = self.part(id, send.from);
        let (conversation, member) = (conversation?, member?);
        if conversation.as_ref().is_some_and(Conversation::is_events) {
            return Some(NOWHERE);
        }
        let mut recipient = None;
        if let Some(Conversation {
            kind: ConversationKind::Single(pair),
            ..
        }) = &conversation
            && pair.has(send.from)
        {
            let other = pair.other(send.from);
            let account = self.state.account(other);
            let account = self.want(account);
            let member = self.state.member(id, other);
            let member = self.want(member);
            recipient = account?.zip(member?).map(Box::new);
        }
        let prior = self.prior(send, id)?;
        Some(Place::Conversation {
            conversation,
            member,
            recipient,
            prior,
        })
    }

    fn group_place(&mut self, send: &Send, id: ConversationId) -> Option<Place> {
        let found = self.state.conversation(id);
        match self.want(found)? {
            Some(conversation) if conversation.group().is_some() => {
                self.conversation_place(send, id)
            }
            _ => Some(NOWHERE),
        }
    }

    fn prior(&mut self, send: &Send, conversation: ConversationId) -> Option<Option<Arc<Message>>> {
        let Some(client_id) = &send.client_id else {
            return Some(None);
        };
        let key = ClientKey {
            sender: send.from,
            conversation,
            origin: send.origin,
            client_id: Arc::clone(client_id),
        };
        let found = self.state.client_id(key);
        self.want(found)
    }
}
