//! What every message passes through on its way, each step alone: bytes into requests and frames, a message of each dialect understood
//! and answered, a command decided, applied and stored, a push put before many sockets. WebSocket frames stand beside those of other
//! libraries.
//!
//! ```sh
//! cargo bench --bench paths            # all; a word behind `--` picks some
//! ```
//!
//! Inputs are the same in every run, and every result is checked. Where the temporary directory is not on a disk (`TMPDIR`), commits that
//! wait for the disk say nothing.

mod commit;
mod dialects;
mod domain;
mod fan_out;
mod http;
mod sessions;
#[path = "../store/world.rs"]
mod stored;
mod websocket;
mod world;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = paths;
    // Brief: a path takes well under a microsecond, so half a second is many thousand rounds.
    config = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = http::bench, websocket::bench, dialects::bench, domain::bench, commit::bench, fan_out::bench, sessions::bench
}
criterion_main!(paths);
