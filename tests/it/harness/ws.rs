//! A WebSocket client: tungstenite over a blocking `TcpStream`, and raw frames for what no client should send.

use super::{Client, GUARD, HOST, Request, Response};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// The key of every handshake. A server only has to derive its answer from it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The mask of every raw frame.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The request of a handshake (RFC 6455 §4.1) that is well formed unless a test makes it otherwise.
pub fn upgrade(target: &str) -> Request {
    Request::get(target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

/// Bytes of a client's frame. `first` is its first byte: FIN, the reserved bits and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// An open WebSocket.
pub struct Socket {
    ws: WebSocket<TcpStream>,
}

impl Socket {
    /// Connects and does the handshake, which must succeed.
    #[track_caller]
    pub fn open(addr: SocketAddr, target: &str) -> Socket {
        let (socket, response) = Socket::open_with(addr, &upgrade(target));
        assert_eq!(response.header("sec-websocket-extensions"), None);
        socket
    }

    /// The same with a request of one's own, and with the server's answer.
    #[track_caller]
    pub fn open_with(addr: SocketAddr, request: &Request) -> (Socket, Response) {
        let mut http = Client::connect(addr);
        http.send(&request.bytes());
        Socket::take_over(http)
    }

    /// Reads the answer to a handshake that was sent over `http`.
    #[track_caller]
    pub fn take_over(mut http: Client) -> (Socket, Response) {
        let response = http.response();
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header_list("connection"), ["upgrade"]);
        assert_eq!(response.header_list("upgrade"), ["websocket"]);
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some(&*derive_accept_key(KEY.as_bytes()))
        );
        let (stream, read) = http.into_parts();
        let config = WebSocketConfig::default();
        let ws = WebSocket::from_partially_read(stream, read, Role::Client, Some(config));
        (Socket { ws }, response)
    }

    /// Sends one text frame.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        self.try_send(text).expect("the server reads");
    }

    /// The same to a server that may be gone.
    pub fn try_send(&mut self, text: &str) -> io::Result<()> {
        self.ws.send(Message::text(text)).map_err(io_error)
    }

    /// Sends one message of any kind.
    #[track_caller]
    pub fn send_message(&mut self, message: Message) {
        self.ws.send(message).expect("the server reads");
    }

    /// Sends raw bytes, past all framing.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.ws
            .get_mut()
            .write_all(bytes)
            .expect("the server reads");
    }

    /// The next message, whatever it is. What ping and pong do is not hidden.
    #[track_caller]
    pub fn next(&mut self) -> Message {
        self.try_next().expect("a message")
    }

    /// The same from a server that may be gone.
    pub fn try_next(&mut self) -> io::Result<Message> {
        self.ws.read().map_err(io_error)
    }

    /// The next message, which must be text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        self.try_text().expect("a text")
    }

    /// The same from a server that may be gone.
    #[track_caller]
    pub fn try_text(&mut self) -> io::Result<String> {
        match self.try_next()? {
            Message::Text(text) => Ok(text.as_str().to_owned()),
            Message::Close(_) => Err(ErrorKind::ConnectionReset.into()),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// Asserts the exact next frames.
    #[track_caller]
    pub fn expect(&mut self, frames: &[&str]) {
        for frame in frames {
            assert_eq!(self.text(), *frame);
        }
    }

    /// Sends a text and asserts the exact frames that follow.
    #[track_caller]
    pub fn exchange(&mut self, text: &str, frames: &[&str]) {
        self.send(text);
        self.expect(frames);
    }

    /// Asserts that the next thing is the server's Close with `code`, and that the connection ends after ours.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) -> String {
        let reason = match self.next() {
            Message::Close(Some(CloseFrame { code: got, reason })) => {
                assert_eq!(u16::from(got), code, "{reason}");
                reason.as_str().to_owned()
            }
            other => panic!("not a close with {code}: {other:?}"),
        };
        self.expect_end();
        reason
    }

    /// Asserts that nothing follows a Close: the server ends the connection.
    #[track_caller]
    pub fn expect_end(&mut self) {
        match self.ws.read() {
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => {}
            // A server that closes with input unread makes the kernel send a reset.
            Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionReset => {}
            Err(Error::Io(e)) if e.kind() == ErrorKind::BrokenPipe => {}
            other => panic!("the connection is still open: {other:?}"),
        }
    }

    /// The bytes that come until the server ends the connection.
    pub fn raw_rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.ws.get_mut().read(&mut buffer) {
                Ok(0) => return rest,
                Ok(read) => rest.extend_from_slice(&buffer[..read]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return rest,
                Err(e) => panic!("the connection is still open after {rest:?}: {e}"),
            }
        }
    }

    /// The stream below, to read from or write to as no client would.
    pub fn stream(&self) -> &TcpStream {
        self.ws.get_ref()
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(e) => e,
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => {
            ErrorKind::ConnectionReset.into()
        }
        other => panic!("{other}"),
    }
}

/// Waits until `done` holds, asking again and again. What it asks must be an exchange with the server.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + GUARD;
    while !done() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
    }
}

/// The `Origin` of pages of the server that the tests' `Host` names.
pub fn own_origin() -> String {
    format!("http://{HOST}")
}
