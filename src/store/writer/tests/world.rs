//! A writer over a store that can be made to fail, the model beside it, and the memory of some shards behind it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{LoadRequest, Loaded, Submitted, Writer};
use super::model::{Model, Rising, Said};
use crate::domain::command::{Command, Effect, Peer, Refusal, Reply};
use crate::domain::decide::Policy;
use crate::domain::desk::Desk;
use crate::domain::event::{Audience, Told};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, TimeMs};
use crate::domain::member::ReadMark;
use crate::domain::message::Dialect;
use crate::domain::query::{Answer, Answered, MessagePage, Query};
use crate::domain::state::State;
use crate::domain::view::{View, ViewRow};
use crate::limits::{STATE_CACHE_BYTES_MAX, TOKEN_IDLE_TTL_S};
use crate::store::load::fetch;
use crate::store::memory::MemoryStore;
use crate::store::query::ask;
use crate::store::{Counters, Reader, Result, Store, StoreError};

pub(super) const POLICY: Policy = Policy {
    open_directory: true,
    group_members_max: 4,
    token_idle_ms_max: TOKEN_IDLE_TTL_S as i64 * 1_000,
};

/// Accounts whose views are compared.
const ACCOUNTS: std::ops::Range<u64> = 2..10;

/// When a store fails.
#[derive(Clone, Default)]
pub(super) struct Faults {
    pub(super) commit: Arc<AtomicBool>,
    pub(super) open: Arc<AtomicBool>,
    /// A commit that fails is stored all the same.
    pub(super) lands: Arc<AtomicBool>,
}

struct Faulty {
    inner: MemoryStore,
    faults: Faults,
}

impl Store for Faulty {
    fn open(&mut self) -> Result<Counters> {
        if self.faults.open.load(Ordering::Relaxed) {
            return Err(StoreError("cannot open".to_owned()));
        }
        self.inner.open()
    }

    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()> {
        if self.faults.commit.load(Ordering::Relaxed) {
            if self.faults.lands.load(Ordering::Relaxed) {
                self.inner.commit(number, effects)?;
            }
            return Err(StoreError("cannot commit".to_owned()));
        }
        self.inner.commit(number, effects)
    }

    fn is_new_client_id(&self, sender: AccountId, origin: Dialect, client_id: &str) -> bool {
        self.inner.is_new_client_id(sender, origin, client_id)
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        self.inner.reader()
    }

    fn close(&mut self) -> Result<()> {
        self.inner.close()
    }
}

/// The number of a command, by which its answer is known.
pub(super) type Number = usize;

pub(super) struct World {
    pub(super) writer: Writer<Number>,
    pub(super) faults: Faults,
    pub(super) model: Model,
    /// Whether commands are held to the model, which does not know all.
    pub(super) has_model: bool,
    pub(super) now: TimeMs,
    pub(super) policy: Policy,
    /// Of each kind of row, what the writer keeps in memory.
    cache_bytes_max: usize,
    reader: Box<dyn Reader>,
    /// The lane and the command of each number.
    submitted: Vec<(u64, Command)>,
    /// Numbers without an answer, by lane.
    unanswered: BTreeMap<u64, VecDeque<Number>>,
    pub(super) requests: Vec<LoadRequest>,
    /// Rows that were read and not handed over.
    fetched: Vec<Loaded>,
    rising: Rising,
    pub(super) desks: Vec<Follower>,
    /// Every account's view at each commit.
    fresh: HashMap<(CommitNumber, AccountId), View>,
}

impl World {
    pub(super) fn new(policy: Policy, cache_bytes_max: usize) -> World {
        let faults = Faults::default();
        let inner = MemoryStore::new();
        let reader = inner.reader().unwrap();
        let mut store = Faulty {
            inner,
            faults: faults.clone(),
        };
        let counters = store.open().unwrap();
        let mut world = World {
            writer: Writer::resume(Box::new(store), policy, counters),
            faults,
            model: Model::default(),
            has_model: true,
            now: TimeMs(1_800_000_000_000),
            policy,
            cache_bytes_max,
            reader,
            submitted: Vec::new(),
            unanswered: BTreeMap::new(),
            requests: Vec::new(),
            fetched: Vec::new(),
            rising: Rising::default(),
            desks: Vec::new(),
            fresh: HashMap::new(),
        };
        world.writer.state = State::bounded(cache_bytes_max);
        world.keep_fresh();
        world
    }

