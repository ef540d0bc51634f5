//! Tests of the running `imd` binary at its public edge: bytes in, bytes out.
//!
//! Every test of it starts a server of its own on a free port, so that tests run side by side. Nothing here sleeps: a test
//! waits for an answer, for a connection to close or for the process to end, with [`harness::GUARD`] against hanging.

mod buyer_golden;
mod buyer_rules;
mod chat;
mod clients;
mod concurrency;
mod conv;
mod harness;
mod http_edges;
mod imports;
mod jim;
mod lifecycle;
mod pairs;
mod readme;
mod upkeep;
mod websocket;
