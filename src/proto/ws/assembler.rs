//! From bytes to messages: frames, fragments, and what stands between them (RFC 6455 §5).

use super::{
    Violation, close,
    deflate::Inflater,
    extension::Deflate,
    frame::{self, Header, Opcode},
    mask,
    message::{Message, PayloadRef},
};
use crate::limits::{WS_FRAGMENTS_MAX, WS_MESSAGE_BYTES_MAX};

/// What a client may send at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest message in bytes, after inflating.
    pub message_bytes_max: usize,
    /// Most frames of one message.
    pub fragments_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: WS_MESSAGE_BYTES_MAX,
            fragments_max: WS_FRAGMENTS_MAX,
        }
    }
}

/// What [`Decoder::decode`] has found. It lies in the receive buffer or in the decoder, until the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing that is complete.
    NeedMore,
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered by a pong with the same payload (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The client closes; the code is to be echoed (RFC 6455 §5.5.1). Whatever follows is ignored.
    Close {
        /// The client's code, one of those that may be sent.
        code: Option<u16>,
        /// The client's words, at most 123 bytes.
        reason: &'a str,
    },
}

/// Reads the frames of one client. Idle it is three words, without a heap allocation, unless the client compresses with
/// context takeover.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The message that has begun, or the complete one that was lent to the caller last.
    message: Option<Box<Message>>,
    inflater: Option<Box<Inflater>>,
    deflate: Option<Deflate>,
    /// After a close frame or a violation nothing more is read.
    closed: bool,
}

const _: () = assert!(size_of::<Decoder>() <= 48);

/// Where the payload of an event lies.
enum Found {
    Nothing,
    Frame {
        opcode: Opcode,
        start: usize,
        end: usize,
    },
    Message,
}

impl Decoder {
    /// A decoder for a connection that has agreed on `deflate`.
    pub fn new(deflate: Option<Deflate>) -> Self {
        Self {
            deflate,
            ..Self::default()
        }
    }

