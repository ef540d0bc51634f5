//! Random commands through a writer whose rows come late and whose store fails at times, held to the model and to fresh loads.

use std::sync::Arc;

use proptest::prelude::*;

use super::world::{Follower, POLICY, World};
use crate::domain::account::{Profile, ServiceRole};
use crate::domain::backend::{Relay, RelayTo};
use crate::domain::command::{Command, GroupAbout, Peer, Recall, Send, Who};
use crate::domain::decide::Policy;
use crate::domain::ids::{AccountId, ConversationId, Position, TimeMs};
use crate::domain::member::ReadMark;
use crate::domain::message::{Dialect, EventKind, MessageKind};
use crate::domain::token::TokenHash;
use crate::limits::{STATE_CACHE_BYTES_MAX, VIEW_BYTES_MAX};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "群"];
const GROUP_NAMES: [&str; 4] = ["a", "群", "群 (2)", "x"];
const DESKS: usize = 3;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Do(u64, Command),
    /// A message to a name as it is shown, which is looked up in what is committed.
    SendShown(u64, &'static str, u8),
    Login(&'static str),
    Logout(usize),
    Touch(usize),
    Fetch,
    HandOver(usize),
    Commit(bool),
    /// Takes a mark and keeps it.
    Look(u64, u64, usize),
    /// Uses a mark that was taken, perhaps long ago and perhaps again.
    Read(u64, usize),
    /// The same with several at once.
    ReadAll(usize, usize),
    Expect(usize, u64),
    ReadView(usize, usize),
    Arrive(usize, usize),
    Drain(usize, usize),
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        6 => name().prop_map(|name| Who::Name(Arc::from(name))),
        6 => (2..7_u64).prop_map(|id| Who::Id(AccountId(id))),
        1 => Just(Who::Name(Arc::from("a\n"))),
    ]
}

fn conversation() -> impl Strategy<Value = ConversationId> {
    (1..5_u64).prop_map(ConversationId)
}

fn send() -> impl Strategy<Value = Command> {
    let to = prop_oneof![
        who().prop_map(Peer::Account),
        conversation().prop_map(Peer::Conversation)
    ];
    let client_id = prop::option::weighted(0.4, prop::sample::select(&["1", "2"][..]));
    let origin = prop::sample::select(&[Dialect::Buyer, Dialect::Conv][..]);
    (2..7_u64, to, any::<u8>(), origin, client_id)
        .prop_map(|(from, to, body, origin, client_id)| message(from, to, body, origin, client_id))
}

fn message(from: u64, to: Peer, body: u8, origin: Dialect, client_id: Option<&str>) -> Command {
    Command::Send(Send {
        from: AccountId(from),
        to,
        kind: MessageKind::Text,
        body: Arc::from(format!("{body}")),
        origin,
        client_id: client_id.map(Arc::from),
        attributes: None,
    })
}