    pub(super) fn with_default_cache() -> World {
        World::new(POLICY, STATE_CACHE_BYTES_MAX)
    }

    pub(super) fn ask(&mut self, query: &Query) -> Answered {
        ask(&mut *self.reader, query).unwrap()
    }

    pub(super) fn submit(&mut self, lane: u64, command: Command) -> Number {
        let number = self.submitted.len();
        self.now.0 += 3;
        self.submitted.push((lane, command.clone()));
        self.unanswered.entry(lane).or_default().push_back(number);
        let submitted = Submitted {
            lane,
            command,
            reply_to: number,
        };
        self.writer.handle_submitted(submitted, self.now);
        self.take_requests();
        number
    }

    fn take_requests(&mut self) {
        while let Some(request) = self.writer.poll_load() {
            self.requests.push(request);
        }
    }

    pub(super) fn read(&mut self, request: &LoadRequest) -> Loaded {
        let loaded = fetch(&mut *self.reader, request);
        assert!(loaded.rows.is_ok(), "{loaded:?}");
        loaded
    }

    /// A reader reads what commands wait for; the rows are handed over later.
    pub(super) fn fetch(&mut self) {
        for request in std::mem::take(&mut self.requests) {
            let loaded = self.read(&request);
            self.fetched.push(loaded);
        }
    }

    pub(super) fn hand_over(&mut self, place: usize) {
        if !self.fetched.is_empty() {
            let loaded = self.fetched.remove(place % self.fetched.len());
            self.give(loaded);
        }
    }

    pub(super) fn give(&mut self, loaded: Loaded) {
        self.writer.handle_loaded(loaded, self.now);
        self.take_requests();
    }

    /// Lets everything that waits for rows have them.
    pub(super) fn settle(&mut self) {
        self.serve();
        assert_eq!(self.writer.parked(), 0);
    }

    /// Lets what asked for rows have them, apart from requests that were taken away.
    pub(super) fn serve(&mut self) {
        while !(self.requests.is_empty() && self.fetched.is_empty()) {
            self.fetch();
            self.hand_over(0);
        }
    }

    /// Ends the batch and holds its answers to the model; if the store is to fail, nothing of the batch may be seen.
    pub(super) fn commit(
        &mut self,
        fails: bool,
    ) -> Vec<(Number, std::result::Result<Reply, Refusal>)> {
        let before = self.writer.commit_number();
        let stored = self
            .ask(&Query::Session(crate::domain::token::TokenHash([0; 16])))
            .commit;
        assert_eq!(before, stored);
        self.faults.commit.store(fails, Ordering::Relaxed);
        let has_effects = !self.writer.batch.effects.is_empty();
        let released = self.writer.commit();
        self.faults.commit.store(false, Ordering::Relaxed);
        let failed = fails && has_effects;
        assert_eq!(released.failures.len(), usize::from(failed));
        assert!(self.writer.is_healthy());
        if failed {
            assert!(released.told.is_empty() && released.commit.is_none());
            assert_eq!(released.effects, 0);
            assert_eq!(self.writer.commit_number(), before);
            self.writer.state = State::bounded(self.cache_bytes_max);
        }
        assert_eq!(released.commit.is_some(), has_effects && !failed);
        for (number, reply) in &released.replies {
            let (lane, command) = &self.submitted[*number];
            let next = self.unanswered.get_mut(lane).and_then(VecDeque::pop_front);
            assert_eq!(next, Some(*number), "answers of a lane are out of order");
            if failed {
                assert_eq!(*reply, Err(Refusal::Failure));
                continue;
            }
            if *reply == Err(Refusal::Busy) {
                assert!(
                    self.cache_bytes_max < STATE_CACHE_BYTES_MAX,
                    "rows were forgotten too early"
                );
                continue;
            }
            if self.has_model {
                let expected = self.model.run(command, &self.policy);
                let said = reply.as_ref().map(Said::of).map_err(|refusal| *refusal);
                assert_eq!(said, expected, "{command:?}");
            }
            if let Ok(Reply::Sent {
                message,
                repeated: false,
                ..
            }) = reply
            {
                self.rising.check(message.id);
            }
        }
        if let Some(number) = released.commit {
            assert_eq!(number.0, before.0 + 1);
            self.keep_fresh();
            for desk in &mut self.desks {
                desk.queue
                    .push_back(Entry::Commit(number, desk.concerned(&released.told)));
            }
        }
        released.replies
    }