    /// Reads the next event from `data` and says how many bytes it has taken. To be called until it says
    /// [`Event::NeedMore`], each time with the bytes that are left (none is fine): that call also frees the buffer of the
    /// last message. What it leaves then, an incomplete header or control frame of at most 130 bytes, is untouched and
    /// has to be shown again in front of what comes next.
    ///
    /// # Errors
    /// The first rule that the client has broken, the same however the bytes were cut. After it, and after
    /// [`Event::Close`], all further bytes are taken and ignored.
    #[inline]
    pub fn decode<'a>(
        &'a mut self,
        data: &'a mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Event<'a>), Violation> {
        // Most of what comes.
        if self.message.is_none()
            && !self.closed
            && let Some((opcode, mask, place)) = frame::usual(data, limits.message_bytes_max)
        {
            let end = place.end;
            let payload = data.get_mut(place).unwrap_or_default();
            mask::unmask(payload, mask);
            return match event_in_place(opcode, payload) {
                Ok(event) => Ok((end, event)),
                Err(violation) => {
                    self.close();
                    Err(violation)
                }
            };
        }
        let (taken, found) = match self.advance(data, limits) {
            Ok(progress) => progress,
            Err(violation) => {
                self.close();
                return Err(violation);
            }
        };
        let event = match found {
            Found::Nothing => Event::NeedMore,
            Found::Frame { opcode, start, end } => {
                if opcode == Opcode::Close {
                    self.close();
                }
                let payload = data.get(start..end).unwrap_or_default();
                match event_in_place(opcode, payload) {
                    Ok(event) => event,
                    Err(violation) => {
                        self.close();
                        return Err(violation);
                    }
                }
            }
            Found::Message => match self.message.as_deref().map(Message::payload) {
                Some(PayloadRef::Text(text)) => Event::Text(text),
                Some(PayloadRef::Binary(bytes)) => Event::Binary(bytes),
                None => Event::NeedMore,
            },
        };
        Ok((taken, event))
    }

    /// Bytes that are kept of a message under way.
    pub fn held_bytes(&self) -> usize {
        self.message.as_deref().map_or(0, Message::held_bytes)
    }

    fn close(&mut self) {
        *self = Self {
            closed: true,
            ..Self::default()
        };
    }

    fn advance(&mut self, data: &mut [u8], limits: &Limits) -> Result<(usize, Found), Violation> {
        if self.closed {
            return Ok((data.len(), Found::Nothing));
        }
        if self.message.as_ref().is_some_and(|m| m.is_complete()) {
            self.message = None;
        }
        let mut at = 0;
        loop {
            let rest = data.get_mut(at..).unwrap_or_default();
            if let Some(message) = &mut self.message
                && message.frame_left() > 0
            {
                let part_bytes = usize::try_from(message.frame_left()).unwrap_or(usize::MAX);
                let (part, _) = rest.split_at_mut(part_bytes.min(rest.len()));
                message.push(part, limits)?;
                at += part.len();
                if message.frame_left() > 0 {
                    return Ok((at, Found::Nothing));
                }
            } else {
                let Some(header) = Header::parse(rest, self.deflate.is_some())? else {
                    return Ok((at, Found::Nothing));
                };
                let start = at + header.header_bytes;
                if self.stands_alone(&header, limits)? {
                    let payload_bytes = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
                    let end = start.saturating_add(payload_bytes);
                    if let Some(payload) = data.get_mut(start..end) {
                        mask::unmask(payload, header.mask);
                        let opcode = header.opcode;
                        return Ok((end, Found::Frame { opcode, start, end }));
                    }
                    if header.opcode.is_control() {
                        return Ok((at, Found::Nothing));
                    }
                }
                self.begin_frame(&header, limits)?;
                at = start;
            }
            if self.finish_message(limits)? {
                return Ok((at, Found::Message));
            }
        }
    }

    /// True for a control frame and for a message in one frame that needs no inflating: events by themselves.
    fn stands_alone(&self, header: &Header, limits: &Limits) -> Result<bool, Violation> {
        match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => Ok(true),
            Opcode::Continuation if self.message.is_none() => {
                Err(Violation::UnexpectedContinuation)
            }
            Opcode::Continuation => Ok(false),
            Opcode::Text | Opcode::Binary if self.message.is_some() => {
                Err(Violation::ExpectedContinuation)
            }
            Opcode::Text | Opcode::Binary if header.rsv1 || !header.fin => Ok(false),
            Opcode::Text | Opcode::Binary
                if header.payload_bytes > limits.message_bytes_max as u64 =>
            {
                Err(Violation::LongMessage)
            }
            Opcode::Text | Opcode::Binary => Ok(true),
        }
    }

    fn begin_frame(&mut self, header: &Header, limits: &Limits) -> Result<(), Violation> {
        let message = self.message.get_or_insert_with(|| {
            let inflater = header
                .rsv1
                .then(|| self.inflater.take().unwrap_or_default());
            Box::new(Message::new(header.opcode == Opcode::Text, inflater))
        });
        message.begin_frame(header, limits)
    }

    /// Ends the message if all of it is there.
    fn finish_message(&mut self, limits: &Limits) -> Result<bool, Violation> {
        let Some(message) = self.message.as_mut().filter(|m| m.is_complete()) else {
            return Ok(false);
        };
        let inflater = message.finish(limits)?;
        if self
            .deflate
            .is_some_and(|deflate| deflate.client_context_takeover)
        {
            self.inflater = inflater.or(self.inflater.take());
        }
        Ok(true)
    }
}

fn event_in_place(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Violation> {
    match opcode {
        Opcode::Text => simdutf8::basic::from_utf8(payload)
            .map(Event::Text)
            .map_err(|_| Violation::InvalidUtf8),
        Opcode::Binary | Opcode::Continuation => Ok(Event::Binary(payload)),
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Pong => Ok(Event::Pong(payload)),
        Opcode::Close => close::parse(payload).map(|(code, reason)| Event::Close { code, reason }),
    }
}

#[cfg(test)]
mod tests;
