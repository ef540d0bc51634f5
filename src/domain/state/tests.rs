use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::domain::conversation::ConversationKind;
use crate::domain::holes::Holes;
use crate::domain::ids::{MessageId, Position, Slot};
use crate::domain::needs::SingleRow;
use crate::domain::state::packed::PairRow;

/// Small ones, and those at the bounds of what fits.
fn number() -> BoxedStrategy<u64> {
    const BOUNDS: [u64; 7] = [
        0,
        1,
        u32::MAX as u64,
        1 << 32,
        1 << 53,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![6 => 0..1_000_u64, 1 => prop::sample::select(&BOUNDS[..])].boxed()
}

fn time() -> BoxedStrategy<TimeMs> {
    const BOUNDS: [i64; 6] = [i64::MIN, -1, 0, (1 << 48) - 1, 1 << 48, i64::MAX];
    let usual = 1_700_000_000_000..1_900_000_000_000_i64;
    prop_oneof![6 => usual, 1 => prop::sample::select(&BOUNDS[..])]
        .prop_map(TimeMs)
        .boxed()
}

/// Mostly nothing.
fn rarely<T: std::fmt::Debug + Clone + 'static>(
    nothing: T,
    other: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![8 => Just(nothing), 1 => other].boxed()
}

prop_compose! {
    fn member(joined_at: TimeMs)(
        conversation in number(),
        account in number(),
        slot in prop::sample::select(&[0, 1, 1 << 20, u32::MAX][..]),
        another_at in rarely(joined_at, time()),
        joined_after in rarely(0, number()),
        left_after in rarely(None, number().prop_map(Some)),
        alias in rarely(String::new(), "[a-z帽]{1,300}"),
        (read, sent, sent_read, acknowledged) in (number(), number(), number(), number()),
        holes in rarely(0, 1..100_u64),
        hidden_at in rarely(None, number().prop_map(Some)),
        pinned in rarely(false, Just(true)),
    ) -> Member {
        Member {
            conversation: ConversationId(conversation),
            account: AccountId(account),
            slot: Slot(slot),
            joined_at: another_at,
            joined_after: Position(joined_after),
            left_after: left_after.map(Position),
            alias: Arc::from(alias),
            read: Position(read),
            sent,
            sent_read,
            acknowledged: Position(acknowledged),
            holes: Holes::new((0..holes).map(|hole| (3 * hole, 3 * hole + 1)).collect()),
            hidden_at: hidden_at.map(Position),
            pinned,
        }
    }
}

fn any_member() -> impl Strategy<Value = Member> {
    time().prop_flat_map(member)
}

fn single() -> BoxedStrategy<SingleRow> {
    time()
        .prop_flat_map(move |at| {
            let members = (member(at).boxed(), member(at).boxed());
            let head = (number(), number(), time());
            let numbers = (number(), number(), number(), any::<bool>());
            (Just(at), members, head, numbers)
        })
        .prop_filter_map(
            "two accounts",
            |(created_at, (low, high), head, numbers)| {
                let (one, other, id, is_events) = numbers;
                let pair = Pair::new(AccountId(one), AccountId(other))?;
                let id = ConversationId(id);
                let of = |member: Member, account| Member {
                    conversation: id,
                    account,
                    slot: pair.slot(account),
                    ..member
                };
                Some(SingleRow {
                    conversation: Conversation {
                        id,
                        created_at,
                        kind: if is_events {
                            ConversationKind::Events(pair)
                        } else {
                            ConversationKind::Single(pair)
                        },
                        head: Head {
                            position: Position(head.0),
                            message: MessageId(head.1),
                            at: head.2,
                        },
                    },
                    low: of(low, pair.low()),
                    high: of(high, pair.high()),
                })
            },
        )
        .boxed()
}

fn check(packed: &PairRow, row: &SingleRow) {
    assert_eq!(Some(packed.key()), row.conversation.pair());
    assert_eq!(packed.id(), Some(row.conversation.id));
    assert_eq!(packed.conversation().as_ref(), Some(&row.conversation));
    assert_eq!(packed.member(row.low.account).as_ref(), Some(&row.low));
    assert_eq!(packed.member(row.high.account).as_ref(), Some(&row.high));
    let (pair, _) = packed.key();
    let stranger = (0..3).map(AccountId).find(|account| !pair.has(*account));
    assert_eq!(packed.member(stranger.unwrap()), None);
}

proptest! {
    #[test]
    fn a_member_comes_back_as_it_was(member in any_member()) {
        let packed = Part::new(Some(&member));
        let key = (member.conversation, member.account);
        prop_assert_eq!(packed.get(key), Some(member));
        prop_assert_eq!(Part::new(None).get(key), None);
    }

    #[test]
    fn a_pairs_row_comes_back_as_it_was(row in single(), others in prop::collection::vec(single(), 0..4)) {
        let mut row = row;
        let mut packed = PairRow::new(Box::new(row.clone()));
        check(&packed, &row);
        let (low, high) = (row.low.account, row.high.account);
        for other in others {
            row.conversation.head = other.conversation.head;
            packed.set_head(row.conversation.head);
            check(&packed, &row);
            for (place, account, member) in [(&mut row.low, low, other.low), (&mut row.high, high, other.high)] {
                let (conversation, slot) = (place.conversation, place.slot);
                *place = Member { conversation, account, slot, ..member };
                packed.set_member(place);
            }
            check(&packed, &row);
            row.conversation.created_at = other.conversation.created_at;
            packed.set_conversation(&row.conversation);
            check(&packed, &row);
        }
    }
}

