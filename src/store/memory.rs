//! The store in memory: plain maps under one lock. It is what `--memory` runs on, and what the other store is compared with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::account::{Account, ServiceRole};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, MessageId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message};
use crate::domain::needs::ClientKey;
use crate::domain::service::{AgentLoad, Assignment};
use crate::domain::token::{Token, TokenHash};
use crate::store::{Counters, Order, Reader, Result, Snapshot, Store, StoreError, server_account};

/// Keeps everything in memory and nothing past its end.
#[derive(Default)]
pub struct MemoryStore {
    state: Arc<RwLock<State>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }
}

impl Store for MemoryStore {
    fn open(&mut self) -> Result<Counters> {
        Ok(self.state.read().counters)
    }

    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()> {
        let mut state = self.state.write();
        let last = state.counters.commit;
        if number.0 != last.0 + 1 {
            return Err(StoreError(format!(
                "commit {number} does not follow commit {last}"
            )));
        }
        effects.iter().for_each(|effect| state.apply(effect));
        state.counters.commit = number;
        Ok(())
    }

    fn is_new_client_id(&self, sender: AccountId, origin: Dialect, client_id: &str) -> bool {
        let state = self.state.read();
        state.uses(sender, origin, client_id).next().is_none()
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(MemoryReader {
            state: Arc::clone(&self.state),
        }))
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

struct MemoryReader {
    state: Arc<RwLock<State>>,
}

impl Reader for MemoryReader {
    fn snapshot(&mut self, read: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        read(&*self.state.read())
    }
}

struct State {
    counters: Counters,
    accounts: HashMap<AccountId, Arc<Account>>,
    /// Without the server's.
    names: HashMap<Arc<str>, AccountId>,
    tokens: HashMap<TokenHash, Token>,
    tokens_by_account: BTreeSet<(AccountId, TokenHash)>,
    singles: HashMap<Pair, ConversationId>,
    events: HashMap<Pair, ConversationId>,
    conversations: HashMap<ConversationId, Conversation>,
    members: BTreeMap<(ConversationId, AccountId), Member>,
    members_by_account: BTreeSet<(AccountId, ConversationId)>,
    messages: BTreeMap<(ConversationId, u64), Arc<Message>>,
    client_ids: HashMap<ClientKey, u64>,
    message_places: BTreeMap<MessageId, (ConversationId, u64)>,
    /// The conversations in which a sender's client used an id.
    named_in: BTreeSet<(AccountId, Dialect, Arc<str>, ConversationId)>,
    jim_groups: HashMap<Arc<str>, ConversationId>,
    agents: BTreeSet<AccountId>,
    /// By visitor and agent.
    assignments: BTreeMap<(AccountId, AccountId), Assignment>,
}

impl Default for State {
    fn default() -> State {
        let server = server_account();
        State {
            counters: Counters {
                account: server.id,
                ..Counters::default()
            },
            accounts: HashMap::from([(server.id, Arc::new(server))]),
            names: HashMap::new(),
            tokens: HashMap::new(),
            tokens_by_account: BTreeSet::new(),
            singles: HashMap::new(),
            events: HashMap::new(),
            conversations: HashMap::new(),
            members: BTreeMap::new(),
            members_by_account: BTreeSet::new(),
            messages: BTreeMap::new(),
            client_ids: HashMap::new(),
            message_places: BTreeMap::new(),
            named_in: BTreeSet::new(),
            jim_groups: HashMap::new(),
            agents: BTreeSet::new(),
            assignments: BTreeMap::new(),
        }
    }
}

impl State {
    fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Account(account) => {
                self.counters.account = self.counters.account.max(account.id);
                if let Some(old) = self.accounts.insert(account.id, Arc::clone(account)) {
                    self.names.remove(&old.name);
                }
                match account.profile.role {
                    Some(ServiceRole::Agent | ServiceRole::Consultant) => {
                        self.agents.insert(account.id)
                    }
                    Some(ServiceRole::Visitor) | None => self.agents.remove(&account.id),
                };
                if account.id != AccountId::SERVER {
                    self.names.insert(Arc::clone(&account.name), account.id);
                }
            }
            Effect::Token(token) => {
                self.end_token(token.hash);
                self.tokens.insert(token.hash, *token);
                self.tokens_by_account.insert((token.account, token.hash));
            }
            Effect::TokenEnded(token) => self.end_token(token.hash),
            Effect::Conversation(conversation) => {
                self.counters.conversation = self.counters.conversation.max(conversation.id);
                match conversation.kind {
                    ConversationKind::Single(pair) => {
                        self.singles.insert(pair, conversation.id);
                    }
                    ConversationKind::Events(pair) => {
                        self.events.insert(pair, conversation.id);
                    }
                    ConversationKind::Group(_) => {}
                }
                if let Some(name) = conversation
                    .group()
                    .and_then(|group| group.jim_name.as_ref())
                {
                    self.jim_groups.insert(Arc::clone(name), conversation.id);
                }
                self.conversations
                    .insert(conversation.id, conversation.clone());
            }
            Effect::Member(member) => {
                self.members
                    .insert((member.conversation, member.account), member.clone());
                self.members_by_account
                    .insert((member.account, member.conversation));
            }
            Effect::Append(message) => {
                self.counters.message = self.counters.message.max(message.id);
                if let Some(client_id) = &message.client_id {
                    self.client_ids
                        .insert(client_key(message, client_id), message.position.0);
                    let client_id = Arc::clone(client_id);
                    self.named_in.insert((
                        message.sender,
                        message.origin,
                        client_id,
                        message.conversation,
                    ));
                }
                let place = (message.conversation, message.position.0);
                self.message_places.insert(message.id, place);
                self.messages.insert(place, Arc::clone(message));
            }
            Effect::Recall(message) => {
                let place = (message.conversation, message.position.0);
                self.messages.insert(place, Arc::clone(message));
            }
            Effect::ReserveId(id) => self.counters.message = self.counters.message.max(*id),
            Effect::Assign(assignment) => {
                let pair = (assignment.visitor, assignment.agent);
                self.assignments.insert(pair, *assignment);
            }
        }
    }

    fn end_token(&mut self, hash: TokenHash) {
        if let Some(token) = self.tokens.remove(&hash) {
            self.tokens_by_account.remove(&(token.account, hash));
        }
    }

    /// The conversations in which a sender's client used an id.
    fn uses(
        &self,
        sender: AccountId,
        origin: Dialect,
        client_id: &str,
    ) -> impl Iterator<Item = ConversationId> {
        let client_id: Arc<str> = Arc::from(client_id);
        let bound = |conversation| {
            let conversation = ConversationId(conversation);
            (sender, origin, Arc::clone(&client_id), conversation)
        };
        let used = self.named_in.range(bound(0)..=bound(u64::MAX));
        used.map(|(.., conversation)| *conversation)
    }

    /// The messages of a conversation at `positions`, by rising position.
    fn range(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = &Arc<Message>> {
        // An empty range is asked for as one that ends before it starts, which a map's range does not take.
        let range = (!positions.is_empty()).then(|| {
            self.messages
                .range((conversation, *positions.start())..=(conversation, *positions.end()))
        });
        range.into_iter().flatten().map(|(_, message)| message)
    }
}

