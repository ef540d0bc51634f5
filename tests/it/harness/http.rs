//! A blocking HTTP/1.1 client over one `TcpStream`. It sends whatever bytes it is given, the wrong ones too.

use super::{GUARD, Request};
use serde_json::Value;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Requests that [`Client::pipeline`] sends before it reads, few enough that neither side fills its buffers.
const PIPELINE_DEPTH: usize = 32;

/// One answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Field names in lower case, values without surrounding space, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a field that must not be repeated. `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is repeated in {self:?}");
        value
    }

    /// The comma-separated members of a field, in lower case.
    pub fn header_list(&self, name: &str) -> Vec<String> {
        let value = self.header(name).unwrap_or_default().to_ascii_lowercase();
        value
            .split(',')
            .map(|member| member.trim().to_owned())
            .filter(|member| !member.is_empty())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Asserts the media type, and that a charset is UTF-8 if one is named.
    #[track_caller]
    pub fn assert_media_type(&self, expected: &str) {
        let value = self
            .header("content-type")
            .expect("Content-Type is there")
            .to_ascii_lowercase();
        let (media_type, parameters) = value.split_once(';').unwrap_or((&value, ""));
        assert_eq!(media_type.trim(), expected);
        assert!(
            !parameters.contains("charset") || parameters.contains("utf-8"),
            "charset in {value:?}"
        );
    }
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    /// Connects, with `TCP_NODELAY` so that each write is on the wire by itself.
    pub fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&addr, GUARD).expect("the server accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream
            .set_read_timeout(Some(GUARD))
            .expect("a read timeout");
        stream
            .set_write_timeout(Some(GUARD))
            .expect("a write timeout");
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    /// The connection and what was read from it and is not part of an answer, for another protocol.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }

    /// The same connection once more, to read from while another thread writes.
    pub fn reader(&self) -> Client {
        assert!(self.unread.is_empty(), "what was read must not be lost");
        Client {
            stream: self.stream.try_clone().expect("a second descriptor"),
            unread: Vec::new(),
        }
    }

    /// Sends raw bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    /// Sends raw bytes to a server that may be gone.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Ends the sending side, as a client does that only reads from then on.
    pub fn finish_sending(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("the connection is open");
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub fn call(&mut self, request: &Request) -> Response {
        self.send(&request.bytes());
        self.response()
    }

    /// Sends the requests in batches, each in one write, and reads their answers in order.
    #[track_caller]
    pub fn pipeline(&mut self, requests: &[Request]) -> Vec<Response> {
        let mut responses = Vec::with_capacity(requests.len());
        for batch in requests.chunks(PIPELINE_DEPTH) {
            self.send(&batch.iter().flat_map(Request::bytes).collect::<Vec<u8>>());
            responses.extend(batch.iter().map(|_| self.response()));
        }
        responses
    }

    /// Reads one answer, an interim one (1xx) included.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response().expect("an answer")
    }

    /// Reads one answer from a server that may be gone.
    pub fn try_response(&mut self) -> io::Result<Response> {
        let mut response = self.head()?;
        if response.status >= 200 && response.status != 204 && response.status != 304 {
            response.body = self.body(&response)?;
        }
        Ok(response)
    }

    /// Reads the answer to a `HEAD` request that asked to close, and asserts that nothing follows its header.
    #[track_caller]
    pub fn response_to_head(&mut self) -> Response {
        let response = self.head().expect("an answer");
        self.assert_closed();
        response
    }

    /// Asserts that the server closes without sending anything more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let end = self.fill();
        let sent = String::from_utf8_lossy(&self.unread);
        assert!(sent.is_empty(), "bytes after the last answer: {sent:?}");
        match end {
            Ok(0) => {}
            Ok(_) => unreachable!("what was read is in `unread`"),
            // A server that closes with input unread makes the kernel send a reset.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
            Err(e) => panic!("the connection is still open: {e}"),
        }
    }

    fn head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(end) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break end;
            }
            self.fill_some()?;
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("the header is UTF-8");
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().expect("split gives at least one");
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let headers = lines.map(|line| {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("not a header field: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Ok(Response {
            status,
            headers: headers.collect(),
            body: Vec::new(),
        })
    }

    /// RFC 9112 §6.3, the side of the client.
    fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        if response
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return self.chunked_body();
        }
        if let Some(length) = response.header("content-length") {
            return self.take(length.parse().expect("Content-Length is a number"));
        }
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.unread))
    }

    fn chunked_body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
                .expect("a chunk size");
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size)?);
            assert_eq!(self.line()?, "", "a line end after the chunk");
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(end + 2)?;
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill_some()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill_some()?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn fill_some(&mut self) -> io::Result<()> {
        match self.fill()? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}
