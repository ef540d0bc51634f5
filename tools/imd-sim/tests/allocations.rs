//! What a message costs the allocator once everything is warm: nothing on the paths that clients walk all the time, and little where
//! something is stored.

// Only an allocator of one's own can count.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use imd::limits::OUTBOX_BYTES_MAX;
use imd::store::memory::MemoryStore;
use imd_sim::server::{Rig, Server, Virtual};
use imd_sim::wire::Link;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: everything is left to the system's allocator; counting touches a thread-local without a destructor and never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many allocations this thread makes in `run`.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// A server with one shard, and the connections of its clients.
struct World {
    server: Server,
    links: Vec<Link>,
}

impl World {
    fn new() -> World {
        let clock = Arc::new(Virtual::start());
        let store = Box::new(MemoryStore::new());
        let server = Server::start(&Rig::default(), store, clock, 1, 7);
        World {
            server: server.unwrap_or_else(|broken| panic!("{}", broken.0)),
            links: Vec::new(),
        }
    }

    /// Opens a connection; its place.
    fn open(&mut self) -> usize {
        let shard = &mut self.server.shards[0];
        let link = Link::open(OUTBOX_BYTES_MAX, |wire| Some((0, shard.open(wire)?)));
        self.links.push(link.expect("room for a connection"));
        self.links.len() - 1
    }

    /// Brings bytes to the server.
    fn send(&mut self, at: usize, bytes: &[u8]) {
        let link = &mut self.links[at];
        link.unsent.extend(bytes);
        link.carry(usize::MAX);
        self.server.shards[0].note_readable(link.key, false);
    }

    /// Has every part of the server do what it can.
    fn settle(&mut self) {
        loop {
            self.server.turn(0);
            let mut is_busy = self.server.read(false).expect("a store that can be read");
            while self.server.read_and_waiting() > 0 {
                self.server.bring(0);
                is_busy = true;
            }
            while self.server.write(usize::MAX) {
                is_busy = true;
            }
            if !is_busy {
                return self.server.turn(0);
            }
        }
    }

    /// What came over a connection.
    fn receive(&mut self, at: usize) -> String {
        let received = self.links[at].receive(usize::MAX);
        String::from_utf8_lossy(&received.bytes).into_owned()
    }

    /// Sends, settles, receives.
    fn call(&mut self, at: usize, bytes: &[u8]) -> String {
        self.send(at, bytes);
        self.settle();
        self.receive(at)
    }

