//! WebSockets at the running server: the handshake, frames, limits and ends.

mod ends;
mod frames;
mod handshake;
mod pressure;
