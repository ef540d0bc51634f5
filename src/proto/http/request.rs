//! Takes requests out of the bytes of a connection (RFC 9112).
//!
//! A request that lies whole in the presented bytes is borrowed from them: no copy, no allocation. Only a body that
//! is chunked or still on its way is collected, beside a copy of its head. However the bytes are cut, the same
//! requests come out, or the same refusal: nothing is judged before all bytes that could change the judgement are there.

use std::fmt;

use crate::limits::{
    BLANK_LINES_MAX, HEADER_BYTES_MAX, HEADER_COUNT_MAX, REPEATED_HEAD_BYTES_MAX,
    REQUEST_LINE_BYTES_MAX,
};

use super::chunked::ChunkedDecoder;
use super::head::{self, Facts, Framing, Head};
use super::{Refusal, is_token_byte};

/// What a request head may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line, line end included. Past it: 414.
    pub request_line_bytes_max: usize,
    /// Bytes of all header fields, line ends and the empty line included. Past it: 431.
    pub header_bytes_max: usize,
    /// Number of header fields, at most [`HEADER_COUNT_MAX`]. Past it: 431.
    pub header_count_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes_max: REQUEST_LINE_BYTES_MAX,
            header_bytes_max: HEADER_BYTES_MAX,
            header_count_max: HEADER_COUNT_MAX,
        }
    }
}

/// What the body of a request may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit {
    /// Its bytes. Past it: refused with 413.
    pub bytes_max: usize,
    /// How much of a longer one is awaited before it is refused, if its sender does not wait for `100 Continue`: what tells in which form the
    /// refusal is wanted may stand there.
    pub peek_bytes: usize,
}

impl From<usize> for BodyLimit {
    /// So many bytes, and a longer one is refused at once.
    fn from(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            peek_bytes: 0,
        }
    }
}

/// What came out of the presented bytes.
#[derive(Debug)]
pub enum Event<'a> {
    /// Nothing yet. The bytes that were not consumed are to be presented again, with more behind them.
    NeedMore,
    /// The client waits for `100 Continue` before it sends the body: send that, then go on.
    Continue,
    /// A complete request.
    Request(Request<'a>),
}

/// A complete request.
pub struct Request<'a> {
    head: Head<'a>,
    body: Body<'a>,
}

enum Body<'a> {
    Received(&'a [u8]),
    Collected(&'a mut Vec<u8>),
}

impl<'a> Request<'a> {
    /// Everything before the body.
    pub fn head(&self) -> &Head<'a> {
        &self.head
    }

    /// The body, transfer coding removed.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Received(body) => body,
            Body::Collected(body) => body,
        }
    }

    /// The body, to keep: not copied if it had to be collected, as long ones are.
    pub fn into_body(self) -> Vec<u8> {
        match self.body {
            Body::Received(body) => body.to_vec(),
            Body::Collected(body) => std::mem::take(body),
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.head.method_name())
            .field("target", &self.head.target())
            .field("body_bytes", &self.body().len())
            .finish()
    }
}

/// The decoder of one connection. Small while no body is under way.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes of the head, presented before, that hold no further line end.
    searched: usize,
    /// Length of the request line, 0 until its end was found.
    request_line_len: usize,
    /// Empty lines skipped before this request.
    blank_lines: u8,
    pending: Option<Box<Pending>>,
    last: Option<Box<Last>>,
}

/// The last head, for clients that ask the same again and again: the same bytes mean the same.
#[derive(Debug, Default)]
struct Last {
    /// Its method and target, known to be text.
    line: String,
    /// What follows them.
    rest: Vec<u8>,
    facts: Option<Facts>,
}

impl Last {
    /// The length and the facts of this head, if `data` begins with it. Whether a head ends lies in its bytes alone.
    fn repeated(&self, data: &[u8]) -> Option<(usize, Facts)> {
        let facts = self.facts?;
        let after = data.strip_prefix(self.line.as_bytes())?;
        let after = after.strip_prefix(&*self.rest)?;
        Some((data.len() - after.len(), facts))
    }

    fn set(&mut self, raw: &[u8], head: &Head<'_>) {
        self.facts = (raw.len() <= REPEATED_HEAD_BYTES_MAX).then_some(head.facts());
        self.line.clear();
        self.rest.clear();
        if self.facts.is_some() {
            self.line.extend([head.method_name(), " ", head.target()]);
            let rest = raw.get(self.line.len()..).unwrap_or_default();
            self.rest.extend_from_slice(rest);
        }
    }
}

/// A request whose body is collected.
#[derive(Debug)]
struct Pending {
    head: Box<[u8]>,
    facts: Facts,
    body: Vec<u8>,
    body_max: usize,
    transfer: Transfer,
}

