//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692), from the server's side.
//!
//! A connection starts with [`handshake::check`], then feeds what it receives to an [`assembler::Decoder`] and writes
//! its answers with [`encode`]. The decoder works inside the receive buffer that it is shown: a message that lies there
//! in one piece is unmasked in place and lent to the caller; nothing is copied and nothing allocated. Only a message
//! that comes in several frames or several reads has a buffer of its own, and only until the caller has seen it.

pub mod assembler;
#[cfg(test)]
mod client;
pub mod close;
pub mod deflate;
pub mod encode;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod mask;
mod message;
mod violation;

pub use violation::Violation;
