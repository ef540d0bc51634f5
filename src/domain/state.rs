//! The rows that the writer has in memory, and `apply`: what effects mean to them.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::cache::Cache;
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair, Topic};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::needs::{ClientKey, Key, RecallKey, Row};
use crate::domain::service::{Assignment, Candidates};
use crate::domain::token::{Token, TokenHash};
use crate::limits::STATE_CACHE_BYTES_MAX;

/// A bounded part of the store's rows, kept true by [`State::apply`]. What is not here must be loaded before it is looked at.
#[derive(Debug)]
pub struct State {
    accounts: Cache<AccountId, Option<Arc<Account>>>,
    names: Cache<Arc<str>, Option<AccountId>>,
    singles: Cache<(Pair, Topic), Option<ConversationId>>,
    conversations: Cache<ConversationId, Option<Conversation>>,
    members: Cache<(ConversationId, AccountId), Option<Member>>,
    tokens: Cache<TokenHash, Option<Token>>,
    tokens_of: Cache<AccountId, Vec<Token>>,
    client_ids: Cache<ClientKey, Option<Arc<Message>>>,
    jim_groups: Cache<Arc<str>, Option<ConversationId>>,
    /// Assignments that a load under way may not show.
    assignments: Vec<(CommitNumber, Assignment)>,
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

/// A row that is not in memory.
pub type Found<T> = Result<T, Key>;

impl State {
    /// Nothing in memory yet, and of each kind of row at most `bytes_max` after [`State::shrink`].
    pub fn bounded(bytes_max: usize) -> State {
        State {
            accounts: Cache::new(bytes_max),
            names: Cache::new(bytes_max),
            singles: Cache::new(bytes_max),
            conversations: Cache::new(bytes_max),
            members: Cache::new(bytes_max),
            tokens: Cache::new(bytes_max),
            tokens_of: Cache::new(bytes_max),
            client_ids: Cache::new(bytes_max),
            jim_groups: Cache::new(bytes_max),
            assignments: Vec::new(),
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
        let missing = || Key::Single(pair, topic);
        let Some(id) = *self.singles.get(&(pair, topic)).ok_or_else(missing)? else {
            return Ok(None);
        };
        let conversation = self
            .conversations
            .get(&id)
            .cloned()
            .flatten()
            .ok_or_else(missing)?;
        let low = self
            .members
            .get(&(id, pair.low()))
            .cloned()
            .flatten()
            .ok_or_else(missing)?;
        let high = self
            .members
            .get(&(id, pair.high()))
            .cloned()
            .flatten()
            .ok_or_else(missing)?;
        Ok(Some((conversation, low, high)))
    }

    /// A conversation by its number.
    pub fn conversation(&mut self, id: ConversationId) -> Found<Option<Conversation>> {
        self.conversations
            .get(&id)
            .cloned()
            .ok_or(Key::Conversation(id))
    }

    /// An account's part in a conversation.
    pub fn member(
        &mut self,
        conversation: ConversationId,
        account: AccountId,
    ) -> Found<Option<Member>> {
        self.members
            .get(&(conversation, account))
            .cloned()
            .ok_or(Key::Member(conversation, account))
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
            let known = self.members.values().flatten();
            let known = known.filter(|member| member.conversation == group && member.is_active());
            members = known.cloned().collect();
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
        self.tokens_of
            .get(&account)
            .cloned()
            .ok_or(Key::Tokens(account))
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
            Row::Account(id, account) => self.insert_account(id, account),
            Row::Name(name, account) => {
                let id = account.as_ref().map(|account| account.id);
                self.names.put_loaded(Arc::clone(&name), id, name.len());
                if let Some(id) = id {
                    self.insert_account(id, account);
                }
            }
            Row::Single(pair, topic, row) => {
                let id = row.as_ref().map(|row| row.conversation.id);
                self.singles.put_loaded((pair, topic), id, 0);
                if let Some(row) = row {
                    let id = row.conversation.id;
                    self.conversations.put_loaded(id, Some(row.conversation), 0);
                    self.members
                        .put_loaded((id, row.low.account), Some(row.low), 0);
                    self.members
                        .put_loaded((id, row.high.account), Some(row.high), 0);
                }
            }
            Row::Conversation(id, conversation) => {
                let bytes = conversation.as_ref().map_or(0, conversation_bytes);
                self.conversations.put_loaded(id, conversation, bytes);
            }
            Row::Member(conversation, account, member) => {
                self.members.put_loaded((conversation, account), member, 0)
            }
            Row::Shown(account, name, group) => self.shown = Some((account, name, group)),
            Row::Token(hash, token) => self.tokens.put_loaded(hash, token, 0),
            Row::Tokens(account, tokens) => {
                let bytes = tokens.len() * size_of::<Token>();
                self.tokens_of.put_loaded(account, tokens, bytes);
            }
            Row::ClientId(key, message) => {
                let bytes = key.client_id.len() + message.as_ref().map_or(0, |m| message_bytes(m));
                self.client_ids.put_loaded(key, message, bytes);
            }
            Row::JimGroup(name, group) => {
                let bytes = name.len();
                self.jim_groups.put_loaded(name, group, bytes);
            }
            Row::Members(group, members) => {
                let accounts = members.iter().map(|member| member.account).collect();
                self.group_members = Some((group, accounts));
                for member in members {
                    self.members
                        .put_loaded((group, member.account), Some(member), 0);
                }
            }
            Row::Candidates(candidates) => self.candidates = Some(candidates),
            Row::Recall(key, message) => self.recalled = Some((key, message)),
        }
    }

