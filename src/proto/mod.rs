//! Wire formats as pure functions over bytes: no sockets, no clock, no knowledge of chat.

pub mod http;
pub mod image;
pub mod multipart;
pub mod ws;
