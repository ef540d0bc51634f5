//! Where threads run and how they wait.

use crate::harness::{GUARD, Server};
use std::fs;
use std::time::Instant;

/// The cores that each thread of a process may use, with its name.
fn threads(pid: u32) -> Vec<(String, Vec<usize>)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let thread = |task: fs::DirEntry| {
        let read = |name| fs::read_to_string(task.path().join(name));
        let (name, status) = (read("comm").ok()?, read("status").ok()?);
        let cores = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        Some((name.trim().to_owned(), numbers(cores?.trim())))
    };
    tasks.filter_map(|task| thread(task.ok()?)).collect()
}

/// Reads `0,2-4`.
fn numbers(list: &str) -> Vec<usize> {
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let ranges = list.split(',').map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        number(from)..=number(to)
    });
    ranges.flatten().collect()
}

#[test]
fn shards_and_the_writer_are_pinned_to_cores_one_after_the_other() {
    let server = Server::memory(&["--pin", "--readers", "1"]);
    // A thread may begin to run after the server says that it is ready.
    let begun = Instant::now();
    loop {
        let threads = threads(server.pid());
        let of = |name: &str| -> Vec<&Vec<usize>> {
            let mine = threads.iter().filter(|(other, _)| other == name);
            mine.map(|(_, cores)| cores).collect()
        };
        let free = of("imd")[0];
        let core = |number: usize| vec![free[number % free.len()]];
        let (one, two, three) = (core(0), core(1), core(2));
        let expected = of("imd-shard") == [&one, &two]
            && of("imd-writer") == [&three]
            && of("imd-reader") == [free];
        if expected {
            return;
        }
        assert!(begun.elapsed() < GUARD, "{threads:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_looks_before_it_sleeps_serves_and_stops_like_any_other() {
    // Longer than the test: hardly a thread ever sleeps. And shorter: all do.
    for micros in ["1000000", "1"] {
        let flags = ["--busy-poll", micros];
        let mut server = Server::memory(&flags);
        let (mut buyer, mut shop) = (server.buyer("a"), server.buyer("b"));
        for count in 1..=20 {
            buyer.data("sendMsg", &[("shopname", "b"), ("content", "x")]);
            assert_eq!(shop.unread(), count);
        }
        drop((buyer, shop));
        assert_eq!(server.terminate().status.code(), Some(0));
    }
}
