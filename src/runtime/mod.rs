//! The threads of a server and what goes between them: the only part that touches sockets, and with [`crate::store`] and
//! [`crate::media`] the only one that knows threads, files and clocks.
//!
//! Reading order: [`server`] (start and stop), [`event_loop`] (a shard's thread), [`shard`] (what it does in a turn), [`peers`] (its
//! connections) and [`services`] (what it fetches for them), [`writer`], [`reader`]; then what they are made of, [`inbox`],
//! [`work_queue`], [`credit`], [`shared`], [`sessions`], [`pushes`], [`clock`], [`socket`], [`slab`], [`wheel`].

pub mod clock;
mod credit;
pub mod event_loop;
pub mod inbox;
mod peers;
mod pushes;
pub mod reader;
pub mod server;
mod services;
pub mod sessions;
pub mod shard;
pub mod shared;
pub mod slab;
pub mod socket;
pub mod wheel;
pub mod work_queue;
pub mod writer;