fn client_key(message: &Message, client_id: &Arc<str>) -> ClientKey {
    ClientKey {
        sender: message.sender,
        conversation: message.conversation,
        origin: message.origin,
        client_id: Arc::clone(client_id),
    }
}

impl Snapshot for State {
    fn commit(&self) -> Result<CommitNumber> {
        Ok(self.counters.commit)
    }

    fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        Ok(self.accounts.get(&id).cloned())
    }

    fn account_named(&self, name: &str) -> Result<Option<Arc<Account>>> {
        Ok(self
            .names
            .get(name)
            .and_then(|id| self.accounts.get(id))
            .cloned())
    }

    fn token(&self, hash: TokenHash) -> Result<Option<Token>> {
        Ok(self.tokens.get(&hash).copied())
    }

    fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        let all = (account, TokenHash([0; 16]))..=(account, TokenHash([0xff; 16]));
        Ok(self
            .tokens_by_account
            .range(all)
            .filter_map(|(_, hash)| self.tokens.get(hash))
            .copied()
            .collect())
    }

    fn single(&self, pair: Pair) -> Result<Option<ConversationId>> {
        Ok(self.singles.get(&pair).copied())
    }

    fn events(&self, pair: Pair) -> Result<Option<ConversationId>> {
        Ok(self.events.get(&pair).copied())
    }

    fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>> {
        let Some(conversation) = self.conversations.get(&id) else {
            return Ok(None);
        };
        let head = match self.range(id, 1..=u64::MAX).next_back() {
            Some(newest) => Head {
                position: newest.position,
                message: newest.id,
                at: newest.at,
            },
            None => Head {
                at: conversation.created_at,
                ..Head::default()
            },
        };
        Ok(Some(Conversation {
            head,
            ..conversation.clone()
        }))
    }

    fn member(&self, conversation: ConversationId, account: AccountId) -> Result<Option<Member>> {
        Ok(self.members.get(&(conversation, account)).cloned())
    }

    fn members(&self, conversation: ConversationId) -> Result<Vec<Member>> {
        let all = (conversation, AccountId(0))..=(conversation, AccountId(u64::MAX));
        let mut members: Vec<Member> = self
            .members
            .range(all)
            .map(|(_, member)| member.clone())
            .collect();
        members.sort_by_key(|member| member.slot);
        Ok(members)
    }

    fn memberships(&self, account: AccountId) -> Result<Vec<Member>> {
        let all = (account, ConversationId(0))..=(account, ConversationId(u64::MAX));
        let keys = self
            .members_by_account
            .range(all)
            .map(|(account, conversation)| (*conversation, *account));
        Ok(keys
            .filter_map(|key| self.members.get(&key))
            .cloned()
            .collect())
    }

    fn messages(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>> {
        let range = self.range(conversation, positions);
        Ok(match order {
            Order::OldestFirst => range.take(rows_max).cloned().collect(),
            Order::NewestFirst => range.rev().take(rows_max).cloned().collect(),
        })
    }

    fn message_ids(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<MessageId>> {
        let newest = self.range(conversation, positions).rev().take(rows_max);
        Ok(newest.map(|message| message.id).collect())
    }

    fn messages_from_others(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>> {
        Ok(self
            .range(conversation, positions)
            .filter(|message| message.sender != account)
            .take(rows_max)
            .cloned()
            .collect())
    }

    fn count_sent(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
    ) -> Result<u64> {
        Ok(self
            .range(conversation, positions)
            .filter(|message| message.sender == account)
            .count() as u64)
    }

    fn message_named(
        &self,
        sender: AccountId,
        conversation: ConversationId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>> {
        let key = ClientKey {
            sender,
            conversation,
            origin,
            client_id: Arc::from(client_id),
        };
        Ok(self
            .client_ids
            .get(&key)
            .and_then(|position| self.messages.get(&(conversation, *position)))
            .cloned())
    }

    fn message(&self, id: MessageId) -> Result<Option<Arc<Message>>> {
        let place = self.message_places.get(&id);
        Ok(place.and_then(|place| self.messages.get(place)).cloned())
    }

    fn newest_message_named(
        &self,
        sender: AccountId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>> {
        let used = self.uses(sender, origin, client_id);
        let found =
            used.map(|conversation| self.message_named(sender, conversation, origin, client_id));
        let found = found.collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().flatten().max_by_key(|message| message.id))
    }

    fn jim_group(&self, name: &str) -> Result<Option<ConversationId>> {
        Ok(self.jim_groups.get(name).copied())
    }

    fn agents(&self) -> Result<Vec<Arc<Account>>> {
        let agents = self.agents.iter().filter_map(|id| self.accounts.get(id));
        Ok(agents.cloned().collect())
    }

    fn assignments(&self, visitor: AccountId) -> Result<Vec<Assignment>> {
        let all = (visitor, AccountId(0))..=(visitor, AccountId(u64::MAX));
        let found = self.assignments.range(all);
        Ok(found.map(|(_, assignment)| *assignment).collect())
    }

    fn agent_load(&self, agent: AccountId, since: TimeMs) -> Result<AgentLoad> {
        let given = || {
            self.assignments
                .values()
                .filter(|given| given.agent == agent)
        };
        Ok(AgentLoad {
            visitors: given().filter(|given| given.at >= since).count() as u64,
            last_at: given().map(|given| given.at).max(),
        })
    }
}