#[test]
fn what_is_usual_needs_no_allocation() {
    let (pair, id, now) = (pair(7), ConversationId(9), TimeMs(1_800_000_000_000));
    let conversation = begun(pair, id, now);
    let part = |account| Member::new(id, account, pair.slot(account), Position(0), now);
    let (mut low, high) = (part(pair.low()), part(pair.high()));
    assert_eq!(Part::new(Some(&low)).heap_bytes(), 0);
    let row = SingleRow {
        conversation,
        low: low.clone(),
        high,
    };
    let mut packed = PairRow::new(Box::new(row));
    assert_eq!(packed.heap_bytes(), 0);
    low.pinned = true;
    packed.set_member(&low);
    assert!(packed.heap_bytes() > size_of::<SingleRow>());
    low.pinned = false;
    packed.set_member(&low);
    assert_eq!(packed.heap_bytes(), 0);
}

/// 100,000 conversations of 20,000 accounts that are logged in.
#[test]
fn many_conversations_are_in_memory_at_once() {
    let mut state = State::default();
    let (accounts, each, now) = (20_000_u64, 5, TimeMs(1_800_000_000_000));
    let pairs = || {
        let of = |low| (1..=each).map(move |step| (low, (low + step * step) % accounts));
        (0..accounts).flat_map(of)
    };
    let numbered = |one: u64, other| Pair::new(AccountId(one + 2), AccountId(other + 2)).unwrap();
    for number in 0..accounts {
        let name: Arc<str> = Arc::from(format!("somebody {number}"));
        let account = Arc::new(Account {
            id: AccountId(number + 2),
            name: Arc::clone(&name),
            created_at: now,
            profile: Default::default(),
        });
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        let token = Token {
            hash: TokenHash(hash),
            account: account.id,
            used_at: now,
        };
        state.insert(Row::Name(name, None));
        state.insert(Row::Tokens(account.id, Vec::new()));
        let effects = [Effect::Account(account), Effect::Token(token)];
        state.apply(&effects, CommitNumber(1));
    }
    for (id, (one, other)) in (1..).zip(pairs()) {
        let pair = numbered(one, other);
        let conversation = begun(pair, ConversationId(id), now);
        let mut effects = vec![Effect::Conversation(conversation)];
        for account in [pair.low(), pair.high()] {
            let slot = pair.slot(account);
            let member = Member::new(ConversationId(id), account, slot, Position(0), now);
            effects.push(Effect::Member(member));
        }
        state.apply(&effects, CommitNumber(2));
    }
    state.shrink(CommitNumber(3));
    for number in 0..accounts {
        let name = Arc::from(format!("somebody {number}"));
        let account = state.account_named(&name).unwrap().unwrap();
        assert_eq!(state.tokens_of(account.id).unwrap().len(), 1);
    }
    for (id, (one, other)) in (1..).zip(pairs()) {
        let found = state.single(numbered(one, other), Topic::Messages);
        let (conversation, ..) = found.unwrap().unwrap();
        assert_eq!(conversation.id, ConversationId(id));
    }
    let accounts = state.accounts.bytes() + state.names.bytes();
    let tokens = state.tokens.bytes() + state.tokens_of.bytes();
    let all = accounts + tokens + state.pairs.bytes();
    assert!(all < 24 * 1024 * 1024, "{all} bytes");
}

fn pair(account: u64) -> Pair {
    Pair::new(AccountId(1_000), AccountId(account)).unwrap()
}

fn begun(pair: Pair, id: ConversationId, now: TimeMs) -> Conversation {
    Conversation {
        id,
        created_at: now,
        kind: ConversationKind::Single(pair),
        head: Head {
            at: now,
            ..Head::default()
        },
    }
}

/// What there is, forgetting nothing, and a state that forgets.
struct Twin {
    state: State,
    rows: HashMap<u64, SingleRow>,
    /// Snapshots that loads under way see, and the commits at which they were asked for.
    loads: Vec<(CommitNumber, HashMap<u64, SingleRow>)>,
    commit: CommitNumber,
}

#[derive(Clone, Debug)]
enum Step {
    /// With this account a conversation begins, or a message is said there.
    Say(u64),
    /// Its part changes so that it does not fit in little.
    Pin(u64),
    /// A load begins.
    Ask,
    /// The load under way that was asked for so many ago comes in, with this account's rows.
    Load(usize, u64),
    Shrink,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let account = 0..12_u64;
    let step = prop_oneof![
        4 => account.clone().prop_map(Step::Say),
        1 => account.clone().prop_map(Step::Pin),
        2 => Just(Step::Ask),
        3 => (0..3_usize, account).prop_map(|(which, account)| Step::Load(which, account)),
        2 => Just(Step::Shrink),
    ];
    prop::collection::vec(step, 0..200)
}

