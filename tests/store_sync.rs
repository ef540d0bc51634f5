//! How commits reach the disk: this binary puts its own `fdatasync` and `fsync` in the C library's place, counts the calls that
//! SQLite makes of them, and lets one fail.

#![cfg(target_os = "linux")]

use std::ffi::c_int;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use imd::domain::account::{Account, Profile};
use imd::domain::command::Effect;
use imd::domain::ids::{AccountId, CommitNumber, TimeMs};
use imd::store::Store;
use imd::store::sqlite::{Durability, SqliteStore};

static DATA_SYNCS: AtomicUsize = AtomicUsize::new(0);
static FULL_SYNCS: AtomicUsize = AtomicUsize::new(0);
static BROKEN: AtomicBool = AtomicBool::new(false);

fn sync(
    descriptor: c_int,
    calls: &AtomicUsize,
    call: fn(BorrowedFd<'_>) -> rustix::io::Result<()>,
) -> c_int {
    calls.fetch_add(1, SeqCst);
    // SAFETY: the caller of fsync or fdatasync has it open for as long as the call takes.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    if BROKEN.load(SeqCst) || call(descriptor).is_err() {
        -1
    } else {
        0
    }
}

// SAFETY: the signature is that of POSIX, and it does what POSIX says but for `errno`, which SQLite only logs.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    sync(descriptor, &DATA_SYNCS, |fd| rustix::fs::fdatasync(fd))
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn fsync(descriptor: c_int) -> c_int {
    sync(descriptor, &FULL_SYNCS, |fd| rustix::fs::fsync(fd))
}

/// How often `what` syncs data alone, and how often everything.
fn syncs(what: impl FnOnce()) -> (usize, usize) {
    let before = (DATA_SYNCS.load(SeqCst), FULL_SYNCS.load(SeqCst));
    what();
    (
        DATA_SYNCS.load(SeqCst) - before.0,
        FULL_SYNCS.load(SeqCst) - before.1,
    )
}

fn account(id: u64) -> [Effect; 1] {
    [Effect::Account(Arc::new(Account {
        id: AccountId(id),
        name: Arc::from(format!("user {id}")),
        created_at: TimeMs(0),
        profile: Profile::default(),
    }))]
}

// One test, since the counters are the process's.
#[test]
fn commits_are_synced_by_fdatasync_and_a_failed_sync_is_a_failed_commit() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");

    let mut store = SqliteStore::new(&data, Durability::Full);
    let (_, everything) = syncs(|| {
        store.open().unwrap();
    });
    assert!(
        everything >= 3,
        "file, directory and its parent: {everything}"
    );
    // The first commit into a new log syncs its header and the directory as well.
    store.commit(CommitNumber(1), &account(2)).unwrap();
    for number in 2..=5 {
        let commit = || {
            store
                .commit(CommitNumber(number), &account(number + 1))
                .unwrap()
        };
        assert_eq!(syncs(commit), (1, 0));
    }

    BROKEN.store(true, SeqCst);
    assert!(store.commit(CommitNumber(6), &account(7)).is_err());
    assert!(
        store.open().is_err(),
        "a log that cannot be synced is not trusted"
    );
    assert!(store.commit(CommitNumber(6), &account(7)).is_err());
    BROKEN.store(false, SeqCst);
    let counters = store.open().unwrap();
    assert_eq!(
        (counters.commit, counters.account),
        (CommitNumber(5), AccountId(6))
    );
    store.commit(CommitNumber(6), &account(7)).unwrap();
    store.close().unwrap();

    let mut store = SqliteStore::new(&data, Durability::Process);
    assert_eq!(store.open().unwrap().commit, CommitNumber(6));
    store.commit(CommitNumber(7), &account(8)).unwrap();
    let commit = || store.commit(CommitNumber(8), &account(9)).unwrap();
    assert_eq!(syncs(commit), (0, 0));
    let (at_the_end, _) = syncs(|| store.close().unwrap());
    assert!(at_the_end >= 2, "log and file: {at_the_end}");
}
