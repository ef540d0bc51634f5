//! Calls of `conv` over the real writer and the store in memory: whole and cut streams of requests get the same answers,
//! nothing panics, and every answer has one of the forms of the contract.
#![no_main]

use imd::dialect::{AppKey, Ask, Context, Outcome, Response, Settings, Step, route};
use imd::domain::command::{Command, Refusal, Reply};
use imd::domain::decide::Policy;
use imd::domain::desk::{Desk, SessionMemo};
use imd::domain::ids::TimeMs;
use imd::domain::presence::NobodyOnline;
use imd::domain::query::{Answer, Query};
use imd::proto::http::request::{Decoder, Event, Limits, Request};
use imd::proto::http::target::decode_path;
use imd::store::memory::MemoryStore;
use imd::store::writer::{Submitted, Writer};
use imd::store::{Reader, Store, load, query};
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: TimeMs = TimeMs(1_800_000_000_000);
/// Where the pieces of the input end.
const END: u8 = b'\n';
/// What a call asks for at most: a page, and that it is marked as read.
const ASKS_MAX: usize = 2;

const PATHS: [&str; 12] = [
    "/im/send/msg",
    "/im/conv/list",
    "/im/from/to",
    "/im/conv/c0000000000000001",
    "/im/conv/c0000000000000002",
    "/im/creat/group",
    "/im/add/group/merber",
    "/im/group/c0000000000000001/list",
    "/im/group/c0000000000000002/list",
    "/im/group/c0000000000000001/alias",
    "/im/user/profile",
    "/im/create/group",
];

struct Server {
    settings: Settings,
    writer: Writer<()>,
    reader: Box<dyn Reader>,
    desk: Desk,
    memo: SessionMemo,
}

impl Server {
    fn new(settings: Settings) -> Server {
        let mut store = MemoryStore::new();
        let counters = store.open().expect("a store");
        let reader = store.reader().expect("a reader");
        let policy = Policy {
            open_directory: settings.open_directory,
            group_members_max: 4,
            token_idle_ms_max: settings.token_idle_ms_max,
        };
        Server {
            writer: Writer::resume(Box::new(store), policy, counters),
            reader,
            desk: Desk::new(1 << 20, settings.token_idle_ms_max),
            memo: SessionMemo::default(),
            settings,
        }
    }

