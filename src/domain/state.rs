//! The rows that the writer has in memory, and `apply`: what effects mean to them.

mod packed;
mod pairs;

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::cache::Cache;
use crate::domain::cache::rows::{heap, text_bytes};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, Group, Head, Pair, Topic};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::needs::{ClientKey, Key, RecallKey, Row};
use crate::domain::service::{Assignment, Candidates};
use crate::domain::state::packed::Part;
use crate::domain::state::pairs::Pairs;
use crate::domain::token::{Token, TokenHash};
use crate::limits::STATE_CACHE_BYTES_MAX;

#[cfg(test)]
mod tests;

/// A bounded part of the store's rows, kept true by [`State::apply`]. What is not here must be loaded before it is looked at.
#[derive(Debug)]
pub struct State {
    accounts: Cache<AccountId, Option<Arc<Account>>>,
    names: Cache<Arc<str>, Option<AccountId>>,
    /// Conversations of pairs, with their members.
    pairs: Pairs,
    /// Groups, and conversations that do not exist.
    groups: Cache<ConversationId, Option<Conversation>>,
    /// Members of those, and who is none.
    members: Cache<(ConversationId, AccountId), Part>,
    tokens: Cache<TokenHash, Option<Token>>,
    tokens_of: Cache<AccountId, Box<[Token]>>,
    client_ids: Cache<ClientKey, Option<Arc<Message>>>,
    jim_groups: Cache<Arc<str>, Option<ConversationId>>,
    /// Assignments that a load under way may not show.
    assignments: Vec<(CommitNumber, Assignment)>,
    /// Tokens of accounts whose lists are not here that a load under way may not show, or may show though they have ended.
    token_changes: Vec<(CommitNumber, TokenChange)>,
    /// Loaded for one command and used up by it, as what follows.
    candidates: Option<Box<Candidates>>,
    recalled: Option<(RecallKey, Option<Arc<Message>>)>,
    /// Loaded for one command and used up by it, since too much could change it.
    shown: Option<(AccountId, Arc<str>, Option<ConversationId>)>,
    /// Who was a member of a group when that was loaded.
    group_members: Option<(ConversationId, Vec<AccountId>)>,
}

impl Default for State {
    fn default() -> State {
        State::bounded(STATE_CACHE_BYTES_MAX)
    }
}

/// What becomes of a token.
#[derive(Clone, Copy, Debug)]
enum TokenChange {
    Put(Token),
    Ended(Token),
}

impl TokenChange {
    fn token(&self) -> &Token {
        match self {
            TokenChange::Put(token) | TokenChange::Ended(token) => token,
        }
    }

    /// Brings a list forward, which may have the change already.
    fn apply(&self, tokens: &mut Vec<Token>) {
        tokens.retain(|other| other.hash != self.token().hash);
        if let TokenChange::Put(token) = self {
            tokens.push(*token);
        }
    }
}

/// A row that is not in memory.
pub type Found<T> = Result<T, Key>;

impl State {
    /// Nothing in memory yet, and of each kind of row at most `bytes_max` after [`State::shrink`].
    pub fn bounded(bytes_max: usize) -> State {
        State {
            accounts: Cache::new(bytes_max, |(_, account)| {
                account.as_deref().map_or(0, account_bytes)
            }),
            names: Cache::new(bytes_max, |(name, _)| text_bytes(name)),
            pairs: Pairs::new(bytes_max),
            groups: Cache::new(bytes_max, |(_, group)| {
                group.as_ref().map_or(0, group_bytes)
            }),
            members: Cache::new(bytes_max, |(_, part)| part.heap_bytes()),
            tokens: Cache::new(bytes_max, |_| 0),
            tokens_of: Cache::new(bytes_max, |(_, tokens)| heap(size_of_val(&**tokens))),
            client_ids: Cache::new(bytes_max, |(key, message)| {
                text_bytes(&key.client_id) + message.as_deref().map_or(0, message_bytes)
            }),
            jim_groups: Cache::new(bytes_max, |(name, _)| text_bytes(name)),
            assignments: Vec::new(),
            token_changes: Vec::new(),
            candidates: None,
            recalled: None,
            shown: None,
            group_members: None,
        }
    }