fn command() -> impl Strategy<Value = Command> {
    let members = || prop::collection::vec(who(), 0..4);
    let about = prop::sample::select(&GROUP_NAMES[..]).prop_map(|name| GroupAbout {
        name: Arc::from(name),
        ..GroupAbout::default()
    });
    let profile = "[a-z]{0,2}".prop_map(|nick| Profile {
        nick: Arc::from(nick),
        ..Profile::default()
    });
    let mark = (0..6_u64, 0..4_u64).prop_map(|(position, own)| ReadMark {
        position: Position(position + 100),
        own,
    });
    prop_oneof![
        12 => send(),
        2 => (who(), members(), about).prop_map(|(owner, members, about)| Command::CreateGroup { owner, members, about }),
        3 => (conversation(), members()).prop_map(|(group, members)| Command::AddMembers { group, members }),
        3 => (conversation(), members()).prop_map(|(group, members)| Command::RemoveMembers { group, members }),
        1 => (who(), profile).prop_map(|(who, profile)| Command::SetProfile { who, profile }),
        1 => (2..7_u64, conversation(), mark).prop_map(|(account, conversation, mark)| Command::Read {
            account: AccountId(account),
            conversation,
            mark,
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let desk = || 0..DESKS;
    let place = || 0..16_usize;
    prop_oneof![
        24 => (0..3_u64, command()).prop_map(|(lane, command)| Step::Do(lane, command)),
        2 => (2..7_u64, prop::sample::select(&GROUP_NAMES[..]), any::<u8>()).prop_map(|(from, name, body)| Step::SendShown(from, name, body)),
        2 => name().prop_map(Step::Login),
        1 => place().prop_map(Step::Logout),
        1 => place().prop_map(Step::Touch),
        8 => Just(Step::Fetch),
        10 => place().prop_map(Step::HandOver),
        8 => prop::bool::weighted(0.1).prop_map(Step::Commit),
        8 => (2..7_u64, 1..5_u64, 1..4_usize).prop_map(|(account, conversation, rows)| Step::Look(account, conversation, rows)),
        8 => (0..3_u64, place()).prop_map(|(lane, place)| Step::Read(lane, place)),
        5 => (desk(), 2..7_u64).prop_map(|(desk, account)| Step::Expect(desk, account)),
        5 => (desk(), place()).prop_map(|(desk, place)| Step::ReadView(desk, place)),
        5 => (desk(), place()).prop_map(|(desk, place)| Step::Arrive(desk, place)),
        5 => (desk(), 1..6_usize).prop_map(|(desk, count)| Step::Drain(desk, count)),
    ]
}

/// What the model does not know.
fn further() -> impl Strategy<Value = Command> {
    let account = || (2..7_u64).prop_map(AccountId);
    let text = || "[a-z]{0,2}".prop_map(Arc::<str>::from);
    let jim_group = || prop::sample::select(&GROUP_NAMES[..]).prop_map(Arc::<str>::from);
    let role =
        prop::sample::select(&[None, Some(ServiceRole::Visitor), Some(ServiceRole::Agent)][..]);
    let profile = (text(), role).prop_map(|(nick, role)| Profile {
        nick,
        role,
        ..Profile::default()
    });
    let relay_to = prop_oneof![
        who().prop_map(RelayTo::Account),
        conversation().prop_map(|id| RelayTo::Conversation { id, other: None }),
    ];
    let members = || prop::collection::vec(who(), 0..3);
    let client_id = || prop::sample::select(&["1", "2"][..]).prop_map(Arc::<str>::from);
    let jim_send = (account(), jim_group(), client_id()).prop_map(|(from, name, client_id)| {
        let to = Peer::JimGroup(name);
        message(from.0, to, 0, Dialect::Jim, Some(&client_id))
    });
    let peer = prop_oneof![
        jim_group().prop_map(Peer::JimGroup),
        conversation().prop_map(Peer::Conversation)
    ];
    prop_oneof![
        1 => (name(), 0..200_u8, profile).prop_map(|(name, token, profile)| Command::BindToken {
            name: Arc::from(name),
            token: TokenHash([token; 16]),
            profile,
        }),
        2 => (account(), who()).prop_map(|(account, other)| Command::MakeContact { account, other }),
        2 => account().prop_map(|visitor| Command::Assign { visitor, since: TimeMs(0) }),
        3 => (account(), jim_group()).prop_map(|(account, name)| Command::JoinNamed { account, name }),
        2 => (account(), peer).prop_map(|(account, group)| Command::Leave { account, group }),
        2 => jim_send,
        3 => (who(), relay_to, prop::option::of(client_id())).prop_map(|(from, to, client_id)| {
            Command::Relay(Box::new(Relay {
                from,
                to,
                kind: MessageKind::Text,
                body: Arc::from("relayed"),
                origin: Dialect::Conv,
                client_id,
            }))
        }),
        2 => (account(), account()).prop_map(|(from, to)| Command::Send(Send {
            from,
            to: Peer::Account(Who::Id(to)),
            kind: MessageKind::Event(EventKind::Follow),
            body: Arc::from("event"),
            origin: Dialect::Chat,
            client_id: None,
            attributes: None,
        })),
        2 => (account(), client_id()).prop_map(|(account, client_id)| Command::Recall(Recall {
            account,
            client_id,
            origin: Dialect::Jim,
            message: None,
            said: None,
        })),
        2 => (who(), text(), text()).prop_map(|(who, nick, avatar)| Command::SetCard { who, nick, avatar }),
        4 => (conversation(), prop::option::of(jim_group()), members(), members()).prop_map(|(group, name, removed, added)| {
            Command::ChangeGroup { group, name, removed, added }
        }),
        1 => (conversation(), prop::option::of(account())).prop_map(|(group, by)| Command::DeleteGroup { group, by }),
        3 => (account(), prop::collection::vec((conversation(), 1..9_u64), 0..3)).prop_map(|(account, messages)| {
            let mut messages: Vec<_> = messages.into_iter().map(|(id, position)| (id, vec![Position(position)])).collect();
            messages.sort_by_key(|(id, _)| *id);
            messages.dedup_by_key(|(id, _)| *id);
            Command::Acknowledge { account, messages }
        }),
        6 => (conversation(), who(), text()).prop_map(|(group, who, alias)| Command::SetAlias { group, who, alias }),
    ]
}

fn further_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => step(),
        3 => (0..3_u64, further()).prop_map(|(lane, command)| Step::Do(lane, command)),
        1 => (0..16_usize, 1..4_usize).prop_map(|(from, count)| Step::ReadAll(from, count)),
    ];
    prop::collection::vec(step, 1..160)
}

fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..count)
}