    /// One command, done and committed.
    pub(super) fn run(&mut self, command: Command) -> std::result::Result<Reply, Refusal> {
        let number = self.submit(0, command);
        self.settle();
        let replies = self.commit(false);
        replies
            .into_iter()
            .find(|(other, _)| *other == number)
            .unwrap()
            .1
    }

    fn keep_fresh(&mut self) {
        for account in ACCOUNTS.map(AccountId) {
            let answered = self.ask(&Query::View(account));
            let Answer::View(view) = answered.answer else {
                panic!("no view")
            };
            self.fresh.insert((answered.commit, account), *view);
        }
    }

    pub(super) fn view(&mut self, account: u64) -> View {
        let Answer::View(view) = self.ask(&Query::View(AccountId(account))).answer else {
            panic!("no view")
        };
        *view
    }

    pub(super) fn unread_page(
        &mut self,
        account: u64,
        conversation: u64,
        rows_max: usize,
    ) -> Option<Box<MessagePage>> {
        let query = Query::Unread {
            account: AccountId(account),
            peer: Peer::Conversation(ConversationId(conversation)),
            rows_max,
        };
        let Answer::Unread(page) = self.ask(&query).answer else {
            panic!("no page")
        };
        page
    }

    pub(super) fn mark(
        &mut self,
        account: u64,
        conversation: u64,
        rows_max: usize,
    ) -> Option<ReadMark> {
        self.unread_page(account, conversation, rows_max)?.mark
    }

    fn history(
        &mut self,
        account: u64,
        conversation: u64,
        page: u64,
        size: usize,
    ) -> Option<Box<MessagePage>> {
        let query = Query::History {
            account: AccountId(account),
            peer: Peer::Conversation(ConversationId(conversation)),
            page,
            size,
        };
        let Answer::History(page) = self.ask(&query).answer else {
            panic!("no page")
        };
        page
    }

    /// Recounts everything in the model and holds every query to it.
    pub(super) fn check_queries(&mut self) {
        let model = self.model.clone();
        for account in ACCOUNTS {
            let view = self.view(account);
            assert_eq!(view.unread(), model.unread(account), "unread of {account}");
            for (place, talk) in model.conversations.iter().enumerate() {
                let id = place as u64 + 1;
                let line = |p: u64| {
                    (
                        p,
                        talk.messages[p as usize - 1].sender,
                        Arc::clone(&talk.messages[p as usize - 1].body),
                    )
                };
                let shown = |page: &MessagePage| -> Vec<(u64, u64, Arc<str>)> {
                    page.messages
                        .iter()
                        .map(|m| (m.position.0, m.sender.0, Arc::clone(&m.body)))
                        .collect()
                };
                let visible: Vec<_> = talk.seen_by(account).into_iter().map(line).collect();
                for size in 1..=visible.len() + 1 {
                    let mut all = Vec::new();
                    for page in (1..).map(|number| self.history(account, id, number, size)) {
                        let Some(page) = page.filter(|page| !page.messages.is_empty()) else {
                            break;
                        };
                        assert!(page.messages.len() == size || visible.len() < size + all.len());
                        all.splice(0..0, shown(&page));
                    }
                    assert_eq!(all, visible, "pages of {size} for {account} in {id}");
                }
                let unread: Vec<_> = talk.unread_by(account).into_iter().map(line).collect();
                for rows_max in 1..=unread.len() + 1 {
                    let Some(page) = self.unread_page(account, id, rows_max) else {
                        continue;
                    };
                    assert_eq!(shown(&page), unread[..rows_max.min(unread.len())]);
                    assert_eq!(page.mark.is_some(), !unread.is_empty());
                }
            }
        }
    }

    pub(super) fn fresh(&self, commit: CommitNumber, account: AccountId) -> Option<&View> {
        self.fresh.get(&(commit, account))
    }

    /// Lets a shard handle so many entries of its inbox; after each its views are as fresh loads are.
    pub(super) fn drain(&mut self, desk: usize, count: usize) {
        for _ in 0..count {
            let mut follower = std::mem::replace(&mut self.desks[desk], Follower::new(0));
            let is_over = !follower.handle_next(self);
            self.desks[desk] = follower;
            if is_over {
                return;
            }
        }
    }
}