    /// An account by its number.
    pub fn account(&mut self, id: AccountId) -> Found<Option<Arc<Account>>> {
        self.accounts.get(&id).cloned().ok_or(Key::Account(id))
    }

    /// An account by its name.
    pub fn account_named(&mut self, name: &Arc<str>) -> Found<Option<Arc<Account>>> {
        match self.names.get(name).copied() {
            None => Err(Key::Name(Arc::clone(name))),
            Some(None) => Ok(None),
            Some(Some(id)) => self.account(id),
        }
    }

    /// A conversation of a pair with the parts of both, the lower account's first.
    pub fn single(
        &mut self,
        pair: Pair,
        topic: Topic,
    ) -> Found<Option<(Conversation, Member, Member)>> {
        let found = self.pairs.single(pair, topic);
        found.ok_or(Key::Single(pair, topic))
    }

    /// A conversation by its number.
    pub fn conversation(&mut self, id: ConversationId) -> Found<Option<Conversation>> {
        match self.pairs.conversation(id) {
            None => self.groups.get(&id).cloned().ok_or(Key::Conversation(id)),
            found => Ok(found),
        }
    }

    /// An account's part in a conversation.
    pub fn member(
        &mut self,
        conversation: ConversationId,
        account: AccountId,
    ) -> Found<Option<Member>> {
        if let Some(found) = self.pairs.member(conversation, account) {
            return Ok(found);
        }
        let key = (conversation, account);
        let found = self.members.get(&key).map(|part| part.get(key));
        found.ok_or(Key::Member(conversation, account))
    }

    /// All members of `group`, which are `count`, by slot. What was loaded serves once, with those who have joined since.
    pub fn members(&mut self, group: ConversationId, count: u32) -> Found<Vec<Member>> {
        let missing = || Key::Members(group);
        let loaded = self.group_members.take();
        let (_, accounts) = loaded
            .filter(|(loaded, _)| *loaded == group)
            .ok_or_else(missing)?;
        let mut members = Vec::with_capacity(accounts.len());
        for account in accounts {
            members.extend(self.member(group, account).map_err(|_| missing())?);
        }
        members.retain(Member::is_active);
        if members.len() != count as usize {
            // What has changed since the load was asked for is in memory, as is what it gave.
            let known = self.members.iter().filter(|(key, _)| key.0 == group);
            let known = known.filter_map(|(key, part)| part.get(*key));
            members = known.filter(Member::is_active).collect();
        }
        members.sort_unstable_by_key(|member| member.slot);
        Ok(members)
    }

    /// The group that is shown to `account` under `name`. What was loaded serves once.
    pub fn shown(&mut self, account: AccountId, name: &Arc<str>) -> Found<Option<ConversationId>> {
        match self.shown.take() {
            Some((asker, asked, group)) if asker == account && asked == *name => Ok(group),
            _ => Err(Key::Shown(account, Arc::clone(name))),
        }
    }

    /// A token.
    pub fn token(&mut self, hash: TokenHash) -> Found<Option<Token>> {
        self.tokens.get(&hash).copied().ok_or(Key::Token(hash))
    }

    /// All tokens of an account.
    pub fn tokens_of(&mut self, account: AccountId) -> Found<Vec<Token>> {
        let found = self.tokens_of.get(&account);
        let tokens = found.map(|tokens| tokens.to_vec());
        tokens.ok_or(Key::Tokens(account))
    }

    /// The message to which a client gave an id.
    pub fn client_id(&mut self, key: ClientKey) -> Found<Option<Arc<Message>>> {
        self.client_ids.get(&key).cloned().ok_or(Key::ClientId(key))
    }

    /// The group that `jim` clients made under `name`.
    pub fn jim_group(&mut self, name: &Arc<str>) -> Found<Option<ConversationId>> {
        self.jim_groups
            .get(name)
            .copied()
            .ok_or_else(|| Key::JimGroup(Arc::clone(name)))
    }

