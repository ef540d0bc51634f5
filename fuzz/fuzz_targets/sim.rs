//! A whole server in one thread: the input decides what its clients do, how bytes are cut, and in which order everything happens.

#![no_main]

use imd_sim::server::Rig;
use imd_sim::source::Source;
use imd_sim::world::{Plan, Trace, run};
use libfuzzer_sys::fuzz_target;

/// Most steps of one input.
const STEPS_MAX: u32 = 2_000;

thread_local! {
    static RIG: Rig = Rig::default();
}

fuzz_target!(|data: &[u8]| {
    let plan = Plan {
        steps: STEPS_MAX,
        is_on_disk: false,
        trace: Trace::None,
    };
    RIG.with(|rig| run(rig, Source::bytes(data), &plan))
        .expect("every promise is kept");
});
