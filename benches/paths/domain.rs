//! What a command looks at, what it does, and what that means to the rows in memory.

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use imd::domain::command::{Command, GroupAbout, Peer, Send, Who};
use imd::domain::conversation::Topic;
use imd::domain::decide::{Decision, Numbers, Policy, decide};
use imd::domain::ids::{AccountId, CommitNumber, ConversationId, IdGenerator, MessageId};
use imd::domain::message::{Dialect, MessageKind};
use imd::domain::needs::{Facts, Row, SingleRow, needs};
use imd::domain::presence::NobodyOnline;
use imd::domain::state::State;

use crate::world::{BUYER, GROUP_MEMBERS, NOW, account, buyer, group, member, pair, shop, single};

const POLICY: Policy = Policy {
    open_directory: true,
    group_members_max: GROUP_MEMBERS as usize,
    token_idle_ms_max: 1_000_000,
};
/// Messages in a row.
const SENDS: u64 = 64;

/// A message to one, a message to a large group, and a large group made.
pub fn bench(c: &mut Criterion) {
    let mut c = c.benchmark_group("domain");
    let to_one = Case {
        state: two_accounts,
        command: send(Peer::Account(Who::Name(Arc::from("sunsanniang")))),
        times: SENDS,
        effects: 2,
    };
    to_one.bench(&mut c, "message to one");
    let to_group = Case {
        state: large_group,
        command: send(Peer::Conversation(ConversationId(1))),
        times: SENDS,
        effects: 2,
    };
    to_group.bench(&mut c, "message to 2000 members");
    let members = GROUP_MEMBERS as usize;
    let new_group = Case {
        state: large_group,
        command: Command::CreateGroup {
            owner: Who::Id(BUYER),
            members: others().map(Who::Id).collect(),
            about: GroupAbout {
                name: Arc::from("more caps"),
                ..GroupAbout::default()
            },
        },
        times: 1,
        effects: 1 + members,
    };
    new_group.bench(&mut c, "group of 2000 made");
    c.finish();
}

/// A command and what it finds.
struct Case {
    state: fn() -> State,
    command: Command,
    /// How often it is given, one after the other.
    times: u64,
    /// Rows that each time changes.
    effects: usize,
}

impl Case {
    fn bench(&self, c: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
        c.throughput(Throughput::Elements(self.times));
        let mut state = (self.state)();
        c.bench_function(format!("{name}/gather"), |b| {
            b.iter(|| {
                for _ in 0..self.times {
                    black_box(self.gather(&mut state));
                }
            });
        });
        let facts = self.gather(&mut state);
        c.bench_function(format!("{name}/decide"), |b| {
            b.iter_batched(
                || (vec![facts.clone(); self.times as usize], numbers()),
                |(facts, mut numbers)| {
                    let decide = |facts| self.decide(facts, &mut numbers);
                    facts.into_iter().map(decide).collect::<Vec<_>>()
                },
                BatchSize::SmallInput,
            );
        });
        let decisions = self.run(&mut state);
        c.bench_function(format!("{name}/apply"), |b| {
            b.iter_batched_ref(
                self.state,
                |state| {
                    for (commit, decision) in (1..).zip(black_box(&decisions)) {
                        state.apply(&decision.effects, CommitNumber(commit));
                    }
                },
                BatchSize::SmallInput,
            );
        });
        let newest = self.gather(&mut state);
        let mut applied = (self.state)();
        for decision in &decisions {
            applied.apply(&decision.effects, CommitNumber(1));
        }
        assert_eq!(self.gather(&mut applied), newest);
        c.bench_function(format!("{name}/all three"), |b| {
            b.iter_batched_ref(self.state, |state| self.run(state), BatchSize::SmallInput);
        });
    }

    fn gather(&self, state: &mut State) -> Facts {
        needs(black_box(&self.command), state, &NobodyOnline).expect("all is in memory")
    }

    fn decide(&self, facts: Facts, numbers: &mut Numbers) -> Decision {
        let mut decision = Decision::default();
        let (command, decided) = (black_box(&self.command), &mut decision);
        let reply = decide(command, facts, numbers, &POLICY, NOW, decided);
        black_box(reply.expect("it is allowed"));
        assert_eq!(decision.effects.len(), self.effects);
        decision
    }

    /// Gives the command as often as it is to be given.
    fn run(&self, state: &mut State) -> Vec<Decision> {
        let mut numbers = numbers();
        let mut run = |commit| {
            let facts = self.gather(state);
            let decision = self.decide(facts, &mut numbers);
            state.apply(&decision.effects, CommitNumber(commit));
            decision
        };
        (1..=self.times).map(&mut run).collect()
    }
}

fn send(to: Peer) -> Command {
    Command::Send(Send {
        from: BUYER,
        to,
        kind: MessageKind::Text,
        body: Arc::from("x".repeat(100)),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
    })
}

fn numbers() -> Numbers {
    Numbers {
        account: AccountId(BUYER.0 + GROUP_MEMBERS),
        conversation: ConversationId(1),
        ids: IdGenerator::new(0, MessageId(0)),
    }
}

/// A state that holds two accounts and their conversation.
fn two_accounts() -> State {
    let mut state = State::default();
    state.insert(Row::Account(BUYER, Some(buyer())));
    state.insert(Row::Name(Arc::from("sunsanniang"), Some(shop())));
    let row = SingleRow {
        conversation: single(),
        low: member(pair().low()),
        high: member(pair().high()),
    };
    state.insert(Row::Single(pair(), Topic::Messages, Some(Box::new(row))));
    state
}

/// A state that holds a group and all its members.
fn large_group() -> State {
    let mut state = State::default();
    let group = group();
    state.insert(Row::Account(BUYER, Some(buyer())));
    for id in others() {
        let name = format!("member {id}");
        state.insert(Row::Account(id, Some(account(id, &name))));
    }
    state.insert(Row::Name(Arc::from("more caps"), None));
    let members = std::iter::once(BUYER).chain(others()).map(member);
    state.insert(Row::Members(group.id, members.collect()));
    state.insert(Row::Conversation(group.id, Some(group)));
    state
}

/// The members of the large group who do not own it.
fn others() -> impl Iterator<Item = AccountId> {
    (1..GROUP_MEMBERS).map(|index| AccountId(BUYER.0 + index))
}
