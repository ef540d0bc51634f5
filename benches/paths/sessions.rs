//! The table that all shards and the writer share, used by more and more threads at once. With more threads than processors it tells what
//! waiting for a thread that was put aside costs.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use imd::domain::ids::AccountId;
use imd::domain::presence::Presence;
use imd::runtime::sessions::Sessions;

use crate::stored::Random;

/// Accounts that have a socket throughout.
const ACCOUNTS: u64 = 10_000;
const THREADS: [usize; 3] = [1, 2, 4];

/// What a thread does in a round; it is the shard of that number.
type Work = fn(&Sessions, usize, &mut Random);

/// Looking up alone, coming and going alone, and sixteen looks for each who comes and goes.
pub fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("sessions");
    let all: [(&str, Work); 3] = [
        ("look up", |sessions, _, random| look_up(sessions, random)),
        ("come and go", come_and_go),
        (
            "16 look-ups, 1 comes and goes",
            |sessions, thread, random| {
                (0..16).for_each(|_| look_up(sessions, random));
                come_and_go(sessions, thread, random);
            },
        ),
    ];
    for (name, work) in all {
        for threads in THREADS {
            let sessions = Sessions::default();
            for account in 0..ACCOUNTS {
                enter(&sessions, AccountId(account), 0);
            }
            group.throughput(Throughput::Elements(threads as u64));
            let id = BenchmarkId::new(name, format!("{threads} threads"));
            group.bench_function(id, |b| {
                b.iter_custom(|rounds| run(&sessions, threads, rounds, work));
            });
            // Who came has gone, and who was there still is.
            for account in 0..ACCOUNTS {
                assert_eq!(sessions.shards(AccountId(account)), 1);
                assert!(sessions.is_online(AccountId(account)));
                assert_eq!(sessions.shards(AccountId(ACCOUNTS + account)), 0);
            }
        }
    }
    group.finish();
}

/// How long `threads` threads take for `rounds` rounds each.
fn run(sessions: &Sessions, threads: usize, rounds: u64, work: Work) -> Duration {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    let mut random = Random::new(thread as u64 + 1);
                    start.wait();
                    let begun = Instant::now();
                    (0..rounds).for_each(|_| work(sessions, thread, &mut random));
                    (begun, Instant::now())
                })
            })
            .collect();
        start.wait();
        let times = workers
            .into_iter()
            .map(|worker| worker.join().expect("it does not panic"));
        let (begun, ended): (Vec<_>, Vec<_>) = times.unzip();
        let (first, last) = (begun.into_iter().min(), ended.into_iter().max());
        last.zip(first)
            .map_or(Duration::ZERO, |(last, first)| last - first)
    })
}

/// As the writer does for each event.
fn look_up(sessions: &Sessions, random: &mut Random) {
    let shards = sessions.shards(AccountId(random.below(ACCOUNTS)));
    assert_eq!(black_box(shards), 1);
}

/// As a shard does for a socket, from its login to its end.
fn come_and_go(sessions: &Sessions, thread: usize, random: &mut Random) {
    let account = AccountId(ACCOUNTS + random.below(ACCOUNTS));
    enter(sessions, account, thread);
    assert!(sessions.shards(account) & 1 << thread != 0);
    sessions.closed(account);
    sessions.unwatch_sockets(account, thread);
}

fn enter(sessions: &Sessions, account: AccountId, shard: usize) {
    sessions.watch_sockets(account, shard);
    sessions.opened(account);
}
