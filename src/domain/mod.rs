//! Chat as pure logic: no bytes of a wire, no sockets, no SQL, no clock.
//!
//! Reading order: [`ids`], [`account`], [`conversation`], [`member`], [`message`], [`token`], [`service`], [`presence`]; then what is asked of them, [`command`]
//! and [`query`], and what is told, [`event`]; then the functions, [`needs`] (which rows a command looks at), [`decide`] (what it
//! does) and [`state`] (where it is applied); last what shards keep in memory, [`view`] and [`desk`]. [`backend`] is what a
//! program does on behalf of accounts, and [`chat`] what apps ask that keep account of what reached them ([`holes`]).

pub mod account;
pub mod backend;
pub mod cache;
pub mod chat;
pub mod command;
pub mod conversation;
pub mod decide;
pub mod desk;
pub mod event;
pub mod holes;
pub mod ids;
pub mod member;
pub mod message;
pub mod needs;
pub mod presence;
pub mod pushed;
pub mod query;
pub mod roster;
pub mod service;
pub mod state;
pub mod token;
pub mod view;