#[derive(Debug)]
enum Transfer {
    Length {
        remaining: usize,
    },
    /// Of a body that is too long: so much is still awaited.
    Peek {
        remaining: usize,
    },
    Chunked(ChunkedDecoder),
    Done,
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next event and returns how many bytes of `data` it took. `data` begins with the bytes that the
    /// previous call did not consume. Call again with what remains until [`Event::NeedMore`]; a collected body is
    /// freed by the next call. `body_limit` says, once a head is complete, how many bytes its body may have (else 413).
    ///
    /// An error ends the connection after its answer; the decoder is not to be used after it, but for [`Decoder::unread`].
    pub fn decode<'a, L: Into<BodyLimit>>(
        &'a mut self,
        data: &'a [u8],
        limits: &Limits,
        body_limit: impl FnOnce(&Head<'_>) -> L,
    ) -> Result<(usize, Event<'a>), Refusal> {
        match self.pending.as_deref() {
            Some(pending) if !matches!(pending.transfer, Transfer::Done) => {
                return Self::decode_body(&mut self.pending, data, 0);
            }
            _ => self.pending = None,
        }
        let skipped = self.skip_blank_lines(data)?;
        let data = data.get(skipped..).unwrap_or_default();
        let last = self.last.as_deref();
        let (head_len, head) = match last.and_then(|last| last.repeated(data)) {
            Some((head_len, facts)) => {
                let line = &self.last.get_or_insert_default().line;
                let raw = data.get(..head_len).unwrap_or(data);
                (head_len, Head::with_line(line, raw, facts))
            }
            None => {
                let Some(head_len) = self.find_head_end(data, limits)? else {
                    return Ok((skipped, Event::NeedMore));
                };
                let raw = data.get(..head_len).unwrap_or(data);
                let head = head::parse(raw, limits)?;
                self.last.get_or_insert_default().set(raw, &head);
                (head_len, head)
            }
        };
        let (raw, rest) = data.split_at_checked(head_len).unwrap_or((data, &[]));
        self.searched = 0;
        self.request_line_len = 0;
        self.blank_lines = 0;
        let consumed = skipped + raw.len();
        let request = |body| Event::Request(Request { head, body });
        let (body_max, transfer) = match head.framing() {
            Framing::Absent => return Ok((consumed, request(Body::Received(&[])))),
            Framing::Length(length) => {
                let limit = body_limit(&head).into();
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let transfer = if length > limit.bytes_max {
                    let peek = if head.expects_continue() {
                        0
                    } else {
                        limit.peek_bytes
                    };
                    let remaining = peek.min(length);
                    Transfer::Peek { remaining }
                } else {
                    if let Some(body) = rest.get(..length) {
                        return Ok((consumed + length, request(Body::Received(body))));
                    }
                    Transfer::Length { remaining: length }
                };
                (limit.bytes_max, transfer)
            }
            Framing::Chunked => {
                let limit = body_limit(&head).into();
                let chunked = Transfer::Chunked(ChunkedDecoder::new());
                (limit.bytes_max, chunked)
            }
        };
        let is_refused = matches!(transfer, Transfer::Peek { .. });
        self.pending = Some(Box::new(Pending {
            head: raw.into(),
            facts: head.facts(),
            body: Vec::new(),
            body_max,
            transfer,
        }));
        if rest.is_empty() && head.expects_continue() && !is_refused {
            return Ok((consumed, Event::Continue));
        }
        Self::decode_body(&mut self.pending, rest, consumed)
    }

    /// Frees what is kept of a request that was taken; one under way is forgotten.
    pub fn release(&mut self) {
        self.pending = None;
    }

