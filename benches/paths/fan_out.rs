//! A message to a group, put before all the sockets of its members in a shard: found in the roster, encoded once, copied into the outbox
//! of each. The outboxes are then emptied, as if they were written; the system calls are not here.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use imd::conn::{
    BufferPool, Closing, Compressors, Conn, CorsPolicy, Delivered, EncodedPushes, Finished,
    HttpSettings, Turn, Want, Wanted, WsSettings,
};
use imd::dialect::{Ask, Outcome, Settings};
use imd::domain::desk::Desk;
use imd::domain::event::{Audience, Told};
use imd::domain::ids::{AccountId, CommitNumber, ConversationId};
use imd::domain::presence::NobodyOnline;
use imd::domain::roster::{Attach, Roster};
use imd::limits::OUTBOX_BYTES_MAX;
use imd::proto::http::date::{ImfFixdate, imf_fixdate};
use imd::proto::http::request::Limits;

use crate::world::{self, BODY, BUYER, NOW};

const HANDSHAKE: &[u8] =
    b"GET /?token=t1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// From one socket to as many as the largest group has members.
pub fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan-out");
    for sockets in [1, 10, 100, 1_000, 2_000] {
        let mut shard = Shard::new(sockets);
        shard.push(|output| assert!(String::from_utf8_lossy(output).contains(BODY)));
        group.throughput(Throughput::Elements(sockets));
        group.bench_function(sockets.to_string(), |b| {
            b.iter(|| {
                let mut bytes = 0;
                let told = shard.push(|output| bytes += black_box(output).len());
                assert_eq!(told as u64, sockets);
                assert!(bytes > told * BODY.len());
            });
        });
    }
    group.finish();
}

/// Sockets of `jim`'s, each of another member of the group, and what a shard lends them.
struct Shard {
    conns: Vec<Conn>,
    roster: Roster<usize, ()>,
    pushes: EncodedPushes,
    told: Told,
    newest: CommitNumber,
    lent: Lent,
}

impl Shard {
    fn new(sockets: u64) -> Shard {
        let mut lent = Lent::new();
        let mut roster = Roster::default();
        let log_in = |socket| {
            let id = AccountId(BUYER.0 + socket);
            if roster.attach(id, socket as usize, ()) == Attach::Load {
                roster.deliver(id, CommitNumber(0), vec![ConversationId(1)]);
                roster.attach(id, socket as usize, ());
            }
            lent.log_in(id)
        };
        let conns = (0..sockets).map(log_in).collect();
        Shard {
            conns,
            roster,
            pushes: EncodedPushes::default(),
            told: Told {
                audience: Audience::Everyone,
                event: Arc::new(world::said(true)),
            },
            newest: CommitNumber(0),
            lent,
        }
    }

    /// Tells all whom it concerns, shows what each is to be sent, and says how many they are.
    fn push(&mut self, mut sent: impl FnMut(&[u8])) -> usize {
        self.newest.0 += 1;
        let sockets = self.roster.apply(self.newest, black_box(&self.told));
        self.pushes.clear();
        for socket in &sockets {
            let (conn, pushes) = (&mut self.conns[*socket], &mut self.pushes);
            self.lent
                .turn(|turn| conn.handle_event(&self.told.event, pushes, turn));
        }
        for socket in &sockets {
            let conn = &mut self.conns[*socket];
            sent(conn.output());
            let count = conn.output().len();
            self.lent.turn(|turn| conn.handle_written(count, turn));
        }
        sockets.len()
    }
}

/// What a shard lends its connections.
struct Lent {
    desk: Desk,
    settings: Settings,
    http: HttpSettings,
    ws: WsSettings,
    compressors: Compressors,
    date: ImfFixdate,
    scratch: Vec<u8>,
    buffers: BufferPool,
    wants: Vec<Want>,
    finished: Vec<Finished>,
}

impl Lent {
    fn new() -> Lent {
        let settings = world::settings();
        Lent {
            desk: Desk::new(1 << 20, settings.token_idle_ms_max),
            settings,
            http: HttpSettings {
                header_timeout_ms: 10_000,
                idle_timeout_ms: 75_000,
                body_rate_min: 1_024,
                outbox_bytes_max: OUTBOX_BYTES_MAX,
                cors: CorsPolicy::SameOrigin,
                limits: Limits::default(),
            },
            ws: WsSettings {
                limits: Default::default(),
                ping_after_ms: 60_000,
                idle_timeout_ms: 120_000,
                deflate: false,
                diagnostics: false,
            },
            compressors: Compressors::default(),
            date: imf_fixdate(NOW.0.unsigned_abs() / 1_000),
            scratch: Vec::new(),
            buffers: BufferPool::default(),
            wants: Vec::new(),
            finished: Vec::new(),
        }
    }

    fn turn(&mut self, handle: impl FnOnce(&mut Turn<'_>)) {
        handle(&mut Turn {
            desk: &mut self.desk,
            settings: &self.settings,
            http: &self.http,
            ws: &self.ws,
            presence: &NobodyOnline,
            compressors: &mut self.compressors,
            now: NOW,
            now_ms: 1,
            date: &self.date,
            random: &mut |bytes| bytes.fill(7),
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            wants: &mut self.wants,
            finished: &mut self.finished,
            draining: false,
        });
    }

    /// A socket of that account, which has been told that it is logged in.
    fn log_in(&mut self, id: AccountId) -> Conn {
        let mut conn = Conn::new(1, &self.http);
        self.turn(|turn| conn.handle_bytes(&mut HANDSHAKE.to_vec(), turn));
        while let Some(want) = self.wants.pop() {
            let outcome = match want.what {
                Wanted::Ask(Ask::Session(_)) => {
                    Outcome::Session(Some(world::account(id, &format!("member {id}"))))
                }
                Wanted::Ask(Ask::Attach(_)) => Outcome::Attached,
                other => panic!("{other:?}"),
            };
            self.turn(|turn| conn.handle_outcome(want.call, Delivered::Outcome(outcome), turn));
        }
        let count = conn.output().len();
        self.turn(|turn| conn.handle_written(count, turn));
        assert_eq!((conn.account(), conn.closing()), (Some(id), Closing::Open));
        conn
    }
}
