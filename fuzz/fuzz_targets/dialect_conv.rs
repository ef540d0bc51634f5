//! Calls of `conv` over the real writer and the store in memory: whole and cut streams of requests get the same answers,
//! nothing panics, and every answer has one of the forms of the contract.
#![no_main]

use imd::dialect::{AppKey, Ask, Outcome, Response, Settings};
use imd::domain::command::{Command, Refusal, Reply};
use imd::domain::decide::Policy;
use imd::domain::query::{Answer, Query};
use imd::proto::http::request::Limits;
use imd::store::memory::MemoryStore;
use imd::store::writer::{Submitted, Writer};
use imd::store::{Reader, Store, load, query};
use imd_fuzz::{Calls, NOW, cuts, decode, settings};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

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

/// The writer over a store, and its reader.
struct Server {
    writer: Writer<()>,
    reader: Box<dyn Reader>,
}

impl Server {
    fn new(settings: &Settings) -> Server {
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
        }
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

    fn answer(&mut self, ask: Ask) -> Outcome {
        match ask {
            Ask::Query(query) => Outcome::Answer(self.query(&query)),
            Ask::Submit(command) => self
                .submit(command)
                .map_or_else(Outcome::Refused, Outcome::Reply),
            other => panic!("asked for {other:?}"),
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
    let mut server = Server::new(settings);
    let mut calls = Calls::new(settings.clone());
    let mut answers = String::new();
    let end = decode(input, cuts, &Limits::default(), 4096, |request| {
        let mut asks = 0;
        let answer = calls.answer("conv.", request, |ask, _| {
            asks += 1;
            assert!(asks <= ASKS_MAX);
            server.answer(ask)
        });
        if let Some((response, body)) = &answer {
            check(response, body);
        }
        answers += &format!("{answer:?}\n");
    });
    format!("{answers}{end:?}")
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
    let (how, places) = (head[0], &head[1..]);
    let key = |secret: &str| AppKey {
        id: "a".into(),
        secret: secret.into(),
    };
    let settings = Settings {
        app_keys: match how & 3 {
            0 => Some(vec![key("other"), key("k")]),
            1 => Some(vec![key("other")]),
            _ => None,
        },
        open_directory: how & 4 == 0,
        token_idle_ms_max: 1_000,
        ..settings()
    };
    let input = match how & 8 {
        0 => requests(input),
        _ => input.to_vec(),
    };
    let cuts = cuts(places, input.len());
    let whole = outcome(&input, &[], &settings);
    assert_eq!(outcome(&input, &cuts, &settings), whole);
});
