//! Customer service: tokens that applications chose, contacts, and who answers whom.

use std::sync::Arc;

use crate::domain::account::{Account, Profile};
use crate::domain::command::{Effect, Refusal, Reply};
use crate::domain::conversation::{ConversationKind, Pair};
use crate::domain::decide::Deciding;
use crate::domain::event::{Audience, Contact, Event};
use crate::domain::ids::ConversationId;
use crate::domain::service::Assignment;
use crate::domain::token::{Token, TokenHash};

impl Deciding<'_> {
    /// Refuses a token that is somebody else's, as long as it is in force.
    pub(super) fn check_unbound(
        &mut self,
        account: Option<&Account>,
        token: Option<Token>,
    ) -> Result<(), Refusal> {
        let Some(token) = token.filter(|token| Some(token.account) != account.map(|a| a.id)) else {
            return Ok(());
        };
        if self.now.0 - token.used_at.0 < self.policy.token_idle_ms_max {
            return Err(Refusal::TokenTaken);
        }
        self.end_token(token);
        Ok(())
    }

    pub(super) fn bind_token(
        &mut self,
        name: &Arc<str>,
        hash: TokenHash,
        profile: &Profile,
        account: Option<Arc<Account>>,
        tokens: Vec<Token>,
    ) -> Result<Reply, Refusal> {
        let mut account = match account {
            Some(account) => account,
            None => self.create_account(name)?,
        };
        if account.profile != *profile {
            account = self.put_profile(&account, profile);
        }
        self.give_token(&account, hash, tokens);
        Ok(Reply::Account(account))
    }

    pub(super) fn make_contact(
        &mut self,
        account: Option<Arc<Account>>,
        other: Option<Arc<Account>>,
        existing: Option<ConversationId>,
    ) -> Result<Reply, Refusal> {
        let (account, other) = account.zip(other).ok_or(Refusal::NoSuchAccount)?;
        self.meet(&account, &other, existing)?;
        Ok(Reply::Account(other))
    }

    pub(super) fn assign(
        &mut self,
        visitor: Option<Arc<Account>>,
        agent: Option<Arc<Account>>,
        assigned: bool,
        existing: Option<ConversationId>,
    ) -> Result<Reply, Refusal> {
        let visitor = visitor.ok_or(Refusal::NoSuchAccount)?;
        let agent = agent.ok_or(Refusal::NoAgent)?;
        self.meet(&visitor, &agent, existing)?;
        if !assigned {
            self.decision.effects.push(Effect::Assign(Assignment {
                visitor: visitor.id,
                agent: agent.id,
                at: self.now,
            }));
        }
        Ok(Reply::Account(agent))
    }

    /// Makes the conversation of two accounts, unless there is one.
    fn meet(
        &mut self,
        one: &Arc<Account>,
        other: &Arc<Account>,
        existing: Option<ConversationId>,
    ) -> Result<(), Refusal> {
        let pair = Pair::new(one.id, other.id).ok_or(Refusal::ToSelf)?;
        if existing.is_some() {
            return Ok(());
        }
        let kind = ConversationKind::Single(pair);
        let (conversation, one_member, other_member) = self.create_for_pair(kind, pair, one.id);
        self.decision
            .effects
            .push(Effect::Member(one_member.clone()));
        let parties = [
            (Arc::clone(one), one_member),
            (Arc::clone(other), other_member),
        ];
        self.tell(
            Audience::Two(one.id, other.id),
            Event::ContactMade(Box::new(Contact {
                conversation,
                parties,
            })),
        );
        Ok(())
    }
}
