//! Whatever a client sends on a socket of the jim dialect, it neither panics nor leaves a frame without an answer; what it sends over HTTP
//! neither.
#![no_main]

use imd::dialect::jim::Jim;
use imd::dialect::socket::{Endpoint, SocketContext, SocketStep};
use imd::dialect::{Ask, Outcome};
use imd::domain::command::Refusal;
use imd::domain::desk::Desk;
use imd::domain::ids::AccountId;
use imd::domain::presence::NobodyOnline;
use imd_fuzz::{NOW, Received, account, settings};
use libfuzzer_sys::fuzz_target;

fn check(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("UTF-8");
    assert!(text.starts_with('{') && text.ends_with('}'));
}

/// Gives a session and an attachment, and nothing else.
fn answer(ask: &Ask, is_login: bool) -> Outcome {
    match ask {
        Ask::Session(_) => Outcome::Session(is_login.then(|| account(AccountId(2), "a"))),
        Ask::Attach(_) => Outcome::Attached,
        _ => Outcome::Refused(Refusal::Busy),
    }
}

fuzz_target!(|input: &[u8]| {
    let settings = settings();
    let mut desk = Desk::new(0, settings.token_idle_ms_max);
    let mut received = Received::checked_by(check);
    let mut random = |bytes: &mut [u8]| bytes.fill(1);
    let mut context = SocketContext {
        desk: &mut desk,
        settings: &settings,
        now: NOW,
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
    assert!(received.texts == sent || !received.closed.is_empty());
});
