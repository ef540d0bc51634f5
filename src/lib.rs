//! `imd`, an instant-messaging daemon that speaks existing chat APIs over HTTP and WebSocket. This library is all of it but
//! `main`, which reads the configuration, starts a [`runtime::server::Server`] and waits for a signal.
//!
//! # In reading order
//! 1. [`limits`]: every bound, in one file.
//! 2. [`proto`]: bytes alone. [`proto::http`], [`proto::ws`], [`proto::multipart`].
//! 3. [`domain`]: chat alone. What there is ([`domain::account`], [`domain::conversation`], [`domain::message`]), what is asked of it
//!    ([`domain::command`], [`domain::query`]), what a command looks at, does and means ([`domain::needs`], [`domain::decide`],
//!    [`domain::state`]), and what shards remember ([`domain::view`], [`domain::desk`]).
//! 4. [`dialect`]: the APIs. Wire forms on one side, commands, queries and events on the other.
//! 5. [`conn`]: a connection as a state machine over the three of them.
//! 6. [`store`]: what is kept. The writer as a state machine ([`store::writer`]), and two stores behind one interface.
//! 7. [`media`]: uploads on disk.
//! 8. [`admin`]: metrics and health.
//! 9. [`config`]: what was typed and what it means.
//! 10. [`runtime`]: threads, event loops, sockets and clocks, around all of these.
//!
//! Imports go up this list, never down, and `proto` and `domain` know nothing of each other; `tests/it/imports.rs` has the rules.
//! Sockets, threads, clocks, randomness, files and SQL are in [`runtime`], [`store`] and [`media`] only: elsewhere time and
//! randomness are arguments, and everything is a function of what it is given.
//!
//! # The threads
//! ```text
//!             ┌────────────────── shard 0…N: one thread, one epoll each ──────────────────┐
//! sockets ⇄   │ bytes → conn → proto (HTTP, WebSocket) → dialect → command or query       │
//!             │ bytes ← outbox ← conn ← dialect ← answer or event                         │
//!             └──────┬──────────────────────┬─────────────────────────────────▲───────────┘
//!                    │ commands             │ queries, files                  │ inbox of each shard,
//!                    ▼                      ▼                                 │ one wake a batch
//!             writer: one thread,    readers: a few threads, snapshots        │
//!             decides and commits    of the store, uploads on disk            │
//!                    └──────────────────────┴─────────────────────────────────┘
//! ```
//!
//! - A shard ([`runtime::shard`]) owns its connections for life and never blocks. Its thread ([`runtime::event_loop`]) polls and
//!   accepts; a turn: inbox, serve, timers, submit, flush.
//! - The writer ([`runtime::writer`]) is the sequencer: the order of its commits is the order that everybody sees. After a commit,
//!   and only then, it releases: events into the inboxes, the commit's number, answers. A shard that answers from memory looks at
//!   that number first and drains its inbox if it is behind, so who holds an answer finds its effect on every shard.
//! - Readers ([`runtime::reader`]) work on snapshots of the store. What a shard loads it announces first, so that a commit that the
//!   load does not show comes as an event: nothing is in neither.
//! - Nothing waits for a shard but its sockets; queues have bounds, and past a bound is a refusal, not a wait.
//!
//! # Lexicon
//! | word | meaning |
//! |---|---|
//! | account | who sends and receives: a number and a unique name; 1 is the server itself |
//! | conversation | a single one (a pair of accounts) or a group (an owner and members) |
//! | member | an account's part in a conversation: its slot, joined at, read up to, left at |
//! | message | what is said: an id, a position, a sender, a kind, a body, a time; WebSocket has frames |
//! | position | a message's place in its conversation, from 1, without gaps |
//! | cursor | a member's position up to which it has read |
//! | unread | messages from others after the cursor: a subtraction, never a scan |
//! | token | what a client shows to say who it is; only its hash is kept |
//! | session | a login: a token in force, and whose |
//! | conn | a connection, named by shard, slot and generation: a late answer finds nobody instead of a stranger |
//! | call | a request of a dialect on its way to its answer |
//! | command | what changes the state; the writer decides it |
//! | query | what is asked of the store without changing it |
//! | effect | a row as a command leaves it |
//! | event | what a commit means to those who look at memory |
//! | commit | effects of many commands, stored together; numbered, and the numbers stay on this machine |
//! | view | an account's lists and counts in a shard's memory: a load, then events |
//! | desk | a shard's memory of sessions and views |
//! | dialect | one of the APIs |
//!
//! Verbs are contracts. `parse` and `encode` bytes; `decode` and `encode` in a dialect. `check_` may refuse and has no effect. `apply`
//! cannot fail. `handle_` feeds a state machine and `poll_` drains it. Units and bounds come last in a name: `idle_timeout_ms`,
//! `outbox_bytes_max`.

pub mod admin;
pub mod config;
pub mod conn;
pub mod dialect;
pub mod domain;
pub mod limits;
pub mod media;
pub mod proto;
pub mod runtime;
pub mod store;