    /// Among whom the agent of `visitor` is chosen. What was loaded serves once, with the assignments since.
    pub fn candidates(&mut self, visitor: AccountId, since: TimeMs) -> Found<Box<Candidates>> {
        match self.candidates.take() {
            Some(mut candidates) if candidates.visitor == visitor && candidates.since == since => {
                for (commit, assignment) in &self.assignments {
                    candidates.add(*commit, assignment);
                }
                Ok(candidates)
            }
            _ => Err(Key::Candidates(visitor, since)),
        }
    }

    /// The message to take back. What was loaded serves once.
    pub fn recalled(&mut self, key: &RecallKey) -> Found<Option<Arc<Message>>> {
        match self.recalled.take() {
            Some((loaded, message)) if loaded == *key => Ok(message),
            _ => Err(Key::Recall(key.clone())),
        }
    }

    /// Takes a loaded row, unless a newer one is here.
    pub fn insert(&mut self, row: Row) {
        match row {
            Row::Account(id, account) => self.accounts.put_loaded(id, account),
            Row::Name(name, account) => {
                let id = account.as_ref().map(|account| account.id);
                self.names.put_loaded(name, id);
                if let Some(id) = id {
                    self.accounts.put_loaded(id, account);
                }
            }
            Row::Single(pair, topic, row) => self.pairs.put_loaded(pair, topic, row),
            Row::Conversation(id, group) => {
                if !self.pairs.has(id) {
                    self.groups.put_loaded(id, group);
                }
            }
            Row::Member(conversation, account, member) => {
                if !self.pairs.has(conversation) {
                    let part = Part::new(member.as_ref());
                    self.members.put_loaded((conversation, account), part);
                }
            }
            Row::Shown(account, name, group) => self.shown = Some((account, name, group)),
            Row::Token(hash, token) => self.tokens.put_loaded(hash, token),
            Row::Tokens(account, mut tokens) => {
                let changes = self.token_changes.iter().map(|(_, change)| change);
                let changes = changes.filter(|change| change.token().account == account);
                changes.for_each(|change| change.apply(&mut tokens));
                self.tokens_of.put_loaded(account, tokens.into());
            }
            Row::ClientId(key, message) => self.client_ids.put_loaded(key, message),
            Row::JimGroup(name, group) => self.jim_groups.put_loaded(name, group),
            Row::Members(group, members) => {
                let accounts = members.iter().map(|member| member.account).collect();
                self.group_members = Some((group, accounts));
                for member in members {
                    let part = Part::new(Some(&member));
                    self.members.put_loaded((group, member.account), part);
                }
            }
            Row::Candidates(candidates) => self.candidates = Some(candidates),
            Row::Recall(key, message) => self.recalled = Some((key, message)),
        }
    }

    /// Brings the rows forward by the effects of a command in `commit`. It cannot fail.
    pub fn apply(&mut self, effects: &[Effect], commit: CommitNumber) {
        for effect in effects {
            match effect {
                Effect::Account(account) => {
                    let (id, name) = (account.id, Arc::clone(&account.name));
                    self.names.put(name, Some(id), commit);
                    self.accounts.put(id, Some(Arc::clone(account)), commit);
                }
                Effect::Token(token) => {
                    self.tokens.put(token.hash, Some(*token), commit);
                    self.change_tokens_of(TokenChange::Put(*token), commit);
                }
                Effect::TokenEnded(token) => {
                    self.tokens.put(token.hash, None, commit);
                    self.change_tokens_of(TokenChange::Ended(*token), commit);
                }
                Effect::Conversation(conversation) => self.apply_conversation(conversation, commit),
                Effect::Member(member) => {
                    if !self.pairs.set_member(member, commit) {
                        let key = (member.conversation, member.account);
                        self.members.put(key, Part::new(Some(member)), commit);
                    }
                }
                Effect::Append(message) => self.apply_append(message, commit),
                Effect::Recall(message) => self.put_client_id(message, commit),
                Effect::Assign(assignment) => self.assignments.push((commit, *assignment)),
                Effect::ReserveId(_) => {}
            }
        }
    }

