//! What a shard knows in memory of sessions and views, kept true by events.

use std::sync::Arc;

use hashbrown::HashMap;
use hashlink::{LinkedHashMap, LruCache};
use smallvec::SmallVec;

use crate::domain::account::Account;
use crate::domain::event::{Audience, Event, Told};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, TimeMs};
use crate::domain::message::Dialect;
use crate::domain::query::Session;
use crate::domain::token::{Token, TokenHash};
use crate::domain::view::View;
use crate::limits::{SESSIONS_PER_SHARD_MAX, TOKEN_BYTES_MAX, TOKEN_TOUCH_MS_MIN};

#[cfg(test)]
mod tests;

/// A shard's memory: sessions by token and views by account, bounded, least recently used first out.
///
/// Everything on it is as of the last commit that was handled. A load that is under way is announced first
/// ([`Desk::expect_session`], [`Desk::expect_view`]), so that events that come before it is delivered are not missed.
pub struct Desk {
    sessions: LruCache<TokenHash, Session>,
    /// Rises when a session leaves: what connections remember of their tokens is void then.
    revocations: u64,
    /// Tokens whose sessions are being loaded, and whether they ended in the meantime.
    expected_sessions: HashMap<TokenHash, ExpectedSession>,
    views: LinkedHashMap<AccountId, View>,
    views_bytes: usize,
    views_bytes_max: usize,
    /// Views that are being loaded, and the events that came in the meantime.
    expected_views: HashMap<AccountId, Vec<(CommitNumber, Arc<Event>)>>,
    /// For each group the accounts of views here that are members.
    groups: HashMap<ConversationId, SmallVec<[AccountId; 2]>>,
    touches: Vec<TokenHash>,
    dropped_views: Vec<AccountId>,
    token_idle_ms_max: i64,
}

#[derive(Default)]
struct ExpectedSession {
    waiting: usize,
    ended: bool,
}

/// What a connection remembers of the last token that it used.
#[derive(Clone, Debug, Default)]
pub struct SessionMemo(Option<Box<Remembered>>);

#[derive(Clone, Debug)]
struct Remembered {
    dialect: Dialect,
    token: Box<[u8]>,
    account: Arc<Account>,
    revocations: u64,
    /// Until when it need not be looked up again.
    fresh_until: TimeMs,
}

/// What a socket remembers of the token that it was opened with.
#[derive(Clone, Copy, Debug)]
pub struct KeptToken {
    /// Its hash.
    pub hash: TokenHash,
    /// Until when its use need not be noted again.
    fresh_until: TimeMs,
}

impl KeptToken {
    /// Of a token whose use is noted the next time.
    pub fn new(hash: TokenHash) -> KeptToken {
        KeptToken {
            hash,
            fresh_until: TimeMs(i64::MIN),
        }
    }
}

/// Who uses a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This account.
    Known(Arc<Account>),
    /// Not in memory: ask the store.
    Load(TokenHash),
    /// Nobody can: it has no byte or too many.
    Nobody,
}

impl Desk {
    /// An empty desk whose views take at most `views_bytes_max`.
    pub fn new(views_bytes_max: usize, token_idle_ms_max: i64) -> Desk {
        Desk {
            sessions: LruCache::new(SESSIONS_PER_SHARD_MAX),
            revocations: 0,
            expected_sessions: HashMap::new(),
            views: LinkedHashMap::new(),
            views_bytes: 0,
            views_bytes_max,
            expected_views: HashMap::new(),
            groups: HashMap::new(),
            touches: Vec::new(),
            dropped_views: Vec::new(),
            token_idle_ms_max,
        }
    }

