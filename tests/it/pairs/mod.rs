//! Everyone reaches everyone: a walk over all dialects at once, for pairs, for groups and for a group that is as large as one may be.
//!
//! [`kinds`] is the table of what each dialect calls each kind of message, [`drivers`] one small client for each dialect, and the
//! rest walks: who sends what over which dialect, and what everybody then sees.

mod crowd;
mod drivers;
mod groups;
mod history;
mod kinds;
mod party;
mod walk;

use drivers::{JIM_TIME, Seen};
use kinds::{Dialect, Kind};

/// A message that was sent.
#[derive(Clone, Debug)]
struct Sent {
    over: Dialect,
    from: String,
    kind: &'static Kind,
    text: String,
    /// When the server stored it, in milliseconds.
    at_ms: i64,
}

impl Sent {
    /// It as a dialect shows it.
    fn seen(&self, dialect: Dialect) -> Seen {
        let (kind, text) = self.kind.shown(dialect, &self.text);
        Seen {
            kind,
            text,
            from: self.from.clone(),
            time: match dialect {
                Dialect::Buyer => date_time(self.at_ms),
                Dialect::Jim if self.over == Dialect::Jim => JIM_TIME.to_owned(),
                _ => self.at_ms.to_string(),
            },
        }
    }
}

/// All of them as a dialect shows them.
fn all_seen(sent: &[Sent], dialect: Dialect) -> Vec<Seen> {
    sent.iter().map(|sent| sent.seen(dialect)).collect()
}

/// A time as `buyer` shows it where no zone is set.
fn date_time(at_ms: i64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let time = jiff::Timestamp::from_millisecond(at_ms).expect("a time");
    time.to_zoned(zone)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// The time of this machine, which is the server's.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