/// A shard's memory with the inbox before it.
pub(super) struct Follower {
    pub(super) desk: Desk,
    queue: VecDeque<Entry>,
    watched: HashSet<AccountId>,
    /// Accounts whose views are being loaded, and what was read, if it was.
    loading: Vec<(AccountId, Option<Box<View>>)>,
    seen: CommitNumber,
    /// Views that were compared.
    pub(super) compared: usize,
}

enum Entry {
    Commit(CommitNumber, Vec<Told>),
    View(Box<View>),
}

impl Follower {
    pub(super) fn new(views_bytes_max: usize) -> Follower {
        Follower {
            desk: Desk::new(views_bytes_max, POLICY.token_idle_ms_max),
            queue: VecDeque::new(),
            watched: HashSet::new(),
            loading: Vec::new(),
            seen: CommitNumber(0),
            compared: 0,
        }
    }

    fn concerned(&self, told: &[Told]) -> Vec<Told> {
        let is_concerned = |told: &&Told| match told.audience {
            Audience::One(account) => self.watched.contains(&account),
            Audience::Two(one, other) => {
                self.watched.contains(&one) || self.watched.contains(&other)
            }
            Audience::Everyone => true,
        };
        told.iter().filter(is_concerned).cloned().collect()
    }

    pub(super) fn expect(&mut self, account: AccountId) {
        if self.desk.view(account).is_none() && self.desk.expect_view(account) {
            self.watched.insert(account);
            self.loading.push((account, None));
        }
    }

    /// A load ends at `place` among the entries that were not handled yet.
    fn arrive(&mut self, view: Box<View>, place: usize) {
        let place = place % (self.queue.len() + 1);
        self.queue.insert(place, Entry::View(view));
    }

    fn handle_next(&mut self, world: &World) -> bool {
        match self.queue.pop_front() {
            None => return false,
            Some(Entry::Commit(number, told)) => {
                told.iter().for_each(|told| self.desk.apply(number, told));
                self.seen = number;
            }
            Some(Entry::View(view)) => {
                if let Some(view) = self.desk.deliver_view(*view) {
                    self.compare(&view, world);
                    self.compared += 1;
                }
            }
        }
        for account in self.desk.take_dropped_views() {
            assert!(self.desk.view(account).is_none());
            assert!(self.watched.remove(&account));
        }
        for account in ACCOUNTS.map(AccountId) {
            if let Some(view) = self.desk.view(account).cloned() {
                assert!(self.watched.contains(&account));
                self.compare(&view, world);
                self.compared += 1;
            }
        }
        true
    }

    fn compare(&self, view: &View, world: &World) {
        let commit = view.commit().max(self.seen);
        assert_same(view, world.fresh(commit, view.account()).unwrap());
    }
}

impl World {
    /// A reader opens a snapshot for a load that a shard waits for.
    pub(super) fn read_view(&mut self, desk: usize, place: usize) {
        let loading = &self.desks[desk].loading;
        if loading.is_empty() {
            return;
        }
        let place = place % loading.len();
        let account = loading[place].0;
        if loading[place].1.is_none() {
            let view = Some(Box::new(self.view(account.0)));
            self.desks[desk].loading[place].1 = view;
        }
    }

    /// What a reader has read enters a shard's inbox, before or behind commits that are there.
    pub(super) fn arrive(&mut self, desk: usize, place: usize) {
        let desk = &mut self.desks[desk];
        if let Some(found) = desk.loading.iter().position(|(_, view)| view.is_some()) {
            let (_, view) = desk.loading.remove(found);
            desk.arrive(view.unwrap(), place);
        }
    }
}

/// Views show the same; one that keeps totals only shows what it keeps.
pub(super) fn assert_same(view: &View, fresh: &View) {
    let groups = |view: &View| {
        let mut groups: Vec<ConversationId> = view.groups().collect();
        groups.sort();
        groups
    };
    assert_eq!(view.account(), fresh.account());
    assert_eq!(view.unread(), fresh.unread());
    assert_eq!(groups(view), groups(fresh));
    let rows =
        |view: &View| -> Option<Vec<ViewRow>> { view.rows().map(|rows| rows.cloned().collect()) };
    match (rows(view), rows(fresh)) {
        (Some(view_rows), fresh_rows) => {
            assert_eq!(Some(view_rows), fresh_rows);
            assert_eq!(view.group_names(), fresh.group_names());
            assert_eq!(view.bytes(), fresh.bytes());
        }
        (None, _) => assert!(view.group_names().is_empty()),
    }
}
