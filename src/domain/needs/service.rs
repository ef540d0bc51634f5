//! What the commands of customer service look at: tokens that applications chose, contacts, agents, named groups, recalls.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::command::{Peer, Recall};
use crate::domain::conversation::{Conversation, Pair, Topic};
use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::domain::member::Member;
use crate::domain::needs::{Facts, Gather, Key, Named, RecallKey, Recallable};
use crate::domain::token::TokenHash;

impl Gather<'_> {
    pub(super) fn bind_token(&mut self, name: &Arc<str>, token: TokenHash) -> Option<Facts> {
        let found = self.state.token(token);
        let token = self.want(found);
        let found = self.state.account_named(name);
        let account = self.want(found)?;
        let tokens = match &account {
            Some(account) => {
                let found = self.state.tokens_of(account.id);
                self.want(found)?
            }
            None => Vec::new(),
        };
        Some(Facts::BindToken {
            account,
            tokens,
            token: token?,
        })
    }

    pub(super) fn contact(
        &mut self,
        account: Option<Arc<Account>>,
        other: Option<Arc<Account>>,
        assigned: bool,
    ) -> Option<Facts> {
        let pair = account
            .as_ref()
            .zip(other.as_ref())
            .and_then(|(account, other)| Pair::new(account.id, other.id));
        let existing = match pair {
            Some(pair) => {
                let found = self.state.single(pair, Topic::Messages);
                self.want(found)?.map(|(conversation, ..)| conversation.id)
            }
            None => None,
        };
        Some(Facts::Contact {
            account,
            other,
            assigned,
            existing,
        })
    }

    /// The choice is made here, since what is looked at next depends on it.
    pub(super) fn assign(&mut self, visitor: AccountId, since: TimeMs) -> Option<Facts> {
        let found = self.state.account(visitor);
        let account = self.want(found)?;
        let found = self.state.candidates(visitor, since);
        let candidates = self.want(found)?;
        let agent = candidates.choose(self.presence);
        let assigned = candidates.assigned.as_ref().map(|(agent, _)| agent.id)
            == agent.as_ref().map(|agent| agent.id);
        let facts = self.contact(account, agent, assigned);
        if facts.is_none() {
            self.missing.push(Key::Candidates(visitor, since));
        }
        facts
    }

    pub(super) fn join_named(&mut self, account: AccountId, name: &Arc<str>) -> Option<Facts> {
        let found = self.state.account(account);
        let row = self.want(found);
        let found = self.state.jim_group(name);
        let id = self.want(found)?;
        let existing = self.group(id, account);
        // It may have been given another name since.
        let group = existing.iter().flatten().find_map(|part| part.0.group());
        let shown = group.map_or_else(|| Arc::clone(name), |group| Arc::clone(&group.name));
        let name_taken = self.is_name_taken(&shown);
        Some(Facts::JoinNamed {
            account: row?,
            existing: existing?,
            name_taken: name_taken?,
        })
    }

    pub(super) fn leave(&mut self, account: AccountId, group: &Peer) -> Option<Facts> {
        let found = self.state.account(account);
        let row = self.want(found);
        let id = self.group_id(group)?;
        let existing = self.group(id, account);
        Some(Facts::Leave {
            account: row?,
            existing: existing?,
        })
    }

    /// The group that `peer` names, if it names one.
    fn group_id(&mut self, peer: &Peer) -> Option<Option<ConversationId>> {
        match peer {
            Peer::Conversation(id) | Peer::Group(id) => Some(Some(*id)),
            Peer::JimGroup(name) => {
                let found = self.state.jim_group(name);
                self.want(found)
            }
            Peer::Account(_) | Peer::Shown(_) => Some(None),
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "the outer layer says whether it is in memory, the inner whether it exists"
    )]
    fn group(
        &mut self,
        id: Option<ConversationId>,
        account: AccountId,
    ) -> Option<Option<Box<(Conversation, Option<Member>)>>> {
        let Some(id) = id else { return Some(None) };
        let (conversation, member) = self.part(id, account);
        let (conversation, member) = (conversation?, member?);
        Some(
            conversation
                .filter(|conversation| conversation.group().is_some())
                .map(|conversation| Box::new((conversation, member))),
        )
    }

    pub(super) fn recall(&mut self, recall: &Recall) -> Option<Facts> {
        let (conversation, sender) = match &recall.said {
            None => (None, recall.account),
            Some((group, sender)) => {
                let group = self.group_id(group);
                let sender = self.named(sender);
                match (group?, sender?) {
                    (Some(group), Named::Account(sender)) => (Some(group), sender.id),
                    _ => return Some(Facts::Recall(None)),
                }
            }
        };
        let key = RecallKey {
            sender,
            conversation,
            origin: recall.origin,
            client_id: Arc::clone(&recall.client_id),
            message: recall.message,
        };
        let found = self.state.recalled(&key);
        let Some(message) = self.want(found)? else {
            return Some(Facts::Recall(None));
        };
        let found = self.state.account(message.sender);
        let sender = self.want(found);
        let (conversation, member) = self.part(message.conversation, recall.account);
        let whole = sender.zip(conversation).zip(member);
        let Some(((sender, conversation), member)) = whole else {
            self.missing.push(Key::Recall(key));
            return None;
        };
        Some(Facts::Recall(sender.zip(conversation).map(
            |(sender, conversation)| {
                Box::new(Recallable {
                    message,
                    conversation,
                    sender,
                    member,
                })
            },
        )))
    }
}