    /// What a command changes of a conversation it has looked at, so that a pair's, which is one row with its members, is in memory or begins.
    fn apply_conversation(&mut self, conversation: &Conversation, commit: CommitNumber) {
        let id = conversation.id;
        match conversation.pair() {
            Some((pair, _)) => {
                // Somebody may have asked for it before it began.
                self.groups.remove(&id);
                self.members.remove(&(id, pair.low()));
                self.members.remove(&(id, pair.high()));
                self.pairs.put(conversation, commit);
            }
            None => {
                let group = conversation.group();
                if let Some(name) = group.and_then(|group| group.jim_name.clone()) {
                    self.jim_groups.put(name, Some(id), commit);
                }
                self.groups.put(id, Some(conversation.clone()), commit);
            }
        }
    }

    fn apply_append(&mut self, message: &Arc<Message>, commit: CommitNumber) {
        let id = message.conversation;
        let head = Head {
            position: message.position,
            message: message.id,
            at: message.at,
        };
        if !self.pairs.set_head(id, head, commit) {
            self.groups.change(&id, commit, |group| {
                if let Some(group) = group {
                    group.head = head;
                }
            });
        }
        self.put_client_id(message, commit);
    }

    fn put_client_id(&mut self, message: &Arc<Message>, commit: CommitNumber) {
        if let Some(client_id) = &message.client_id {
            let key = ClientKey {
                sender: message.sender,
                conversation: message.conversation,
                origin: message.origin,
                client_id: Arc::clone(client_id),
            };
            self.client_ids.put(key, Some(Arc::clone(message)), commit);
        }
    }

    fn change_tokens_of(&mut self, change: TokenChange, commit: CommitNumber) {
        let account = change.token().account;
        let is_here = self.tokens_of.change(&account, commit, |tokens| {
            let mut changed = tokens.to_vec();
            change.apply(&mut changed);
            *tokens = changed.into();
        });
        if !is_here {
            self.token_changes.push((commit, change));
        }
    }

    /// Forgets what was used least recently, down to the bounds; `floor` is the commit at which the oldest load under way began.
    pub fn shrink(&mut self, floor: CommitNumber) {
        self.accounts.shrink(floor);
        self.names.shrink(floor);
        self.pairs.shrink(floor);
        self.groups.shrink(floor);
        self.members.shrink(floor);
        self.tokens.shrink(floor);
        self.tokens_of.shrink(floor);
        self.client_ids.shrink(floor);
        self.jim_groups.shrink(floor);
        // Without a load under way `floor` is the newest commit, and nothing stays.
        self.assignments.retain(|(commit, _)| *commit > floor);
        self.token_changes.retain(|(commit, _)| *commit > floor);
    }
}

fn account_bytes(account: &Account) -> usize {
    let profile = &account.profile;
    let texts = [
        &account.name,
        &profile.nick,
        &profile.avatar,
        &profile.terminal,
    ];
    let texts = texts.into_iter().map(|text| text_bytes(text));
    shared_bytes::<Account>() + texts.sum::<usize>()
}

fn group_bytes(conversation: &Conversation) -> usize {
    conversation.group().map_or(0, |group| {
        let texts = [&group.name, &group.image, &group.description];
        let texts = texts.into_iter().chain(&group.jim_name);
        shared_bytes::<Group>() + texts.map(|text| text_bytes(text)).sum::<usize>()
    })
}

fn message_bytes(message: &Message) -> usize {
    let attributes = message.attributes.as_deref().map_or(0, text_bytes);
    shared_bytes::<Message>() + text_bytes(&message.body) + attributes
}

/// What a shared value takes: its counts and itself.
fn shared_bytes<T>() -> usize {
    heap(2 * size_of::<usize>() + size_of::<T>())
}