impl Twin {
    /// The rows of `account`'s conversation as `rows` have them, by all that names it.
    fn load(&mut self, rows: &HashMap<u64, SingleRow>, account: u64, by_id: bool) {
        let (pair, id) = (pair(account), ConversationId(account + 1));
        match rows.get(&account) {
            Some(row) => {
                let row = Some(Box::new(row.clone()));
                self.state.insert(Row::Single(pair, Topic::Messages, row));
            }
            None if by_id => {
                self.state.insert(Row::Conversation(id, None));
                self.state.insert(Row::Member(id, AccountId(account), None));
            }
            None => self.state.insert(Row::Single(pair, Topic::Messages, None)),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say(account) => {
                let now = self.rows.clone();
                self.load(&now, account, false);
                self.commit.0 += 1;
                let (pair, id) = (pair(account), ConversationId(account + 1));
                let at = TimeMs(1_800_000_000_000 + self.commit.0 as i64);
                let mut effects = Vec::new();
                let row = self.rows.entry(account).or_insert_with(|| {
                    let conversation = begun(pair, id, at);
                    effects.push(Effect::Conversation(conversation.clone()));
                    let part =
                        |account| Member::new(id, account, pair.slot(account), Position(0), at);
                    SingleRow {
                        conversation,
                        low: part(pair.low()),
                        high: part(pair.high()),
                    }
                });
                row.conversation.head = Head {
                    position: row.conversation.head.position.next(),
                    message: MessageId(self.commit.0),
                    at,
                };
                row.low.sent += 1;
                effects.push(Effect::Append(Arc::new(said(&row.conversation))));
                effects.push(Effect::Member(row.low.clone()));
                self.state.apply(&effects, self.commit);
            }
            Step::Pin(account) => {
                let now = self.rows.clone();
                let Some(row) = self.rows.get_mut(&account) else {
                    return;
                };
                row.high.pinned = !row.high.pinned;
                let effect = Effect::Member(row.high.clone());
                self.load(&now, account, false);
                self.commit.0 += 1;
                self.state.apply(&[effect], self.commit);
            }
            Step::Ask => self.loads.push((self.commit, self.rows.clone())),
            Step::Load(which, account) => {
                if which < self.loads.len() {
                    let (_, rows) = self.loads.remove(which);
                    self.load(&rows, account, which % 2 == 0);
                }
            }
            Step::Shrink => {
                let floor = self.loads.iter().map(|(asked_at, _)| *asked_at).min();
                self.state.shrink(floor.unwrap_or(self.commit));
            }
        }
    }

    /// Whatever the state says is true, by whatever it is asked.
    fn check(&mut self, account: u64) {
        let (pair, id) = (pair(account), ConversationId(account + 1));
        let row = self.rows.get(&account);
        if let Ok(found) = self.state.single(pair, Topic::Messages) {
            let row = row.cloned();
            assert_eq!(found, row.map(|row| (row.conversation, row.low, row.high)));
        }
        if let Ok(found) = self.state.conversation(id) {
            assert_eq!(found.as_ref(), row.map(|row| &row.conversation));
        }
        if let Ok(found) = self.state.member(id, AccountId(account)) {
            assert_eq!(found.as_ref(), row.map(|row| &row.low));
        }
    }
}

fn said(conversation: &Conversation) -> Message {
    Message {
        id: conversation.head.message,
        conversation: conversation.id,
        position: conversation.head.position,
        sender: AccountId(0),
        at: conversation.head.at,
        kind: crate::domain::message::MessageKind::Text,
        body: Arc::from("x"),
        origin: crate::domain::message::Dialect::Chat,
        client_id: None,
        attributes: None,
        recalled: false,
    }
}

proptest! {
    #[test]
    fn no_load_brings_back_what_has_changed(
        bytes_max in prop::sample::select(&[0, 500, 5_000][..]),
        steps in steps(),
    ) {
        let mut twin = Twin {
            state: State::bounded(bytes_max),
            rows: HashMap::new(),
            loads: Vec::new(),
            commit: CommitNumber(0),
        };
        for step in steps {
            twin.step(step);
            for account in 0..12 {
                twin.check(account);
            }
        }
    }
}

#[test]
fn tokens_that_change_while_their_list_is_loaded_are_not_brought_back() {
    let mut state = State::default();
    let token = |number: u8, used_at| Token {
        hash: TokenHash([number; 16]),
        account: AccountId(7),
        used_at: TimeMs(used_at),
    };
    let (ended, touched, added) = (token(1, 10), token(2, 10), token(3, 30));
    let effects = [
        Effect::TokenEnded(ended),
        Effect::Token(token(2, 20)),
        Effect::Token(added),
    ];
    state.apply(&effects, CommitNumber(5));
    // A load that began at commit 4 is under way.
    state.shrink(CommitNumber(4));
    state.insert(Row::Tokens(AccountId(7), vec![ended, touched]));
    let found = state.tokens_of(AccountId(7)).unwrap();
    assert_eq!(found, [token(2, 20), added]);
}
