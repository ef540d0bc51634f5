//! Logins and the tokens that they give.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::command::{Effect, Refusal, Reply};
use crate::domain::decide::Deciding;
use crate::domain::event::{Audience, Event};
use crate::domain::token::{Token, TokenHash};
use crate::limits::TOKENS_PER_ACCOUNT_MAX;

impl Deciding<'_> {
    pub(super) fn login(
        &mut self,
        name: &Arc<str>,
        hash: TokenHash,
        account: Option<Arc<Account>>,
        tokens: Vec<Token>,
    ) -> Result<Reply, Refusal> {
        let account = match account {
            Some(account) => account,
            None => self.create_account(name)?,
        };
        self.give_token(&account, hash, tokens);
        Ok(Reply::Account(account))
    }

    /// Gives the account a token; the least recently used one ends where there are too many, and those past their time do.
    pub(super) fn give_token(
        &mut self,
        account: &Account,
        hash: TokenHash,
        mut tokens: Vec<Token>,
    ) {
        tokens.retain(|token| token.hash != hash);
        tokens.sort_unstable_by_key(|token| token.used_at);
        let surplus = (tokens.len() + 1).saturating_sub(TOKENS_PER_ACCOUNT_MAX);
        for (place, token) in tokens.iter().enumerate() {
            if place < surplus || self.now.0 - token.used_at.0 >= self.policy.token_idle_ms_max {
                self.end_token(*token);
            }
        }
        self.decision.effects.push(Effect::Token(Token {
            hash,
            account: account.id,
            used_at: self.now,
        }));
    }

    pub(super) fn end_token(&mut self, token: Token) {
        self.decision.effects.push(Effect::TokenEnded(token));
        self.tell(Audience::Everyone, Event::TokenEnded(token));
    }

    pub(super) fn logout(&mut self, token: Option<Token>) -> Reply {
        if let Some(token) = token {
            self.end_token(token);
        }
        Reply::Done
    }

    pub(super) fn touch(&mut self, token: Option<Token>) -> Reply {
        if let Some(token) = token.filter(|token| token.used_at < self.now) {
            self.decision.effects.push(Effect::Token(Token {
                used_at: self.now,
                ..token
            }));
        }
        Reply::Done
    }
}
