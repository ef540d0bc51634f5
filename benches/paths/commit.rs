//! Group commit: how much cheaper a message is stored that shares its commit with others.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use imd::domain::ids::{CommitNumber, Position};
use imd::store::Store;
use imd::store::sqlite::{Durability, SqliteStore};

use crate::stored::{Extras, Random, World};

/// Messages in a commit.
const BATCHES: [usize; 4] = [1, 8, 64, 512];
const CONVERSATIONS: usize = 1_000;
const BODY_BYTES: usize = 100;
/// Effects in a commit of those that fill the store before the first message.
const ROWS_PER_COMMIT: usize = 4_096;

/// Commits of each size, on the disk and in the page cache.
pub fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    // A commit may take milliseconds.
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    for (name, durability) in [
        ("durability full", Durability::Full),
        ("durability process", Durability::Process),
    ] {
        for batch in BATCHES {
            group.throughput(Throughput::Elements(batch as u64));
            let mut log = None;
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                let log = log.get_or_insert_with(|| Log::create(durability));
                b.iter_custom(|rounds| (0..rounds).map(|_| log.commit(batch)).sum());
            });
            if let Some(log) = log {
                log.check();
            }
        }
    }
    group.finish();
}

/// A store and what is said in it.
struct Log {
    store: SqliteStore,
    newest: CommitNumber,
    world: World,
    /// Where the store lies; it goes with this.
    _directory: tempfile::TempDir,
}

impl Log {
    fn create(durability: Durability) -> Log {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = SqliteStore::new(directory.path(), durability);
        let world = World::new(CONVERSATIONS, BODY_BYTES, Extras::default());
        let mut newest = store.open().expect("a new store").commit;
        for rows in world.rows().chunks(ROWS_PER_COMMIT) {
            newest.0 += 1;
            store.commit(newest, rows).expect("room on the disk");
        }
        Log {
            store,
            newest,
            world,
            _directory: directory,
        }
    }

    /// Commits so many messages and gives how long that took; making them does not count.
    fn commit(&mut self, messages: usize) -> Duration {
        let effects = self.world.commit(messages);
        self.newest.0 += 1;
        let begun = Instant::now();
        let committed = self.store.commit(self.newest, &effects);
        let took = begun.elapsed();
        committed.expect("room on the disk");
        took
    }

    /// What was committed is there.
    fn check(&self) {
        let mut reader = self.store.reader().expect("a reader");
        let mut random = Random::new(7);
        let read = reader.snapshot(&mut |snapshot| {
            assert_eq!(snapshot.commit()?, self.newest);
            for _ in 0..CONVERSATIONS {
                let (id, _, head) = self.world.pick(&mut random);
                let conversation = snapshot.conversation(id)?.expect("it was made");
                assert_eq!(conversation.head.position, Position(head));
            }
            Ok(())
        });
        read.expect("a store that can be read");
    }
}
