//! Whatever a client sends on a socket of the jim dialect, it neither panics nor leaves a frame without an answer; what it sends over HTTP
//! neither.
#![no_main]

use std::sync::Arc;

use imd::dialect::jim::Jim;
use imd::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep};
use imd::dialect::{Ask, Outcome, Settings};
use imd::domain::account::{Account, Profile};
use imd::domain::command::Refusal;
use imd::domain::desk::Desk;
use imd::domain::ids::{AccountId, TimeMs};
use imd::domain::presence::NobodyOnline;
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Received {
    frames: usize,
    closed: bool,
}

impl Frames for Received {
    fn text(&mut self, payload: &[u8]) {
        let text = std::str::from_utf8(payload).expect("UTF-8");
        assert!(text.starts_with('{') && text.ends_with('}'));
        self.frames += 1;
    }

    fn binary(&mut self, _: &[u8]) {
        panic!("answers are text");
    }

    fn close(&mut self, _: u16, _: &'static str) {
        self.closed = true;
    }
}

/// Gives a session and an attachment, and nothing else.
fn answer(ask: &Ask, is_login: bool) -> Outcome {
    match ask {
        Ask::Session(_) => Outcome::Session(is_login.then(|| {
            Arc::new(Account {
                id: AccountId(2),
                name: "a".into(),
                created_at: TimeMs(0),
                profile: Profile::default(),
            })
        })),
        Ask::Attach(_) => Outcome::Attached,
        _ => Outcome::Refused(Refusal::Busy),
    }
}

fuzz_target!(|input: &[u8]| {
    let settings = Settings {
        zone: jiff::tz::TimeZone::UTC,
        public_url: None,
        app_keys: None,
        message_bytes_max: 1024,
        upload_bytes_max: 1024,
        open_directory: true,
        token_idle_ms_max: 1_000_000,
        jim_text_field: None,
    };
    let mut desk = Desk::new(0, settings.token_idle_ms_max);
    let mut received = Received::default();
    let mut random = |bytes: &mut [u8]| bytes.fill(1);
    let mut context = SocketContext {
        desk: &mut desk,
        settings: &settings,
        now: TimeMs(1_800_000_000_000),
        presence: &NobodyOnline,
        random: &mut random,
        frames: &mut received,
    };
    let (mut jim, mut step) = Jim::open(Some("token=T"), &mut context);
    while let SocketStep::Wait(ask, call) = step {
        step = jim.resume(call, answer(&ask, true), &mut context);
    }
    let mut sent = 1;
    for frame in input.split(|byte| *byte == b'\n') {
        sent += 1;
        if !jim.answer_at_once(frame, true, &mut context) {
            let (_, incoming) = jim.decode(frame, true);
            let mut step = jim.start(incoming, &mut context);
            while let SocketStep::Wait(ask, call) = step {
                step = jim.resume(call, answer(&ask, false), &mut context);
            }
        }
    }
    // Closing a connection is the only command without an answer here.
    assert!(received.frames == sent || received.closed);
});
