//! What fuzz targets share: settings, clients' streams cut in pieces, calls over HTTP, and sockets' frames.

use std::sync::Arc;

use imd::dialect::socket::Frames;
use imd::dialect::{Ask, Context, Outcome, Response, Settings, Step, route};
use imd::domain::account::{Account, Profile};
use imd::domain::desk::{Desk, SessionMemo};
use imd::domain::ids::{AccountId, TimeMs};
use imd::domain::presence::NobodyOnline;
use imd::proto::http::Refusal;
use imd::proto::http::request::{Decoder, Event, Limits, Request};
use imd::proto::http::target::decode_path;

/// When everything happens.
pub const NOW: TimeMs = TimeMs(1_800_000_000_000);

/// The longest text of a message that is taken.
pub const MESSAGE_BYTES_MAX: usize = 300;

/// What a deployment may choose, with bounds that the fuzzer reaches.
pub fn settings() -> Settings {
    Settings {
        zone: jiff::tz::TimeZone::UTC,
        public_url: None,
        app_keys: None,
        message_bytes_max: MESSAGE_BYTES_MAX,
        upload_bytes_max: 200,
        open_directory: true,
        token_idle_ms_max: 1_000_000,
        jim_text_field: None,
    }
}

/// The account of that number and name.
pub fn account(id: AccountId, name: &str) -> Arc<Account> {
    Arc::new(Account {
        id,
        name: name.into(),
        created_at: NOW,
        profile: Profile::default(),
    })
}

/// Where an input of `length` bytes is cut, from low to high: each byte names a place in 256ths of it.
pub fn cuts(bytes: &[u8], length: usize) -> Vec<usize> {
    let places = bytes.iter().map(|cut| length * usize::from(*cut) / 256);
    let mut cuts: Vec<usize> = places.collect();
    cuts.sort_unstable();
    cuts
}

/// Takes the requests out of `input`, which comes in pieces that end at `cuts`: how many bytes are left over, or why the rest is refused.
pub fn decode(
    input: &[u8],
    cuts: &[usize],
    limits: &Limits,
    body_bytes_max: usize,
    mut take: impl FnMut(&Request<'_>),
) -> Result<usize, Refusal> {
    let mut decoder = Decoder::new();
    let mut kept = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        kept.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            let (consumed, event) = decoder.decode(&kept, limits, |_| body_bytes_max)?;
            let idle = matches!(event, Event::NeedMore);
            if let Event::Request(request) = event {
                take(&request);
            }
            kept.drain(..consumed);
            if idle {
                break;
            }
        }
    }
    Ok(kept.len())
}

/// What a shard lends to the calls of a dialect.
pub struct Calls {
    pub desk: Desk,
    pub settings: Settings,
    memo: SessionMemo,
}

impl Calls {
    pub fn new(settings: Settings) -> Calls {
        Calls {
            desk: Desk::new(1 << 20, settings.token_idle_ms_max),
            memo: SessionMemo::default(),
            settings,
        }
    }

    /// The answer to a request, for which the server is asked by `answer`; `None` where no call answers it whose name begins with
    /// `dialect`.
    pub fn answer(
        &mut self,
        dialect: &str,
        request: &Request<'_>,
        mut answer: impl FnMut(Ask, &mut Desk) -> Outcome,
    ) -> Option<(Response, Vec<u8>)> {
        let path = decode_path(request.head().path()).ok()?;
        let route = route(&path).filter(|route| route.name.starts_with(dialect))?;
        if !route.methods.contains(&request.head().method()) {
            return None;
        }
        let mut body = Vec::new();
        let mut step = self.run(&mut body, |context| (route.start)(request, context));
        loop {
            match step {
                Step::Done(response) => return Some((response, body)),
                Step::Wait(ask, call) => {
                    assert!(body.is_empty(), "an answer is begun while more is asked");
                    let outcome = answer(ask, &mut self.desk);
                    step = self.run(&mut body, |context| call.resume(outcome, context));
                }
            }
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
}

/// What a socket's client receives: texts that pass a check.
pub struct Received {
    check: fn(&[u8]),
    /// How many texts there were.
    pub texts: usize,
    /// The codes with which the socket was closed.
    pub closed: Vec<u16>,
}

impl Received {
    pub fn checked_by(check: fn(&[u8])) -> Received {
        Received {
            check,
            texts: 0,
            closed: Vec::new(),
        }
    }
}

impl Frames for Received {
    fn text(&mut self, payload: &[u8]) {
        (self.check)(payload);
        self.texts += 1;
    }

    fn binary(&mut self, _: &[u8]) {
        panic!("answers are text");
    }

    fn close(&mut self, code: u16, _: &'static str) {
        self.closed.push(code);
    }
}