    /// The request whose body is under way or was refused, with what came of that.
    pub fn unread(&mut self) -> Option<Request<'_>> {
        let pending = self.pending.as_deref_mut()?;
        Some(Request {
            head: Head::new(&pending.head, pending.facts),
            body: Body::Collected(&mut pending.body),
        })
    }

    /// Whether a request has begun to arrive and is not complete: what a time limit for slow requests looks at.
    /// Bytes that were presented and not consumed count once they were searched.
    pub fn is_mid_request(&self) -> bool {
        self.searched > 0
            || self
                .pending
                .as_deref()
                .is_some_and(|pending| !matches!(pending.transfer, Transfer::Done))
    }

    /// Bytes of memory held for a request under way, to be counted against a bound.
    pub fn held_bytes(&self) -> usize {
        self.pending.as_deref().map_or(0, |pending| {
            size_of::<Pending>() + pending.head.len() + pending.body.capacity()
        })
    }

    /// Skips empty lines before a request line (RFC 9112 §2.2) and returns their length.
    fn skip_blank_lines(&mut self, data: &[u8]) -> Result<usize, Refusal> {
        let mut rest = data;
        while let [b'\r', b'\n', after @ ..] = rest {
            if self.blank_lines == BLANK_LINES_MAX {
                return Err(Refusal::bad("empty lines before request"));
            }
            self.blank_lines += 1;
            rest = after;
        }
        Ok(data.len() - rest.len())
    }

    /// The length of the head at the start of `data`, the empty line included, once that is there. Goes on where the
    /// last search ended, so that a head arriving byte by byte is read once.
    fn find_head_end(&mut self, data: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        match data {
            [] | [b'\r'] => return Ok(None),
            [first, ..] if is_token_byte(*first) => {}
            _ => return Err(Refusal::bad("bad request line")),
        }
        if self.request_line_len > 0 {
            return self.find_empty_line(data, limits);
        }
        let line_max = limits.request_line_bytes_max;
        match self.next_line_end(data, line_max)? {
            Some(line_end) => self.request_line_len = line_end,
            None if data.len() >= line_max => {
                return Err(Refusal::new(414, "request line too long"));
            }
            None => return Ok(None),
        }
        let head_end = self.find_empty_line(data, limits);
        if !matches!(head_end, Ok(Some(_))) {
            // A bad request line is refused as such whatever follows it, and without waiting for that.
            let line = data.get(..self.request_line_len).unwrap_or_default();
            head::check_request_line(line)?;
        }
        head_end
    }

    /// The length of the head whose request line ends at `request_line_len`.
    fn find_empty_line(&mut self, data: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let head_max = self.request_line_len + limits.header_bytes_max;
        while let Some(line_end) = self.next_line_end(data, head_max)? {
            // The line end before this one ends in a line feed too.
            if data
                .get(..line_end)
                .unwrap_or_default()
                .ends_with(b"\n\r\n")
            {
                return Ok(Some(line_end));
            }
        }
        if data.len() >= head_max {
            return Err(Refusal::new(431, "header fields too large"));
        }
        Ok(None)
    }

    /// The position after the next line end within the first `max` bytes. A line feed alone ends no line: it is
    /// refused, since others disagree about it (RFC 9112 §2.2).
    fn next_line_end(&mut self, data: &[u8], max: usize) -> Result<Option<usize>, Refusal> {
        let window = data.get(..max).unwrap_or(data);
        let unsearched = window.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', unsearched) else {
            self.searched = window.len();
            return Ok(None);
        };
        self.searched += found + 1;
        match window.get(..self.searched) {
            Some(line) if line.ends_with(b"\r\n") => Ok(Some(self.searched)),
            _ => Err(Refusal::bad("line feed without carriage return")),
        }
    }

    /// Goes on with a body. `consumed` bytes were taken before `data`.
    fn decode_body<'a>(
        pending: &'a mut Option<Box<Pending>>,
        data: &[u8],
        consumed: usize,
    ) -> Result<(usize, Event<'a>), Refusal> {
        let Some(pending) = pending.as_deref_mut() else {
            return Ok((consumed, Event::NeedMore));
        };
        let (taken, done) = match &mut pending.transfer {
            Transfer::Length { remaining } => collect(&mut pending.body, data, remaining),
            Transfer::Peek { remaining } => match collect(&mut pending.body, data, remaining) {
                (_, true) => return Err(Refusal::new(413, "body too large")),
                (taken, false) => (taken, false),
            },
            Transfer::Chunked(chunked) => {
                chunked.decode(data, &mut pending.body, pending.body_max)?
            }
            Transfer::Done => (0, false),
        };
        let consumed = consumed + taken;
        if !done {
            return Ok((consumed, Event::NeedMore));
        }
        pending.transfer = Transfer::Done;
        let request = Request {
            head: Head::new(&pending.head, pending.facts),
            body: Body::Collected(&mut pending.body),
        };
        Ok((consumed, Event::Request(request)))
    }
}

/// Takes what is there of `remaining` bytes: how many, and whether that was all.
fn collect(body: &mut Vec<u8>, data: &[u8], remaining: &mut usize) -> (usize, bool) {
    let now = data.get(..*remaining).unwrap_or(data);
    reserve_for(body, now.len(), *remaining);
    body.extend_from_slice(now);
    *remaining -= now.len();
    (now.len(), *remaining == 0)
}

/// Makes room for `now` bytes of a body of which `remaining` are to come. Grows by doubling, and never past the end:
/// a length that was announced and not sent costs nothing.
fn reserve_for(body: &mut Vec<u8>, now: usize, remaining: usize) {
    const GROWTH_BYTES_MIN: usize = 4 * 1024;
    if body.capacity() - body.len() < now {
        let more = now.max(body.len()).max(GROWTH_BYTES_MIN).min(remaining);
        body.reserve_exact(more);
    }
}

#[cfg(test)]
mod tests;