    fn insert_account(&mut self, id: AccountId, account: Option<Arc<Account>>) {
        let bytes = account.as_ref().map_or(0, |account| account_bytes(account));
        self.accounts.put_loaded(id, account, bytes);
    }

    /// Brings the rows forward by the effects of a command in `commit`. It cannot fail.
    pub fn apply(&mut self, effects: &[Effect], commit: CommitNumber) {
        for effect in effects {
            match effect {
                Effect::Account(account) => {
                    self.names.put(
                        Arc::clone(&account.name),
                        Some(account.id),
                        account.name.len(),
                        commit,
                    );
                    self.accounts.put(
                        account.id,
                        Some(Arc::clone(account)),
                        account_bytes(account),
                        commit,
                    );
                }
                Effect::Token(token) => {
                    self.tokens.put(token.hash, Some(*token), 0, commit);
                    self.change_tokens_of(token.account, commit, |tokens| {
                        tokens.retain(|other| other.hash != token.hash);
                        tokens.push(*token);
                    });
                }
                Effect::TokenEnded(token) => {
                    self.tokens.put(token.hash, None, 0, commit);
                    self.change_tokens_of(token.account, commit, |tokens| {
                        tokens.retain(|other| other.hash != token.hash)
                    });
                }
                Effect::Conversation(conversation) => {
                    let key = match conversation.kind {
                        ConversationKind::Single(pair) => Some((pair, Topic::Messages)),
                        ConversationKind::Events(pair) => Some((pair, Topic::Events)),
                        ConversationKind::Group(_) => None,
                    };
                    if let Some(key) = key {
                        self.singles.put(key, Some(conversation.id), 0, commit);
                    }
                    if let Some(group) = conversation.group()
                        && let Some(name) = &group.jim_name
                    {
                        let (name, bytes) = (Arc::clone(name), name.len());
                        self.jim_groups
                            .put(name, Some(conversation.id), bytes, commit);
                    }
                    let bytes = conversation_bytes(conversation);
                    self.conversations.put(
                        conversation.id,
                        Some(conversation.clone()),
                        bytes,
                        commit,
                    );
                }
                Effect::Member(member) => {
                    let key = (member.conversation, member.account);
                    self.members
                        .put(key, Some(member.clone()), member.alias.len(), commit);
                }
                Effect::Append(message) => self.apply_append(message, commit),
                Effect::Recall(message) => self.put_client_id(message, commit),
                Effect::Assign(assignment) => self.assignments.push((commit, *assignment)),
                Effect::ReserveId(_) => {}
            }
        }
    }

    fn apply_append(&mut self, message: &Arc<Message>, commit: CommitNumber) {
        if let Some(Some(conversation)) = self.conversations.get_mut(&message.conversation, commit)
        {
            conversation.head = Head {
                position: message.position,
                message: message.id,
                at: message.at,
            };
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
            let bytes = client_id.len() + message_bytes(message);
            self.client_ids
                .put(key, Some(Arc::clone(message)), bytes, commit);
        }
    }

    /// A list that is not in memory needs no change: it will be loaded as it is then.
    fn change_tokens_of(
        &mut self,
        account: AccountId,
        commit: CommitNumber,
        change: impl FnOnce(&mut Vec<Token>),
    ) {
        if let Some(mut tokens) = self.tokens_of.get(&account).cloned() {
            change(&mut tokens);
            let bytes = tokens.len() * size_of::<Token>();
            self.tokens_of.put(account, tokens, bytes, commit);
        }
    }

    /// Forgets what was used least recently, down to the bounds; `floor` is the commit at which the oldest load under way began.
    pub fn shrink(&mut self, floor: CommitNumber) {
        self.accounts.shrink(floor);
        self.names.shrink(floor);
        self.singles.shrink(floor);
        self.conversations.shrink(floor);
        self.members.shrink(floor);
        self.tokens.shrink(floor);
        self.tokens_of.shrink(floor);
        self.client_ids.shrink(floor);
        self.jim_groups.shrink(floor);
        // Without a load under way `floor` is the newest commit, and nothing stays.
        self.assignments.retain(|(commit, _)| *commit > floor);
    }
}

fn account_bytes(account: &Account) -> usize {
    let profile = &account.profile;
    size_of::<Account>()
        + account.name.len()
        + profile.nick.len()
        + profile.avatar.len()
        + profile.terminal.len()
}

fn conversation_bytes(conversation: &Conversation) -> usize {
    conversation.group().map_or(0, |group| {
        group.name.len() + group.image.len() + group.description.len()
    })
}

fn message_bytes(message: &Message) -> usize {
    size_of::<Message>()
        + message.body.len()
        + message.attributes.as_ref().map_or(0, |text| text.len())
}