    /// A user of `jim`, logged in on a WebSocket.
    fn jim(&mut self, name: &str) -> usize {
        let body = format!(r#"{{"senderId":"{name}","token":"t-{name}","type":0}}"#);
        let at = self.open();
        let answer = self.call(at, &post("/im/vanke/initUser", &body));
        assert!(answer.contains(r#""code":200"#), "{answer}");
        let at = self.open();
        let answer = self.call(at, &upgrade(&format!("/?token=t-{name}")));
        assert!(answer.contains(r#""code":10007"#), "{answer}");
        at
    }

    /// A user of `chat`, let in on a WebSocket; its place, and the user's number.
    fn chat(&mut self, name: &str) -> (usize, u64) {
        let body = format!(r#"{{"company":"c","app":"a","thirdUserId":"{name}"}}"#);
        let at = self.open();
        let answer = self.call(at, &post("/im/user/register", &body));
        let (_, user) = answer.split_once(r#""userId":"#).expect("a number");
        let digits = user.find(|letter: char| !letter.is_ascii_digit());
        let user = user[..digits.unwrap_or(user.len())].parse();
        let user = user.expect("a number");
        let at = self.open();
        let answer = self.call(at, &upgrade("/ws"));
        assert!(answer.contains("101"), "{answer}");
        let auth = format!(r#"{{"msgType":"Auth","fromUserId":{user},"content":"x"}}"#);
        let answer = self.call(at, &text(&auth));
        assert_eq!(answer, "");
        (at, user)
    }

    /// Has the shard take a turn; how many allocations it makes.
    fn turn(&mut self) -> u64 {
        allocations(|| self.server.turn(0))
    }

    /// Has the writer commit what has come, tell, publish and answer.
    fn commit(&mut self) {
        (0..4).for_each(|_| assert!(self.server.write(usize::MAX)));
    }
}

fn upgrade(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A text of a client, under a mask of zeros (RFC 6455 §5.3).
fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload.as_bytes());
    frame
}

/// Rounds before anything counts: buffers reach their sizes.
const WARM: usize = 200;
/// Rounds that count.
const ROUNDS: usize = 1_000;

/// The allocations of the shard for each of [`ROUNDS`] times that `bytes` come over a connection and are answered with something that
/// contains `expected`.
fn allocations_per_call(world: &mut World, at: usize, bytes: &[u8], expected: &str) -> f64 {
    let mut sum = 0;
    for round in 0..WARM + ROUNDS {
        world.send(at, bytes);
        let made = world.turn();
        sum += if round < WARM { 0 } else { made };
        let answer = world.receive(at);
        assert!(answer.contains(expected), "{answer}");
    }
    sum as f64 / ROUNDS as f64
}

#[test]
fn a_heartbeat_allocates_nothing() {
    let mut world = World::new();
    let at = world.jim("a");
    let heartbeat = text(r#"{"cmd":13,"hbbyte":"-127"}"#);
    let each = allocations_per_call(&mut world, at, &heartbeat, r#""hbbyte":-128"#);
    assert_eq!(each, 0.0);
}

#[test]
fn a_poll_allocates_nothing() {
    let mut world = World::new();
    let at = world.open();
    let register = "GET /soa-im/buyer/registerAndLogin?buyer_name=a HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = world.call(at, register.as_bytes());
    let (_, token) = answer.split_once(r#""token":""#).expect("a token");
    let (token, _) = token.split_once('"').expect("a token");
    let poll = format!(
        "GET /soa-im/buyer/getUnreadMsgCount?buyer_name=a&token={token} HTTP/1.1\r\nHost: x\r\n\r\n"
    );
    let expected = r#""unReadMsgCount":0"#;
    assert!(world.call(at, poll.as_bytes()).contains(expected));
    let each = allocations_per_call(&mut world, at, poll.as_bytes(), expected);
    assert_eq!(each, 0.0);
}

#[test]
fn a_push_allocates_nothing() {
    let mut world = World::new();
    let (from, to) = (world.open(), world.jim("b"));
    let body = r#"{"from_id":"a","to_id":"b","msg":"hello","msg_type":0}"#;
    let message = post("/im/send/msg", body);
    let mut sum = 0;
    for round in 0..WARM + ROUNDS {
        world.send(from, &message);
        world.server.turn(0);
        if round > 0 {
            // Decided and committed, told, published.
            (0..3).for_each(|_| assert!(world.server.write(usize::MAX)));
            let made = world.turn();
            sum += if round < WARM { 0 } else { made };
            let push = world.receive(to);
            assert!(push.contains(r#""content":"hello""#), "{push}");
        }
        world.settle();
        let answer = world.receive(from);
        assert!(answer.contains("200 OK"), "{answer}");
        world.receive(to);
    }
    assert_eq!(sum as f64 / ROUNDS as f64, 0.0);
}

/// What a message of `chat` costs at most from its frame to its acknowledgement, recorded: its text and its client's id, what waits for the
/// writer on each side, what the receiver has not acknowledged (three), and what the writer is told of the acknowledgement (two).
const CHAT_MESSAGE_ALLOCATIONS_MAX: f64 = 9.0;

#[test]
fn a_message_of_chat_allocates_little() {
    let mut world = World::new();
    let (from, sender) = world.chat("a");
    let (to, receiver) = world.chat("b");
    let mut sum = 0;
    for id in 1..=WARM + ROUNDS {
        let message = format!(
            r#"{{"fromUserId":{sender},"toUserId":{receiver},"msgType":"Text","content":"hello","id":{id},"chatType":"Single"}}"#
        );
        let acknowledgement =
            format!(r#"{{"msgType":"Ack","content":"{{\"srcId\":{id}}}","chatType":"Single"}}"#);
        let mut made = 0;
        for (at, frame) in [(from, &message), (to, &acknowledgement)] {
            world.send(at, &text(frame));
            made += world.turn();
            match id {
                // The writer loads what it does not know yet.
                1 => world.settle(),
                _ => world.commit(),
            }
            made += world.turn();
            if at == from {
                let (stored, push) = (world.receive(from), world.receive(to));
                assert!(stored.contains(&format!(r#"srcId\":{id}}}"#)), "{stored}");
                assert!(push.contains(&format!(r#""id":{id},"#)), "{push}");
            }
        }
        sum += if id <= WARM { 0 } else { made };
    }
    let each = sum as f64 / ROUNDS as f64;
    assert!(each <= CHAT_MESSAGE_ALLOCATIONS_MAX, "{each}");
}
