//! What a shard does when it has as many commands under way as it may.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::admin::metrics::Metrics;
use crate::conn::{CorsPolicy, HttpSettings, WsSettings};
use crate::dialect::Settings;
use crate::domain::command::{Peer, Send};
use crate::domain::ids::{Position, Slot};
use crate::domain::member::ReadMark;
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::token::TokenHash;
use crate::limits::{OUTBOX_BYTES_MAX, SHARD_COMMANDS_MAX};
use crate::runtime::clock::SystemClock;
use crate::runtime::inbox::Inbox;
use crate::runtime::shard::Parts;
use crate::runtime::shared::Shared;
use crate::runtime::work_queue::{Work, WorkQueue};
use crate::runtime::writer::ToWriter;

/// No connection has one.
struct NoSocket;

impl Transport for NoSocket {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn shut_sending(&mut self) {}
}

/// A shard and what it sends the writer.
fn shard() -> (Shard<NoSocket>, Receiver<ToWriter>) {
    shard_with(&Arc::default())
}

/// The same with this queue to the readers.
fn shard_with(readers: &Arc<WorkQueue>) -> (Shard<NoSocket>, Receiver<ToWriter>) {
    let metrics = Metrics::new(Vec::new());
    let shared = Shared::new(
        CommitNumber(0),
        vec![Inbox::new(|| {})],
        Arc::clone(&metrics),
        Arc::new(|_, line| panic!("{line}")),
        Arc::new(SystemClock::start()),
    );
    let (writer, commands) = bounded(4 * SHARD_COMMANDS_MAX);
    let shard = Shard::new(Parts {
        index: 0,
        settings: Arc::new(Settings {
            zone: jiff::tz::TimeZone::UTC,
            public_url: None,
            app_keys: None,
            message_bytes_max: 1_000,
            upload_bytes_max: 1_000,
            open_directory: true,
            token_idle_ms_max: 1_000_000,
            jim_text_field: None,
        }),
        http: Arc::new(HttpSettings {
            header_timeout_ms: 1_000,
            idle_timeout_ms: 1_000,
            body_rate_min: 1_000,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            cors: CorsPolicy::SameOrigin,
            limits: Default::default(),
        }),
        ws: Arc::new(WsSettings {
            limits: Default::default(),
            ping_after_ms: 60_000,
            idle_timeout_ms: 120_000,
            deflate: false,
            diagnostics: false,
        }),
        shared: Arc::new(shared),
        writer,
        readers: Arc::clone(readers),
        recorder: metrics.recorder(),
        calls: Arc::default(),
        views_bytes_max: 0,
        connections_max: 1,
        drain_timeout: Duration::ZERO,
        random: Box::new(|bytes| bytes.fill(1)),
    });
    (shard, commands)
}

fn send() -> Command {
    Command::Send(Send {
        from: AccountId(2),
        to: Peer::Group(ConversationId(1)),
        kind: MessageKind::Text,
        body: "x".into(),
        origin: Dialect::Chat,
        client_id: None,
        attributes: None,
    })
}

fn marks() -> [Command; 3] {
    let (account, conversation) = (AccountId(2), ConversationId(1));
    let mark = ReadMark {
        position: Position(1),
        own: 0,
    };
    [
        Command::Read {
            account,
            conversation,
            mark,
        },
        Command::ReadAll {
            account,
            marks: vec![(conversation, mark)],
        },
        Command::Acknowledge {
            account,
            messages: vec![(conversation, vec![Position(1)])],
        },
    ]
}

/// The call `number` of a connection of the same number.
fn call(number: u32) -> CallKey {
    let conn = Key {
        slot: number,
        generation: 0,
    };
    CallKey { conn, call: number }
}

/// A call wants a command; the calls that were refused.
fn want(shard: &mut Shard<NoSocket>, number: u32, command: Command) -> Vec<u32> {
    shard.want(call(number), Wanted::Ask(Ask::Submit(command)));
    let refused = shard.delivered.drain(..).filter(|(_, delivered)| {
        matches!(
            delivered,
            Delivered::Outcome(Outcome::Refused(Refusal::Busy))
        )
    });
    refused.map(|(call, _)| call.call).collect()
}

/// What the shard has sent the writer.
fn submitted(
    shard: &mut Shard<NoSocket>,
    commands: &Receiver<ToWriter>,
) -> Vec<Submitted<CommandSlot>> {
    assert!(shard.turn());
    let commands = commands.try_iter().map(|command| match command {
        ToWriter::Submit(submitted) => submitted,
        other => panic!("{other:?}"),
    });
    commands.collect()
}

/// As many of `command` as may be under way.
fn fill(
    shard: &mut Shard<NoSocket>,
    commands: &Receiver<ToWriter>,
    command: &Command,
) -> Vec<Submitted<CommandSlot>> {
    for number in 0..SHARD_COMMANDS_MAX as u32 {
        assert_eq!(want(shard, number, command.clone()), [0; 0]);
    }
    let under_way = submitted(shard, commands);
    assert_eq!(under_way.len(), SHARD_COMMANDS_MAX);
    under_way
}

