//! Walks a whole file and says what is wrong with it: a promise of the store is what can be checked like this.

mod derived;
mod rows;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::limits::READER_CACHE_BYTES_MAX;
use crate::store::sqlite::keys::Secret;
use crate::store::sqlite::lock::DirectoryLock;
use crate::store::sqlite::recover::FileState;
use crate::store::sqlite::{FILE_NAME, configure, migrate};
use crate::store::{Result, StoreError};

/// Most faults that a [`Report`] names.
pub const FAULTS_MAX: usize = 100;

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages in the log.
    pub messages: u64,
    /// Conversations, single and group.
    pub conversations: u64,
    /// Accounts, with the server's.
    pub accounts: u64,
    /// What is wrong, each as a sentence for people; at most [`FAULTS_MAX`].
    pub faults: Vec<String>,
    /// How many more faults there are.
    pub faults_unnamed: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: String) {
        match self.faults.len() < FAULTS_MAX {
            true => self.faults.push(fault),
            false => self.faults_unnamed += 1,
        }
    }

    /// Notes a fault unless `is_right`.
    fn hold(&mut self, is_right: bool, fault: impl FnOnce() -> String) {
        if !is_right {
            self.fault(fault());
        }
    }
}

/// Checks the store in `directory`, which no server may have open; nothing is changed. It reads everything and needs memory for each
/// account, conversation and member, not for messages.
///
/// Held to each other are: the pages of the file; positions and times of the log; lists, keys and heads against the log; members' counts
/// against a recount; journal, runs and pages against what they must look like; the members that groups name against those that there are.
///
/// # Errors
/// When there is no store, a server has it open, it is of another version, or it cannot be read far enough to be checked.
pub fn check(directory: &Path) -> Result<Report> {
    let file = directory.join(FILE_NAME);
    if !file.is_file() {
        return Err(StoreError(format!("there is no {}", file.display())));
    }
    let _lock = DirectoryLock::take(directory)?;
    check_file(&file).map_err(|error| error.of_file(&file))
}

fn check_file(file: &Path) -> Result<Report> {
    let mut connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection, READER_CACHE_BYTES_MAX)?;
    let version = migrate::version(&connection)?;
    if version != migrate::VERSION {
        return Err(StoreError(format!(
            "the file has schema version {version}, and imd {} writes version {}: start it once, which brings the file there",
            env!("CARGO_PKG_VERSION"),
            migrate::VERSION
        )));
    }
    let transaction = connection.transaction()?;
    let mut report = Report::default();
    pages(&transaction, &mut report)?;
    let mut walk = Walk::new(&transaction)?;
    rows::load(&transaction, &mut walk, &mut report)?;
    derived::expect(&transaction, &mut walk, &mut report)?;
    rows::walk_log(&transaction, &mut walk, &mut report)?;
    derived::check(&transaction, &walk, &mut report)?;
    rows::check(&transaction, &walk, &mut report)?;
    Ok(report)
}

/// What SQLite itself finds wrong.
fn pages(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut check = connection.prepare(&format!("PRAGMA quick_check({FAULTS_MAX})"))?;
    let found = check.query_map([], |row| row.get::<_, String>(0))?;
    for fault in found {
        let fault = fault?;
        report.hold(fault == "ok", || format!("SQLite says: {fault}"));
    }
    Ok(())
}

/// What is known of a message's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    position: u64,
    message: u64,
    at: i64,
}

/// What is known of a conversation.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The two accounts of a single conversation.
    pair: Option<(u64, u64)>,
    /// How many members a group says that it has.
    member_count: u64,
    /// How many it has.
    active: u64,
    /// The head that is folded.
    head: Place,
    /// The newest message up to the fold mark.
    folded: Place,
    /// The newest message.
    newest: Place,
}

/// What is known of a member.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    read: u64,
    sent: u64,
    sent_read: u64,
    /// Of both, what the log says.
    counted: u64,
    counted_read: u64,
}

/// A number that entries in any order come to, and how many there were: two sets that agree in both are taken for equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, numbers: [u64; 4]) {
        let mixed = numbers
            .iter()
            .fold(0x9E37_79B9_7F4A_7C15, |hash: u64, number| {
                let hash = (hash ^ number).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                hash ^ hash >> 29
            });
        self.count += 1;
        self.sum = self.sum.wrapping_add(mixed);
    }
}

/// A run of keys, and what the log says that it must have.
#[derive(Clone, Copy, Debug)]
struct KeyRange {
    first: u64,
    last: u64,
    expected: Sum,
}

/// What is gathered on the way.
struct Walk {
    state: FileState,
    secret: Secret,
    accounts: HashSet<u64>,
    conversations: HashMap<u64, Known>,
    members: HashMap<(u64, u64), Own>,
    /// Conversation and account of the members' rows that are in pages.
    packed: HashSet<(u64, u64)>,
    /// What the lists must have.
    lists: Sum,
    /// By message, without overlaps.
    keys: Vec<KeyRange>,
}

impl Walk {
    fn new(connection: &Connection) -> Result<Walk> {
        let state = FileState::load(connection)?;
        Ok(Walk {
            secret: state.secret,
            state,
            accounts: HashSet::new(),
            conversations: HashMap::new(),
            members: HashMap::new(),
            packed: HashSet::new(),
            lists: Sum::default(),
            keys: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
