//! A store that fails when it is told to, and that remembers what it has stored.

use std::sync::Arc;

use imd::domain::command::Effect;
use imd::domain::ids::{AccountId, CommitNumber};
use imd::domain::message::Dialect;
use imd::store::{Counters, Reader, Result, Store, StoreError};
use parking_lot::Mutex;

use crate::disk::{Disk, Files};
use crate::history::Broken;

/// What the next commit comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It is stored.
    #[default]
    None,
    /// It fails and is not stored.
    Refused,
    /// It is stored and said to have failed.
    Unsaid,
    /// The process is killed while it writes: how much of 1,000 parts is written.
    Killed(usize),
}

/// What the simulation and the writer share of a store.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Watching>>);

/// What a kill has left.
pub struct Remains {
    /// The files.
    pub files: Files,
    /// The commit that was being written.
    pub commit: (CommitNumber, Vec<Effect>),
}

struct Watching {
    disk: Option<Disk>,
    remains: Option<Remains>,
    fault: Fault,
    /// How many times it cannot be opened.
    closed: usize,
    /// Stored since the last look.
    stored: Vec<(CommitNumber, Vec<Effect>)>,
}

impl Watch {
    /// A watch over a store on `disk`, or in memory.
    pub fn new(disk: Option<Disk>) -> Watch {
        Watch(Arc::new(Mutex::new(Watching {
            disk,
            remains: None,
            fault: Fault::None,
            closed: 0,
            stored: Vec::new(),
        })))
    }

    /// `store`, which outlives the server that is to run on it, under this watch.
    pub fn over(&self, store: &Arc<Mutex<Box<dyn Store>>>) -> Box<dyn Store> {
        Box::new(Watched {
            inner: Arc::clone(store),
            watch: self.clone(),
            is_open: false,
        })
    }

    /// Whether there was a kill.
    pub fn has_remains(&self) -> bool {
        self.0.lock().remains.is_some()
    }

    /// What the kill has left, if there was one.
    pub fn take_remains(&self) -> Option<Remains> {
        self.0.lock().remains.take()
    }

    /// Does something with the disk, if there is one.
    pub fn with_disk<T>(&self, use_disk: impl FnOnce(&mut Disk) -> T) -> Option<T> {
        self.0.lock().disk.as_mut().map(use_disk)
    }

    /// A commit was stored after all.
    pub fn found(&self, commit: (CommitNumber, Vec<Effect>)) {
        self.0.lock().stored.push(commit);
    }

    /// Has the next commit fail, and after it the store not open for `closed` times.
    pub fn fail(&self, fault: Fault, closed: usize) {
        let mut watching = self.0.lock();
        watching.fault = fault;
        watching.closed = closed;
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.fail(Fault::None, 0);
    }

    /// What was stored since the last call.
    pub fn take(&self) -> Vec<(CommitNumber, Vec<Effect>)> {
        std::mem::take(&mut self.0.lock().stored)
    }
}

/// A store under watch.
struct Watched {
    inner: Arc<Mutex<Box<dyn Store>>>,
    watch: Watch,
    /// Whether it has been opened: the first time is not a fault's.
    is_open: bool,
}

impl Store for Watched {
    fn open(&mut self) -> Result<Counters> {
        let mut watching = self.watch.0.lock();
        if self.is_open && watching.closed > 0 {
            watching.closed -= 1;
            return Err(StoreError("does not open".to_owned()));
        }
        self.is_open = true;
        self.inner.lock().open()
    }

    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()> {
        let mut watching = self.watch.0.lock();
        let fault = std::mem::take(&mut watching.fault);
        if fault == Fault::Refused {
            return Err(StoreError("refused".to_owned()));
        }
        if let (Fault::Killed(share), Some(disk)) = (fault, &watching.disk) {
            let lost = |broken: Broken| StoreError(broken.0);
            let before = disk.files().map_err(lost)?;
            self.inner.lock().commit(number, effects)?;
            let files = before.torn(disk.files().map_err(lost)?, share);
            let commit = (number, effects.to_vec());
            watching.remains = Some(Remains { files, commit });
            return Err(StoreError("killed".to_owned()));
        }
        self.inner.lock().commit(number, effects)?;
        watching.stored.push((number, effects.to_vec()));
        match fault {
            Fault::Unsaid => Err(StoreError("unsaid".to_owned())),
            _ => Ok(()),
        }
    }

    fn is_new_client_id(&self, sender: AccountId, origin: Dialect, client_id: &str) -> bool {
        self.inner
            .lock()
            .is_new_client_id(sender, origin, client_id)
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        self.inner.lock().reader()
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
