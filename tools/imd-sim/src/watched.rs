//! A store that fails when it is told to, and that remembers what it has stored.

use std::sync::Arc;

use imd::domain::command::Effect;
use imd::domain::ids::{AccountId, CommitNumber};
use imd::domain::message::Dialect;
use imd::store::{Counters, Reader, Result, Store, StoreError};
use parking_lot::Mutex;

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
}

/// What the simulation and the writer share of a store.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Watching>>);

#[derive(Default)]
struct Watching {
    fault: Fault,
    /// How many times it cannot be opened.
    closed: usize,
    /// Stored since the last look.
    stored: Vec<(CommitNumber, Vec<Effect>)>,
}

impl Watch {
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
pub struct Watched {
    /// The store, which outlives the servers that run on it.
    pub inner: Arc<Mutex<Box<dyn Store>>>,
    /// The watch.
    pub watch: Watch,
    /// Whether it has been opened: the first time is not a fault's.
    pub is_open: bool,
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
