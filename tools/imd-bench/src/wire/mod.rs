//! The client's side of HTTP and WebSocket, as pure functions over bytes.

pub mod http;
pub mod ws;
