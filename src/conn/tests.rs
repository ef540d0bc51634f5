//! A connection driven by hand: bytes, outcomes and a clock in, bytes and wants out.

mod acknowledging;
mod cuts;
mod ending;
mod methods;
mod socket;
mod time;

use super::*;
use crate::dialect::Outcome;
use crate::domain::command::Reply;
use crate::domain::presence::NobodyOnline;
use crate::limits::OUTBOX_BYTES_MAX;
use crate::proto::http::date::imf_fixdate;
use crate::proto::http::request::Limits;

const HEADER_MS: u64 = 10_000;
const IDLE_MS: u64 = 75_000;
const RATE: u64 = 1_024;

/// Answered at once, since it has no token.
const REFUSED_CALL: &[u8] = b"GET /soa-im/buyer/getUnreadMsgCount HTTP/1.1\r\nHost: x\r\n\r\n";
/// Waits for a command.
const LOGIN: &[u8] = b"POST /soa-im/buyer/registerAndLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\nbuyer_name=b";

fn page(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

/// A connection and all that its shard lends it.
struct Peer {
    conn: Conn,
    desk: Desk,
    settings: Settings,
    http: HttpSettings,
    ws: WsSettings,
    compressors: Compressors,
    now_ms: u64,
    draining: bool,
    scratch: Vec<u8>,
    buffers: BufferPool,
    wants: Vec<Want>,
    finished: Vec<Finished>,
    /// What the connection has written so far.
    sent: Vec<u8>,
}

impl Peer {
    fn new() -> Peer {
        Peer::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut HttpSettings)) -> Peer {
        let mut http = HttpSettings {
            header_timeout_ms: HEADER_MS,
            idle_timeout_ms: IDLE_MS,
            body_rate_min: RATE,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            cors: CorsPolicy::SameOrigin,
            limits: Limits::default(),
        };
        change(&mut http);
        let settings = Settings {
            zone: jiff::tz::TimeZone::UTC,
            public_url: None,
            app_keys: None,
            message_bytes_max: 1_000,
            upload_bytes_max: 100_000,
            open_directory: true,
            token_idle_ms_max: 1_000_000,
            jim_text_field: None,
        };
        Peer {
            conn: Conn::new(0, &http),
            desk: Desk::new(1 << 20, 1_000_000),
            settings,
            http,
            ws: WsSettings {
                limits: Default::default(),
                ping_after_ms: 60_000,
                idle_timeout_ms: 120_000,
                deflate: false,
                diagnostics: false,
            },
            compressors: Compressors::default(),
            now_ms: 0,
            draining: false,
            scratch: Vec::new(),
            buffers: BufferPool::default(),
            wants: Vec::new(),
            finished: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn turn(&mut self, handle: impl FnOnce(&mut Conn, &mut Turn<'_>)) {
        let mut turn = Turn {
            desk: &mut self.desk,
            settings: &self.settings,
            http: &self.http,
            ws: &self.ws,
            presence: &NobodyOnline,
            compressors: &mut self.compressors,
            now: TimeMs(1_800_000_000_000),
            now_ms: self.now_ms,
            date: &imf_fixdate(1_800_000_000),
            random: &mut |bytes| bytes.fill(7),
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            wants: &mut self.wants,
            finished: &mut self.finished,
            draining: self.draining,
        };
        handle(&mut self.conn, &mut turn);
    }

    fn bytes(&mut self, data: &[u8]) {
        let mut data = data.to_vec();
        self.turn(|conn, turn| conn.handle_bytes(&mut data, turn));
    }

    fn bytes_at(&mut self, now_ms: u64, data: &[u8]) {
        self.now_ms = now_ms;
        self.bytes(data);
    }

    fn timeout_at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.turn(|conn, turn| conn.handle_timeout(turn));
    }

    /// The one thing that is wanted.
    fn want(&mut self) -> Want {
        assert_eq!(self.wants.len(), 1, "{:?}", self.wants);
        self.wants.remove(0)
    }

    fn deliver(&mut self, call: u32, delivered: Delivered) {
        self.turn(|conn, turn| conn.handle_outcome(call, delivered, turn));
    }

    /// Gives a want what it wants: a page that shows its path, or that it is done.
    fn fulfil(&mut self, want: Want) {
        let delivered = match want.what {
            Wanted::Page(request) => Delivered::Page(Page::text(200, request.path)),
            Wanted::Ask(_) => Delivered::Outcome(Outcome::Reply(Reply::Done)),
        };
        self.deliver(want.call, delivered);
    }

    /// The peer takes so many bytes at most.
    fn write(&mut self, count_max: usize) {
        let count = self.conn.output().len().min(count_max);
        self.sent.extend_from_slice(&self.conn.output()[..count]);
        self.turn(|conn, turn| conn.handle_written(count, turn));
    }

    /// Does what a shard does until nothing more happens by itself.
    fn run(&mut self) {
        loop {
            if let Some(want) = self.wants.pop() {
                self.fulfil(want);
            } else if !self.conn.output().is_empty() {
                self.write(usize::MAX);
            } else if self.conn.has_unparsed_work(&self.http) {
                self.turn(|conn, turn| conn.resume(turn));
            } else {
                return;
            }
        }
    }

    fn wants_read(&self) -> bool {
        self.conn.wants_read(&self.http)
    }

    fn statuses(&self) -> Vec<u16> {
        self.finished
            .iter()
            .map(|finished| finished.status)
            .collect()
    }

    /// Everything that was answered, written out.
    fn text(&mut self) -> String {
        self.run();
        String::from_utf8(self.sent.clone()).expect("text")
    }
}

/// The value of a header field, if it is there once.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut found = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(field, _)| *field == name);
    let (_, value) = found.next()?;
    assert!(found.next().is_none(), "{name} twice in {answer}");
    Some(value)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

#[test]
fn answers_leave_in_the_order_of_the_requests_however_late_they_come() {
    let mut peer = Peer::new();
    let requests = [
        page("/1"),
        REFUSED_CALL.to_vec(),
        LOGIN.to_vec(),
        page("/2"),
        page("/3"),
    ]
    .concat();
    peer.bytes(&requests);
    // One is under way at a time, and nothing is read meanwhile.
    let first = peer.want();
    assert!(!peer.wants_read() && peer.conn.output().is_empty());
    peer.fulfil(first);
    let login = peer.want();
    assert!(matches!(login.what, Wanted::Ask(Ask::Submit(_))));
    assert_eq!(peer.statuses(), [200, 200]);
    peer.fulfil(login);
    assert_eq!(peer.statuses(), [200, 200, 200]);
    let second = peer.want();
    peer.fulfil(second);
    let third = peer.want();
    peer.fulfil(third);
    assert!(peer.wants_read() && peer.wants.is_empty());
    let text = peer.text();
    let places = ["/1", "\"state\":0", "\"state\":1", "/2", "/3"].map(|mark| text.find(mark));
    assert!(
        places.is_sorted() && places.iter().all(Option::is_some),
        "{text}"
    );
    assert_eq!(peer.conn.closing(), Closing::Open);
}

#[test]
fn outcomes_that_nobody_waits_for_are_ignored() {
    let mut peer = Peer::new();
    peer.deliver(0, Delivered::Page(Page::text(200, "nobody asked")));
    peer.bytes(&page("/1"));
    let first = peer.want();
    for call in [first.call + 1, first.call.wrapping_sub(1), u32::MAX - 3] {
        peer.deliver(call, Delivered::Page(Page::text(200, "wrong number")));
    }
    peer.deliver(first.call, Delivered::Outcome(Outcome::Saved));
    assert!(peer.conn.output().is_empty() && peer.wants.is_empty());
    let call = first.call;
    peer.fulfil(first);
    peer.bytes(&page("/2"));
    // The answer to the first again, while the second is awaited.
    peer.deliver(call, Delivered::Page(Page::text(200, "again")));
    let text = peer.text();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(!text.contains("again") && !text.contains("wrong") && !text.contains("nobody"));
}

#[test]
fn a_full_outbox_stops_parsing_and_an_emptied_one_resumes_it() {
    let one = {
        let mut peer = Peer::new();
        peer.bytes(REFUSED_CALL);
        peer.conn.output().len()
    };
    let mut peer = Peer::with(|http| http.outbox_bytes_max = 3 * one);
    peer.bytes(&REFUSED_CALL.repeat(20));
    assert_eq!(peer.conn.output().len(), 3 * one);
    assert!(!peer.wants_read() && !peer.conn.has_unparsed_work(&peer.http));
    peer.write(1);
    assert!(peer.conn.has_unparsed_work(&peer.http));
    peer.turn(|conn, turn| conn.resume(turn));
    assert_eq!(peer.conn.output().len(), 4 * one - 1);
    peer.run();
    assert_eq!(peer.sent.len(), 20 * one);
    assert!(peer.wants_read());
}

#[test]
fn a_body_waits_for_continue_if_the_client_does() {
    let mut peer = Peer::new();
    peer.bytes(b"POST /soa-im/buyer/registerAndLogin HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\n");
    assert_eq!(peer.conn.output(), b"HTTP/1.1 100 Continue\r\n\r\n");
    peer.bytes(b"buyer_name=b");
    let login = peer.want();
    peer.fulfil(login);
    let text = peer.text();
    assert!(
        text.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{text}"
    );
}