struct Play {
    world: World,
    marks: Vec<(AccountId, ConversationId, ReadMark)>,
    tokens: Vec<TokenHash>,
}

impl Play {
    fn new(policy: Policy, cache_bytes_max: usize) -> Play {
        let mut world = World::new(policy, cache_bytes_max);
        // Room for everything, for a few views, and for none.
        world.desks = [usize::MAX / 2, 4_000, 300].map(Follower::new).into();
        Play {
            world,
            marks: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        let world = &mut self.world;
        match step {
            Step::Do(lane, command) => {
                world.submit(lane, command);
            }
            Step::SendShown(from, name, body) => {
                world.settle();
                world.commit(false);
                let to = Peer::Shown(Arc::from(name));
                world.submit(0, message(from, to, body, Dialect::Buyer, None));
                world.settle();
            }
            Step::Login(name) => {
                let token = TokenHash([self.tokens.len() as u8; 16]);
                self.tokens.push(token);
                let name = Arc::from(name);
                world.submit(1, Command::Login { name, token });
            }
            Step::Logout(place) => {
                if let Some(token) = self.tokens.get(place).copied() {
                    world.submit(2, Command::Logout { token });
                }
            }
            Step::Touch(place) => {
                if let Some(token) = self.tokens.get(place).copied() {
                    world.submit(2, Command::Touch { token });
                }
            }
            Step::Fetch => world.fetch(),
            Step::HandOver(place) => world.hand_over(place),
            Step::Commit(fails) => {
                world.commit(fails);
            }
            Step::Look(account, conversation, rows) => {
                if let Some(mark) = world.mark(account, conversation, rows) {
                    self.marks
                        .push((AccountId(account), ConversationId(conversation), mark));
                }
            }
            Step::Read(lane, place) => {
                if !self.marks.is_empty() {
                    let (account, conversation, mark) = self.marks[place % self.marks.len()];
                    world.submit(
                        lane,
                        Command::Read {
                            account,
                            conversation,
                            mark,
                        },
                    );
                }
            }
            Step::ReadAll(from, count) => {
                let mut marks = self.marks.iter().cycle().skip(from).take(count).peekable();
                let Some((account, ..)) = marks.peek().copied().copied() else {
                    return;
                };
                let own: Vec<(ConversationId, ReadMark)> = marks
                    .filter(|(other, ..)| *other == account)
                    .map(|(_, conversation, mark)| (*conversation, *mark))
                    .collect();
                world.submit(
                    1,
                    Command::ReadAll {
                        account,
                        marks: own,
                    },
                );
            }
            Step::Expect(desk, account) => world.desks[desk].expect(AccountId(account)),
            Step::ReadView(desk, place) => world.read_view(desk, place),
            Step::Arrive(desk, place) => world.arrive(desk, place),
            Step::Drain(desk, count) => world.drain(desk, count),
        }
    }

    /// Four accounts, a group of the first three, and two who have written to each other.
    fn begin(&mut self) {
        for name in NAMES.iter().take(4) {
            self.step(Step::Login(name));
        }
        let name = |place: usize| Who::Name(Arc::from(NAMES[place]));
        self.step(Step::Do(
            1,
            Command::CreateGroup {
                owner: name(0),
                members: vec![name(1), name(2)],
                about: GroupAbout::default(),
            },
        ));
        let to = Peer::Account(name(1));
        self.step(Step::Do(1, message(2, to, 0, Dialect::Buyer, None)));
        self.world.settle();
        self.world.commit(false);
    }

    fn end(&mut self) {
        let world = &mut self.world;
        world.settle();
        world.commit(false);
        for desk in 0..DESKS {
            world.drain(desk, usize::MAX);
        }
    }

    fn finish(mut self) {
        self.end();
        let world = &mut self.world;
        world.check_queries();
        for (place, token) in self.tokens.iter().enumerate() {
            let query = crate::domain::query::Query::Session(*token);
            let crate::domain::query::Answer::Session(session) = world.ask(&query).answer else {
                panic!("no session")
            };
            let expected = world.model.token(*token);
            assert_eq!(session.map(|s| s.account.id.0), expected, "token {place}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn commands_do_what_the_model_does_and_views_follow(
        steps in steps(160),
        cache_bytes_max in prop::sample::select(&[0, 1_000, STATE_CACHE_BYTES_MAX][..]),
        open_directory in prop::bool::weighted(0.8),
    ) {
        let policy = Policy { open_directory, ..POLICY };
        let mut play = Play::new(policy, cache_bytes_max);
        play.begin();
        steps.into_iter().for_each(|step| play.step(step));
        play.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn views_follow_every_command(
        steps in further_steps(),
        cache_bytes_max in prop::sample::select(&[0, STATE_CACHE_BYTES_MAX][..]),
    ) {
        let mut play = Play::new(POLICY, cache_bytes_max);
        play.begin();
        play.world.has_model = false;
        steps.into_iter().for_each(|step| play.step(step));
        play.end();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn views_that_grow_too_large_keep_true_totals(steps in steps(60)) {
        let mut play = Play::new(POLICY, STATE_CACHE_BYTES_MAX);
        let (whole, grown) = (0, 1);
        play.world.desks[grown] = Follower::new(usize::MAX / 2);
        // A member of many groups with long names, whose view is loaded on one shard before them and on the other between.
        let owner = Who::Name(Arc::from("a"));
        play.world.run(Command::SetProfile { who: owner.clone(), profile: Profile::default() }).unwrap();
        play.step(Step::Expect(grown, 2));
        play.step(Step::ReadView(grown, 0));
        play.step(Step::Arrive(grown, 0));
        for place in 0..500 {
            let about = GroupAbout { name: Arc::from(format!("{place:0255}")), ..GroupAbout::default() };
            let members = vec![Who::Name(Arc::from("b"))];
            play.world.submit(0, Command::CreateGroup { owner: owner.clone(), members, about });
            play.world.settle();
        }
        play.world.commit(false);
        play.world.drain(grown, usize::MAX);
        let id = AccountId(2);
        prop_assert!(play.world.desks[grown].desk.view(id).is_some_and(|view| view.rows().is_none() && view.bytes() < VIEW_BYTES_MAX));
        play.step(Step::Expect(whole, 2));
        play.step(Step::ReadView(whole, 0));
        play.step(Step::Arrive(whole, 0));
        steps.into_iter().for_each(|step| play.step(step));
        play.world.settle();
        play.world.commit(false);
        for desk in 0..DESKS {
            play.world.drain(desk, usize::MAX);
            prop_assert!(desk == 2 || play.world.desks[desk].compared > 0);
        }
    }
}
