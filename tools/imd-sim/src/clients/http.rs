//! HTTP as clients see it.

use serde_json::Value;

use crate::clients::{Asked, Client};
use crate::history::{Broken, Kept};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The first answer in `input`, if it is all there.
pub fn take(input: &mut Vec<u8>) -> Kept<Option<Answer>> {
    let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&input[..end]).into_owned();
    let status: Option<u16> = head.get(9..12).and_then(|text| text.parse().ok());
    let Some(status) = status.filter(|_| head.starts_with("HTTP/1.1 ")) else {
        return Err(Broken(format!("not an answer: {head}")));
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    if status == 100 {
        input.drain(..end + 4);
        return take(input);
    }
    if input.len() < end + 4 + length {
        return Ok(None);
    }
    let body = input[end + 4..end + 4 + length].to_vec();
    input.drain(..end + 4 + length);
    Ok(Some(Answer { status, body }))
}

impl Client {
    /// Sends a `GET`.
    pub(super) fn get(&mut self, target: &str, asked: Asked) {
        self.send_bytes(format!("GET {target} HTTP/1.1\r\nHost: sim\r\n\r\n").as_bytes());
        self.asked.push_back(asked);
    }

    /// Posts JSON.
    pub(super) fn post(&mut self, target: &str, body: &Value, asked: Asked) {
        let body = body.to_string();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: sim\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send_bytes(head.as_bytes());
        self.send_bytes(body.as_bytes());
        self.asked.push_back(asked);
    }

    /// Asks for a WebSocket (RFC 6455 §4.1).
    pub(super) fn upgrade(&mut self, target: &str) {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: sim\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.send_bytes(head.as_bytes());
        self.asked.push_back(Asked::Upgrade);
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        if let Some(link) = &mut self.link {
            link.unsent.extend(bytes);
        }
    }
}
