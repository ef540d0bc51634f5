//! A few seeds, to know that the simulation itself works; `.ci/run` runs a thousand.

use imd_sim::server::Rig;
use imd_sim::source::Source;
use imd_sim::world::{Plan, Trace, run};

const PLAN: Plan = Plan {
    steps: 2_000,
    is_on_disk: false,
    trace: Trace::None,
};

#[test]
fn a_seed_replays_to_the_byte_and_others_differ() {
    let rig = Rig::default();
    let run = |seed| run(&rig, Source::seeded(seed), &PLAN).expect("every promise is kept");
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first.trace_hash, other.trace_hash);
    // A simulation in which nothing happens shows nothing.
    assert!(first.said > 50 && first.commits > 30, "{first:?}");
}

#[test]
fn bytes_are_choices_too() {
    let rig = Rig::default();
    let bytes: Vec<u8> = (0..8_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let summary = run(&rig, Source::bytes(&bytes), &PLAN).expect("every promise is kept");
    assert!(
        summary.commits > 0 && summary.steps < PLAN.steps,
        "{summary:?}"
    );
}

#[test]
fn a_store_on_disk_keeps_every_promise_over_kills() {
    let rig = Rig::default();
    let plan = Plan {
        is_on_disk: true,
        ..PLAN
    };
    for seed in 0..4 {
        run(&rig, Source::seeded(seed), &plan).expect("every promise is kept");
    }
}