    /// Who uses `token` in `dialect`. A connection that shows the same token again is answered from its `memo`.
    pub fn session(
        &mut self,
        memo: &mut SessionMemo,
        dialect: Dialect,
        token: &[u8],
        now: TimeMs,
    ) -> Lookup {
        if let Some(last) = &memo.0
            && last.revocations == self.revocations
            && now < last.fresh_until
            && last.dialect == dialect
            && *last.token == *token
        {
            return Lookup::Known(Arc::clone(&last.account));
        }
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Lookup::Nobody;
        }
        let hash = TokenHash::new(dialect, token);
        let Some((account, fresh_until)) = self.used(hash, now) else {
            return Lookup::Load(hash);
        };
        memo.0 = Some(Box::new(Remembered {
            dialect,
            token: token.into(),
            account: Arc::clone(&account),
            revocations: self.revocations,
            fresh_until,
        }));
        Lookup::Known(account)
    }

    /// A socket is used, which keeps the token that it was opened with from expiring. One whom the desk has forgotten was recorded when it
    /// last knew them.
    pub fn keep(&mut self, kept: &mut KeptToken, now: TimeMs) {
        if now >= kept.fresh_until
            && let Some((_, fresh_until)) = self.used(kept.hash, now)
        {
            kept.fresh_until = fresh_until;
        }
    }

    /// Notes the use of a token, if it is here: its account, and until when that need not be noted again.
    fn used(&mut self, hash: TokenHash, now: TimeMs) -> Option<(Arc<Account>, TimeMs)> {
        let session = self.sessions.get_mut(&hash)?;
        let idle_ms = now.0 - session.token.used_at.0;
        if idle_ms >= self.token_idle_ms_max {
            self.sessions.remove(&hash);
            self.revocations += 1;
            return None;
        }
        let touch_ms = TOKEN_TOUCH_MS_MIN.min(self.token_idle_ms_max / 2);
        if idle_ms >= touch_ms {
            session.token.used_at = now;
            self.touches.push(hash);
        }
        let fresh_until = TimeMs(session.token.used_at.0 + touch_ms);
        Some((Arc::clone(&session.account), fresh_until))
    }

    /// Announces that the session of a token is being loaded.
    pub fn expect_session(&mut self, hash: TokenHash) {
        self.expected_sessions.entry(hash).or_default().waiting += 1;
    }

    /// Takes a loaded session, announced before; gives the account, or `None` where the token is unknown, past its time or ended since.
    pub fn deliver_session(
        &mut self,
        hash: TokenHash,
        session: Option<Session>,
        now: TimeMs,
    ) -> Option<Arc<Account>> {
        let ended = match self.expected_sessions.get_mut(&hash) {
            Some(expected) => {
                expected.waiting -= 1;
                let ended = expected.ended;
                if expected.waiting == 0 {
                    self.expected_sessions.remove(&hash);
                }
                ended
            }
            None => false,
        };
        let session =
            session.filter(|s| !ended && now.0 - s.token.used_at.0 < self.token_idle_ms_max)?;
        let account = Arc::clone(&session.account);
        if session.token.used_at < now {
            self.touches.push(hash);
        }
        let token = Token {
            used_at: now,
            ..session.token
        };
        self.sessions.insert(hash, Session { token, ..session });
        Some(account)
    }

    /// Tokens whose use should be recorded, since the last call.
    pub fn take_touches(&mut self) -> Vec<TokenHash> {
        std::mem::take(&mut self.touches)
    }

    /// The view of `account`, if it is here.
    pub fn view(&mut self, account: AccountId) -> Option<&View> {
        if self.views.back().is_some_and(|(last, _)| *last != account) {
            self.views.to_back(&account);
        }
        self.views.get(&account)
    }

    /// Announces that a view is being loaded; `false` when it was already. The shard must be told of the account's events from here on.
    pub fn expect_view(&mut self, account: AccountId) -> bool {
        let new = !self.expected_views.contains_key(&account);
        self.expected_views.entry(account).or_default();
        new
    }

    /// Takes a loaded view, announced before, and brings it forward by the events that came since. Gives it back when it is too large to stay.
    pub fn deliver_view(&mut self, mut view: View) -> Option<View> {
        let account = view.account();
        for (commit, event) in self.expected_views.remove(&account).unwrap_or_default() {
            view.apply(commit, &event);
        }
        if view.bytes() > self.views_bytes_max {
            self.dropped_views.push(account);
            return Some(view);
        }
        for group in view.groups() {
            self.groups.entry(group).or_default().push(account);
        }
        self.views_bytes += view.bytes();
        self.views.insert(account, view);
        self.shrink_views();
        None
    }

    fn shrink_views(&mut self) {
        while self.views_bytes > self.views_bytes_max
            && let Some((&oldest, _)) = self.views.front()
        {
            self.drop_view(oldest);
        }
    }

    /// Gives up on a view that was being loaded.
    pub fn abandon_view(&mut self, account: AccountId) {
        if self.expected_views.remove(&account).is_some() && !self.views.contains_key(&account) {
            self.dropped_views.push(account);
        }
    }

    /// Accounts whose views have left since the last call: the shard need not be told of their events any more.
    pub fn take_dropped_views(&mut self) -> Vec<AccountId> {
        let mut dropped = std::mem::take(&mut self.dropped_views);
        dropped.retain(|account| {
            !self.views.contains_key(account) && !self.expected_views.contains_key(account)
        });
        dropped
    }

    /// How many sessions are here.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many views are here.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// How many bytes the views here take.
    pub fn views_bytes(&self) -> usize {
        self.views_bytes
    }

    /// Brings everything forward by what happened in `commit`.
    pub fn apply(&mut self, commit: CommitNumber, told: &Told) {
        let event = &told.event;
        if let Event::TokenEnded(Token { hash, .. }) = **event {
            self.revocations += 1;
            self.sessions.remove(&hash);
            if let Some(expected) = self.expected_sessions.get_mut(&hash) {
                expected.ended = true;
            }
        }
        match told.audience {
            Audience::One(account) => self.apply_to(account, commit, event),
            Audience::Two(one, other) => {
                self.apply_to(one, commit, event);
                self.apply_to(other, commit, event);
            }
            Audience::Everyone => self.apply_to_everyone(commit, event),
        }
        self.shrink_views();
    }

    fn apply_to(&mut self, account: AccountId, commit: CommitNumber, event: &Arc<Event>) {
        if let Some(waiting) = self.expected_views.get_mut(&account) {
            waiting.push((commit, Arc::clone(event)));
        }
        let Some(view) = self.views.get_mut(&account) else {
            return;
        };
        let before = view.bytes();
        view.apply(commit, event);
        self.views_bytes = self.views_bytes - before + view.bytes();
        match &**event {
            Event::Joined {
                conversation,
                member,
                ..
            } if member.account == account => {
                let here = self.groups.entry(conversation.id).or_default();
                if !here.contains(&account) {
                    here.push(account);
                }
            }
            Event::Left { member, .. } if member.account == account => {
                self.leave_group(member.conversation, account)
            }
            _ => {}
        }
    }

    /// Group events concern the members among the views here; what concerns all accounts is applied to every view.
    fn apply_to_everyone(&mut self, commit: CommitNumber, event: &Arc<Event>) {
        let group = match &**event {
            Event::Message(delivery) => Some(delivery.conversation.id),
            Event::Joined { conversation, .. } => Some(conversation.id),
            Event::Left { member, .. } => Some(member.conversation),
            Event::GroupRenamed { conversation, .. } => Some(conversation.id),
            // What no view shows.
            Event::TokenEnded(_) | Event::Announced(_) | Event::Recalled(_) => return,
            Event::Read { .. }
            | Event::ContactMade(_)
            | Event::MemberChanged { .. }
            | Event::AccountCreated(_)
            | Event::ProfileChanged(_) => None,
        };
        let mut concerned: SmallVec<[AccountId; 8]> = match group {
            Some(group) => self
                .groups
                .get(&group)
                .map(|here| here.iter().copied().collect())
                .unwrap_or_default(),
            None => self.views.keys().copied().collect(),
        };
        if let Event::Joined { member, .. } = &**event
            && !concerned.contains(&member.account)
        {
            concerned.push(member.account);
        }
        concerned.extend(self.expected_views.keys().copied());
        concerned.sort_unstable();
        concerned.dedup();
        for account in concerned {
            self.apply_to(account, commit, event);
        }
    }

    fn drop_view(&mut self, account: AccountId) {
        let Some(view) = self.views.remove(&account) else {
            return;
        };
        self.views_bytes -= view.bytes();
        for group in view.groups() {
            self.leave_group(group, account);
        }
        self.dropped_views.push(account);
    }

    fn leave_group(&mut self, group: ConversationId, account: AccountId) {
        if let Some(here) = self.groups.get_mut(&group) {
            here.retain(|other| *other != account);
            if here.is_empty() {
                self.groups.remove(&group);
            }
        }
    }
}