    fn run(&mut self, body: &mut Vec<u8>, step: impl FnOnce(&mut Context<'_>) -> Step) -> Step {
        step(&mut Context {
            desk: &mut self.desk,
            memo: &mut self.memo,
            settings: &self.settings,
            presence: &NobodyOnline,
            now: NOW,
            random: &mut |bytes| bytes.fill(7),
            body,
        })
    }

    fn query(&mut self, asked: &Query) -> Answer {
        query::ask(&mut *self.reader, asked)
            .expect("an answer")
            .answer
    }

    fn submit(&mut self, command: Command) -> Result<Reply, Refusal> {
        let submitted = Submitted {
            lane: 1,
            command,
            reply_to: (),
        };
        self.writer.handle_submitted(submitted, NOW);
        while let Some(request) = self.writer.poll_load() {
            let loaded = load::fetch(&mut *self.reader, &request);
            self.writer.handle_loaded(loaded, NOW);
        }
        let (_, reply) = self.writer.commit().replies.remove(0);
        assert_ne!(reply, Err(Refusal::Failure));
        reply
    }

    /// The answer to a request; `None` where no call answers it.
    fn answer(&mut self, request: &Request<'_>) -> Option<(Response, Vec<u8>)> {
        let path = decode_path(request.head().path()).ok()?;
        let route = route(&path).filter(|route| route.name.starts_with("conv."))?;
        if !route.methods.contains(&request.head().method()) {
            return None;
        }
        let mut body = Vec::new();
        let mut asks = 0;
        let mut step = self.run(&mut body, |context| (route.start)(request, context));
        loop {
            match step {
                Step::Done(response) => return Some((response, body)),
                Step::Wait(ask, call) => {
                    asks += 1;
                    assert!(body.is_empty() && asks <= ASKS_MAX);
                    let outcome = match ask {
                        Ask::Query(query) => Outcome::Answer(self.query(&query)),
                        Ask::Submit(command) => self
                            .submit(command)
                            .map_or_else(Outcome::Refused, Outcome::Reply),
                        other => panic!("asked for {other:?}"),
                    };
                    step = self.run(&mut body, |context| call.resume(outcome, context));
                }
            }
        }
    }
}

fn check(response: &Response, body: &[u8]) {
    assert_eq!(response.content_type, "application/json");
    let value: Value = serde_json::from_slice(body).expect("JSON");
    match response.status {
        200 => assert!(value.is_array() || value == Value::Object(Default::default())),
        status => {
            assert!([400, 401, 403, 404, 413].contains(&status), "{status}");
            assert_eq!(value["code"], status);
            assert!(value["msg"].is_string() && response.headers.is_empty());
        }
    }
}

/// The answers to the requests in `input`, fed in pieces that end at `cuts`, and how much was left over.
fn outcome(input: &[u8], cuts: &[usize], settings: &Settings) -> String {
    let mut server = Server::new(settings.clone());
    let mut decoder = Decoder::new();
    let mut kept = Vec::new();
    let mut answers = String::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        kept.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            let decoded = decoder.decode(&kept, &Limits::default(), |_| 4096);
            let (consumed, event) = match decoded {
                Ok(decoded) => decoded,
                Err(refusal) => return format!("{answers}{refusal:?}"),
            };
            let idle = matches!(event, Event::NeedMore);
            if let Event::Request(request) = event {
                let answer = server.answer(&request);
                if let Some((response, body)) = &answer {
                    check(response, body);
                }
                answers += &format!("{answer:?}\n");
            }
            kept.drain(..consumed);
            if idle {
                break;
            }
        }
    }
    format!("{answers}{}", kept.len())
}

/// A request for each piece of the input: its first byte picks the call, the rest is the body, or what is in the braces of one.
fn requests(input: &[u8]) -> Vec<u8> {
    let mut requests = Vec::new();
    for piece in input.split(|byte| *byte == END) {
        let Some((how, rest)) = piece.split_first() else {
            continue;
        };
        let path = PATHS[usize::from(how & 0x1f) % PATHS.len()];
        let (before, after) = if how & 0x20 == 0 {
            ("{", "}")
        } else {
            ("", "")
        };
        let length = before.len() + rest.len() + after.len();
        requests.extend_from_slice(
            format!("POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\nContent-Length: {length}\r\n\r\n{before}")
                .as_bytes(),
        );
        requests.extend_from_slice(rest);
        requests.extend_from_slice(after.as_bytes());
    }
    requests
}

fuzz_target!(|data: &[u8]| {
    const CUTS: usize = 4;
    let Some((head, input)) = data.split_at_checked(1 + CUTS) else {
        return;
    };
    let (how, cuts) = (head[0], &head[1..]);
    let key = |secret: &str| AppKey {
        id: "a".into(),
        secret: secret.into(),
    };
    let settings = Settings {
        zone: TimeZone::UTC,
        public_url: None,
        app_keys: match how & 3 {
            0 => Some(vec![key("other"), key("k")]),
            1 => Some(vec![key("other")]),
            _ => None,
        },
        message_bytes_max: 300,
        upload_bytes_max: 200,
        open_directory: how & 4 == 0,
        token_idle_ms_max: 1_000,
        jim_text_field: None,
    };
    let input = match how & 8 {
        0 => requests(input),
        _ => input.to_vec(),
    };
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| input.len() * usize::from(*cut) / 256)
        .collect();
    cuts.sort_unstable();
    let whole = outcome(&input, &[], &settings);
    assert_eq!(outcome(&input, &cuts, &settings), whole);
});
