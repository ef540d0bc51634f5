//! A whole `imd` in one thread: shards, writer, readers and clients of every dialect take their steps in an order that a seed decides,
//! with clocks that the simulation sets, a network that cuts bytes anywhere, and a store that fails. After each step what was stored is
//! held to the rules, and what clients are told is held to what was stored:
//!
//! - what was acknowledged is stored, once, and what was refused is not;
//! - a conversation's messages have positions without gaps, rising ids and times that do not fall, and everybody is shown that order;
//! - unread counts are what a recount gives, at some commit between question and answer;
//! - nobody is shown what they may not see;
//! - when everything has come to rest, each socket has been pushed what it had to be, and each dialect gives the same counts and lists.
//!
//! With [`world::Plan::is_on_disk`] the store is the one on disk, and it is killed between commits and in the middle of writing one.
//!
//! The server's code is that of production, from the bytes of a connection to the store's interface: `imd::runtime::shard::Shard` and
//! `imd::runtime::writer::WriterThread`; only threads, sockets and clocks are replaced. A seed replays a failure exactly.
//!
//! Reading order: [`world`] (the steps), [`probe`] (what is looked at when all is at rest), [`clients`], [`history`] (the judge),
//! [`server`], [`wire`], [`watched`], [`disk`], [`source`].

pub mod clients;
pub mod disk;
pub mod history;
pub mod probe;
pub mod server;
pub mod source;
pub mod watched;
pub mod wire;
pub mod world;
