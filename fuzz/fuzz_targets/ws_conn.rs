//! A connection that becomes a WebSocket, driven by operations: messages, control frames, raw bytes, events and outcomes, the bytes cut
//! anywhere. Whole or cut, the peer is sent the same messages in the same order, and nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;

use imd::conn::{
    BufferPool, Closing, Compressors, Conn, CorsPolicy, Delivered, EncodedPushes, HttpSettings,
    Page, Turn, Wanted, WsSettings,
};
use imd::dialect::{Ask, Outcome, Settings};
use imd::domain::command::{Refusal, Reply};
use imd::domain::desk::Desk;
use imd::domain::event::Event;
use imd::domain::ids::{AccountId, TimeMs};
use imd::domain::presence::NobodyOnline;
use imd::domain::token::{Token, TokenHash};
use imd::proto::http::date::imf_fixdate;
use imd::proto::http::request::Limits;
use imd::proto::ws::assembler;
use imd_fuzz::{NOW, account, cuts, settings};

const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// A connection and what its shard lends it.
struct Peer {
    conn: Conn,
    desk: Desk,
    settings: Settings,
    http: HttpSettings,
    ws: WsSettings,
    compressors: Compressors,
    buffers: BufferPool,
    scratch: Vec<u8>,
    wants: Vec<imd::conn::Want>,
    sent: Vec<u8>,
    script: u8,
}

impl Peer {
    fn new(script: u8) -> Peer {
        let http = HttpSettings {
            header_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            body_rate_min: 1_024,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            cors: CorsPolicy::SameOrigin,
            limits: Limits::default(),
        };
        Peer {
            conn: Conn::new(0, &http),
            desk: Desk::new(1 << 20, 1_000_000),
            settings: settings(),
            http,
            ws: WsSettings {
                limits: assembler::Limits {
                    message_bytes_max: 2_000,
                    fragments_max: 8,
                },
                ping_after_ms: 60_000,
                idle_timeout_ms: 120_000,
                deflate: script & 1 != 0,
                diagnostics: true,
            },
            compressors: Compressors::default(),
            buffers: BufferPool::default(),
            scratch: Vec::new(),
            wants: Vec::new(),
            sent: Vec::new(),
            script,
        }
    }

    fn turn(&mut self, handle: impl FnOnce(&mut Conn, &mut Turn<'_>)) {
        let mut finished = Vec::new();
        let mut turn = Turn {
            desk: &mut self.desk,
            settings: &self.settings,
            http: &self.http,
            ws: &self.ws,
            presence: &NobodyOnline,
            compressors: &mut self.compressors,
            now: NOW,
            now_ms: 1,
            date: &imf_fixdate(1_800_000_000),
            random: &mut |bytes| bytes.fill(7),
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            wants: &mut self.wants,
            finished: &mut finished,
            draining: false,
        };
        handle(&mut self.conn, &mut turn);
    }

    /// Gives the connection bytes, then all that it wants, and takes what it has to write.
    fn bytes(&mut self, data: &[u8]) {
        let mut data = data.to_vec();
        self.turn(|conn, turn| conn.handle_bytes(&mut data, turn));
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let output = self.conn.output().to_vec();
            let is_quiet = output.is_empty() && self.wants.is_empty();
            self.sent.extend_from_slice(&output);
            if self.conn.closing() == Closing::Now {
                return;
            }
            if !output.is_empty() {
                self.turn(|conn, turn| conn.handle_written(output.len(), turn));
            }
            for want in std::mem::take(&mut self.wants) {
                let delivered = self.answer(&want.what);
                self.turn(|conn, turn| conn.handle_outcome(want.call, delivered, turn));
            }
            let http = self.http.clone();
            if self.conn.has_unparsed_work(&http) {
                self.turn(|conn, turn| conn.resume(turn));
            } else if is_quiet {
                return;
            }
        }
    }

    fn answer(&self, wanted: &Wanted) -> Delivered {
        Delivered::Outcome(match wanted {
            Wanted::Page(_) => return Delivered::Page(Page::text(404, "not found")),
            Wanted::Ask(Ask::Session(_)) if self.script & 2 != 0 => Outcome::Session(None),
            Wanted::Ask(Ask::Session(_)) => Outcome::Session(Some(account(AccountId(2), "a"))),
            Wanted::Ask(Ask::Attach(_)) => Outcome::Attached,
            Wanted::Ask(Ask::Submit(_)) if self.script & 4 != 0 => Outcome::Reply(Reply::Done),
            Wanted::Ask(_) => Outcome::Refused(if self.script & 8 != 0 {
                Refusal::Busy
            } else {
                Refusal::NotAMember
            }),
        })
    }