fn done(shard: &mut Shard<NoSocket>, submitted: &Submitted<CommandSlot>) {
    shard.handle_reply(submitted.reply_to, Ok(Reply::Done));
    shard.delivered.clear();
}

#[test]
fn marks_wait_for_room_of_their_own_and_leave_that_of_others() {
    let (mut shard, commands) = shard();
    let sends = fill(&mut shard, &commands, &send());
    assert_eq!(want(&mut shard, 5_000, send()), [5_000]);
    let under_way = fill(&mut shard, &commands, &marks()[0]);
    for (mark, number) in marks().into_iter().zip(6_000..) {
        assert_eq!(want(&mut shard, number, mark), [0; 0]);
    }
    assert_eq!(submitted(&mut shard, &commands).len(), 0);
    // What is no mark neither waits for those that do nor takes their room.
    done(&mut shard, &sends[0]);
    assert_eq!(submitted(&mut shard, &commands).len(), 0);
    assert_eq!(want(&mut shard, 7_000, send()), [0; 0]);
    assert_eq!(want(&mut shard, 7_001, send()), [7_001]);
    assert_eq!(submitted(&mut shard, &commands).len(), 1);
    // In their order.
    for (mark, before) in marks().into_iter().zip(&under_way) {
        done(&mut shard, before);
        let next = submitted(&mut shard, &commands);
        assert_eq!(
            next.iter().map(|next| &next.command).collect::<Vec<_>>(),
            [&mark]
        );
    }
    assert_eq!(want(&mut shard, 8_000, send()), [8_000]);
}

#[test]
fn marks_wait_in_a_bound_of_bytes_whatever_became_of_their_connections() {
    let (mut shard, commands) = shard();
    let [mark, ..] = marks();
    let mut under_way = fill(&mut shard, &commands, &mark);
    let most = SHARD_COMMAND_BYTES_MAX / mark.bytes();
    for number in 0..most as u32 {
        assert_eq!(want(&mut shard, number, mark.clone()), [0; 0]);
    }
    assert_eq!(want(&mut shard, 5_000, mark.clone()), [5_000]);
    let mut left = most;
    while left > 0 {
        under_way.iter().for_each(|before| done(&mut shard, before));
        under_way = submitted(&mut shard, &commands);
        assert_eq!(under_way.len(), left.min(SHARD_COMMANDS_MAX));
        left -= under_way.len();
    }
    assert_eq!(
        (shard.marks_waiting.len(), shard.mark_bytes_waiting),
        (0, 0)
    );
    under_way.iter().for_each(|before| done(&mut shard, before));
    // Large ones are bounded while they are under way, too.
    let large = Command::Acknowledge {
        account: AccountId(2),
        messages: vec![(
            ConversationId(1),
            vec![Position(1); SHARD_COMMAND_BYTES_MAX / size_of::<Position>() / 2],
        )],
    };
    for number in [6_000, 6_001] {
        assert_eq!(want(&mut shard, number, large.clone()), [0; 0]);
    }
    assert_eq!(submitted(&mut shard, &commands).len(), 1);
    assert_eq!(want(&mut shard, 7_000, large), [7_000]);
}

#[test]
fn what_reads_all_members_of_a_group_is_for_the_readers_of_much() {
    let readers = Arc::default();
    let (mut shard, _commands) = shard_with(&readers);
    let call = call(1);
    let group = ConversationId(1);
    for query in [ChatQuery::Part(group, Slot(0)), ChatQuery::Members(group)] {
        shard.want(call, Wanted::Ask(Ask::Query(Query::Chat(query))));
        assert_eq!((readers.questions(), readers.heavy()), (0, 1));
        assert!(matches!(readers.try_take(true, 1), Some(Work::Heavy(_))));
    }
    let query = ChatQuery::PartWith(AccountId(2), AccountId(3));
    shard.want(call, Wanted::Ask(Ask::Query(Query::Chat(query))));
    assert_eq!((readers.questions(), readers.heavy()), (1, 0));
}

#[test]
fn logins_wait_where_other_questions_are_refused() {
    let readers = Arc::default();
    let (mut shard, _commands) = shard_with(&readers);
    let call = call(1);
    for waiting in 0..QUERIES_WAITING_MAX + 3 {
        let has_room = shard.readiness().reader_queue_below_mark;
        assert_eq!(has_room, waiting < QUERIES_WAITING_MAX);
        let query = ChatQuery::PartWith(AccountId(2), AccountId(3));
        shard.want(call, Wanted::Ask(Ask::Query(Query::Chat(query))));
    }
    assert_eq!(readers.questions(), QUERIES_WAITING_MAX);
    shard.want(call, Wanted::Ask(Ask::Session(TokenHash([7; 16]))));
    shard.want(call, Wanted::Ask(Ask::View(AccountId(2))));
    assert_eq!(readers.questions(), QUERIES_WAITING_MAX + 2);
    let mut shown = String::new();
    let process = Process::read(0);
    shard.shared.metrics.render(&process, &mut shown);
    let waiting = QUERIES_WAITING_MAX + 2;
    for line in [
        format!("imd_reader_queue_queries{{queue=\"short\"}} {waiting}"),
        "imd_reader_queue_queries{queue=\"heavy\"} 0".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}");
    }
}
