//! A message on its way: what has come of it so far.

use super::{Violation, assembler::Limits, deflate::Inflater, frame::Header, mask};

/// A message that lies in more than one frame or more than one read, or is compressed.
#[derive(Debug)]
pub(super) struct Message {
    payload: Payload,
    fragments: u32,
    /// Present if the payload is compressed.
    inflater: Option<Box<Inflater>>,
    /// Whether the current frame is the last.
    fin: bool,
    /// Of the current frame; its first byte belongs to the next byte of the payload.
    mask: [u8; 4],
    /// What is still to come of the current frame.
    frame_left: u64,
}

impl Message {
    pub(super) fn new(text: bool, inflater: Option<Box<Inflater>>) -> Self {
        Self {
            payload: if text {
                Payload::Text(Text::default())
            } else {
                Payload::Binary(Vec::new())
            },
            fragments: 0,
            inflater,
            fin: false,
            mask: [0; 4],
            frame_left: 0,
        }
    }

    /// Takes up the next frame. A frame that would make the message too long is refused before its payload comes; of
    /// a compressed message only what it inflates to is counted.
    pub(super) fn begin_frame(
        &mut self,
        header: &Header,
        limits: &Limits,
    ) -> Result<(), Violation> {
        self.fragments += 1;
        if self.fragments > limits.fragments_max {
            return Err(Violation::ManyFragments);
        }
        let room = limits.message_bytes_max.saturating_sub(self.payload.len());
        if self.inflater.is_none() && header.payload_bytes > room as u64 {
            return Err(Violation::LongMessage);
        }
        self.fin = header.fin;
        self.mask = header.mask;
        self.frame_left = header.payload_bytes;
        Ok(())
    }

    /// Bytes of memory that the payload takes.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.payload {
            Payload::Text(text) => text.whole.capacity(),
            Payload::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Payload bytes of the current frame that are still to come.
    pub(super) fn frame_left(&self) -> u64 {
        self.frame_left
    }

    /// True when the last frame is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.fin && self.frame_left == 0
    }

    /// Unmasks and takes `part`, the next bytes of the current frame, at most [`Message::frame_left`].
    pub(super) fn push(&mut self, part: &mut [u8], limits: &Limits) -> Result<(), Violation> {
        mask::unmask(part, self.mask);
        self.mask = mask::rotate(self.mask, part.len());
        self.frame_left = self.frame_left.saturating_sub(part.len() as u64);
        match &mut self.inflater {
            Some(inflater) => inflater.inflate(part, |plain| self.payload.push(plain, limits)),
            None => self.payload.push(part, limits),
        }
    }

    /// Ends the payload after the last frame, and gives back the inflater.
    pub(super) fn finish(&mut self, limits: &Limits) -> Result<Option<Box<Inflater>>, Violation> {
        let mut inflater = self.inflater.take();
        if let Some(inflater) = &mut inflater {
            inflater.end_message(|plain| self.payload.push(plain, limits))?;
        }
        match &self.payload {
            Payload::Text(text) if text.split_bytes > 0 => Err(Violation::InvalidUtf8),
            _ => Ok(inflater),
        }
    }

    /// The payload as far as it has come.
    pub(super) fn payload(&self) -> PayloadRef<'_> {
        match &self.payload {
            Payload::Text(text) => PayloadRef::Text(&text.whole),
            Payload::Binary(bytes) => PayloadRef::Binary(bytes),
        }
    }
}

/// A lent payload.
pub(super) enum PayloadRef<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

#[derive(Debug)]
enum Payload {
    Text(Text),
    Binary(Vec<u8>),
}

impl Payload {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.whole.len() + text.split_bytes,
            Self::Binary(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, part: &[u8], limits: &Limits) -> Result<(), Violation> {
        let room = limits.message_bytes_max.saturating_sub(self.len());
        let (part, excess) = part.split_at(room.min(part.len()));
        match self {
            Self::Text(text) => text.push(part)?,
            Self::Binary(bytes) => bytes.extend_from_slice(part),
        }
        if excess.is_empty() {
            Ok(())
        } else {
            Err(Violation::LongMessage)
        }
    }
}

/// Text that is checked as it comes (RFC 6455 §8.1).
#[derive(Debug, Default)]
struct Text {
    whole: String,
    /// The beginning of a character whose other bytes are still to come.
    split: [u8; 4],
    split_bytes: usize,
}

impl Text {
    /// Fails on the first byte that no continuation could make valid.
    fn push(&mut self, mut part: &[u8]) -> Result<(), Violation> {
        while self.split_bytes > 0
            && let Some((&byte, rest)) = part.split_first()
        {
            part = rest;
            if let Some(slot) = self.split.get_mut(self.split_bytes) {
                *slot = byte;
                self.split_bytes += 1;
            }
            let split = self.split.get(..self.split_bytes).unwrap_or_default();
            match str::from_utf8(split) {
                Ok(character) => {
                    self.whole.push_str(character);
                    self.split_bytes = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
                Err(_) => {}
            }
        }
        let (whole, split) = part.split_at(part.len() - split_suffix_bytes(part));
        let whole = simdutf8::basic::from_utf8(whole).map_err(|_| Violation::InvalidUtf8)?;
        self.whole.push_str(whole);
        if let Some(slot) = self.split.get_mut(..split.len())
            && !split.is_empty()
        {
            slot.copy_from_slice(split);
            self.split_bytes = split.len();
        }
        Ok(())
    }
}

/// Length of the beginning of a character that `part` ends in: 0 to 3 bytes.
fn split_suffix_bytes(part: &[u8]) -> usize {
    (1..=part.len().min(3))
        .find(|&bytes| {
            let suffix = part.get(part.len() - bytes..).unwrap_or_default();
            str::from_utf8(suffix).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
        })
        .unwrap_or(0)
}