    fn event(&mut self, event: &Event) {
        self.turn(|conn, turn| conn.handle_event(event, &mut EncodedPushes::default(), turn));
        self.settle();
    }
}

/// A masked frame of a client; `how` chooses opcode, end and reserved bits.
fn frame(how: u8, payload: &[u8], out: &mut Vec<u8>) {
    const OPCODES: [u8; 8] = [1, 1, 1, 2, 0, 8, 9, 10];
    let opcode = OPCODES[usize::from(how & 7)];
    let fin = if how & 0x08 == 0 { 0x80 } else { 0 };
    let reserved = if how & 0xf0 == 0xf0 { 0x40 } else { 0 };
    out.push(fin | reserved | opcode);
    let payload = &payload[..payload.len().min(125)];
    out.push(0x80 | payload.len() as u8);
    let mask = [how, 2, 3, 4];
    out.extend_from_slice(&mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

/// The bytes of a client that opens a WebSocket and sends what the input says.
fn client(how: u8, input: &[u8]) -> Vec<u8> {
    const COMMANDS: [&str; 6] = [
        r#"{"cmd":13,"hbbyte":"-127"}"#,
        r#"{"cmd":"11","from":"a","to":"b","chatType":2,"content":"x","id":"1"}"#,
        r#"{'cmd':19,'type':'0','userId':'a'}"#,
        r#"{"cmd":17,"type":"2","userId":"a","extras":{"pullType":1}}"#,
        r#"{"cmd":7,"group":"g"}"#,
        r#"{"cmd":14}"#,
    ];
    let target = if how & 0x10 == 0 {
        "/?token=t"
    } else {
        "/echo"
    };
    let extension = if how & 0x20 == 0 {
        ""
    } else {
        "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    };
    let mut out = format!(
        "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         {extension}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes();
    let mut rest = input;
    while let [kind, length, after @ ..] = rest {
        let (payload, after) = after.split_at(after.len().min(usize::from(*length)));
        match COMMANDS.get(usize::from(*kind) % 16) {
            Some(command) => frame(0, command.as_bytes(), &mut out),
            None if kind % 16 == 15 => out.extend_from_slice(payload),
            None => frame(*kind >> 1, payload, &mut out),
        }
        rest = after;
    }
    out
}

/// What the peer was sent: the handshake's answer and the frames, without pongs, which need not wait for answers before them.
fn messages(sent: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let end = sent
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(sent.len(), |at| at + 4);
    let (head, mut rest) = sent.split_at(end);
    let mut frames = Vec::new();
    while let [first, second, ..] = rest {
        let (start, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
            127 => (
                10,
                u64::from_be_bytes(rest[2..10].try_into().expect("eight bytes")) as usize,
            ),
            short => (2, usize::from(*short)),
        };
        assert!(rest.len() >= start + length, "a whole frame");
        let (frame, after) = rest.split_at(start + length);
        if first & 0x0f != 10 {
            frames.push(frame.to_vec());
        }
        rest = after;
    }
    (head.to_vec(), frames)
}

fn run(how: u8, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut peer = Peer::new(how);
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        peer.bytes(&bytes[from..cut]);
        from = cut;
    }
    let ended = Token {
        hash: TokenHash([0; 16]),
        account: AccountId(2),
        used_at: TimeMs(0),
    };
    peer.event(&Event::TokenEnded(ended));
    peer.turn(|conn, _| conn.handle_end());
    peer.settle();
    messages(&peer.sent)
}

fuzz_target!(|data: &[u8]| {
    let [how, one, other, input @ ..] = data else {
        return;
    };
    let bytes = client(*how, input);
    let cuts = cuts(&[*one, *other], bytes.len());
    let whole = run(*how, &bytes, &[]);
    let each: Vec<usize> = (1..bytes.len()).collect();
    for cut in [&cuts[..], &each] {
        let (head, frames) = run(*how, &bytes, cut);
        assert_eq!(head, whole.0);
        assert!(agree(&whole.1, &frames), "{whole:?} {frames:?}");
    }
});

/// The same messages. A client that closes or breaks the rules does not get the answers that it had not yet waited for: then one has the
/// beginning of the other, and the same end.
fn agree(whole: &[Vec<u8>], cut: &[Vec<u8>]) -> bool {
    match (whole.split_last(), cut.split_last()) {
        (Some((end, before)), Some((other_end, other_before))) if end.first() == Some(&0x88) => {
            end == other_end && other_before.starts_with(before)
        }
        _ => whole == cut,
    }
}
