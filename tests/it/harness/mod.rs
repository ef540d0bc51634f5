//! What the tests stand on: the server as a process, clients for HTTP and WebSocket, the calls of the APIs, and
//! patterns for exact bytes.

mod buyer;
mod chat;
mod conv;
mod http;
mod images;
mod jim;
mod pattern;
mod request;
mod server;
mod ws;

pub use buyer::{Buyer, Envelope, TOKEN_CALLS, login};
pub use chat::App;
pub use conv::Backend;
pub use http::{Client, Response};
pub use images::{BMP, GIF, JPEG, PNG, WEBP, gif_of};
pub use jim::{
    DONE, Jim, NOBODY, answer, answer_with, group_message, ids, join_all, message, push, say,
    say_in, token, vanke,
};
pub use pattern::{captures, check_pattern};
pub use request::{HOST, Image, Place, Request, form_encoded, multipart};
pub use server::{Exit, Server, exit_of};
pub use ws::{Socket, eventually, frame, own_origin, upgrade};

use std::time::Duration;

/// How long a test waits for anything before it fails.
pub const GUARD: Duration = Duration::from_secs(10);
