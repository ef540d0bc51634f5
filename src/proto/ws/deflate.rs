//! Compressing and inflating messages (RFC 7692 §7.2).

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Violation;
use crate::limits::WS_DEFLATE_SCRATCH_BYTES_MAX;

/// What a sender removes from the end of a compressed message and a receiver puts back (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
/// Room for what a compressed message has besides its content.
const DEFLATE_ROOM_BYTES: usize = 64;
/// How much is inflated at a time: no message grows past its limit by more than what it was already checked for.
const CHUNK_BYTES: usize = 8 * 1024;

/// Inflates the messages of one client; about 48 KiB. Made for the largest window, and so for every smaller one.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    /// The last block that came was marked as final and nothing has followed it (RFC 7692 §7.2.3.4).
    ended: bool,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            stream: Decompress::new(false),
            ended: false,
        }
    }
}

impl Inflater {
    /// Inflates the next bytes of a message and hands the plain ones to `sink` in pieces, until it refuses.
    pub(super) fn inflate(
        &mut self,
        mut part: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(part, &mut chunk, FlushDecompress::Sync);
            let taken = (self.stream.total_in() - in_before) as usize;
            let made = (self.stream.total_out() - out_before) as usize;
            // What comes out before bad data is looked at first, so that it does not matter how the input was cut.
            sink(chunk.get(..made).unwrap_or_default())?;
            let status = status.map_err(|_| Violation::InvalidDeflate)?;
            part = part.get(taken..).unwrap_or_default();
            self.ended = status == Status::StreamEnd || (self.ended && taken == 0);
            if status == Status::StreamEnd {
                self.stream.reset(false);
                if part.is_empty() {
                    return Ok(());
                }
            } else if made < chunk.len() {
                // With room left the inflater stops for want of input only.
                return if part.is_empty() {
                    Ok(())
                } else {
                    Err(Violation::InvalidDeflate)
                };
            }
        }
    }

    /// Puts back what the sender has removed from the end of the message, unless a final block has ended it already.
    pub(super) fn end_message(
        &mut self,
        sink: impl FnMut(&[u8]) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if std::mem::take(&mut self.ended) {
            return Ok(());
        }
        self.inflate(&TAIL, sink)
    }
}

/// Compresses messages for clients that have agreed on permessage-deflate.
///
/// Without context takeover it starts afresh with each message: one compressor then serves every connection of a shard
/// that has the same window, and what it makes may be shared between them. With context takeover it belongs to one
/// connection. A window of 15 bits costs about 300 KiB.
pub struct Compressor {
    stream: Compress,
    context_takeover: bool,
    scratch: Vec<u8>,
}

impl Compressor {
    /// A compressor for a window of 2^`window_bits` bytes, 9 to 15 ([`super::extension::Deflate`] has it).
    pub fn new(window_bits: u8, context_takeover: bool) -> Self {
        Self {
            stream: Compress::new_with_window_bits(
                Compression::fast(),
                false,
                window_bits.clamp(9, 15),
            ),
            context_takeover,
            scratch: Vec::new(),
        }
    }

    /// The compressed message; `None` if there is nothing to compress. One that does not shrink is sent compressed all the
    /// same: clients that have asked for compression are known that stumble over a mixture.
    pub(super) fn compress(&mut self, message: &[u8]) -> Option<&[u8]> {
        if message.is_empty() {
            return None;
        }
        self.scratch.clear();
        self.scratch.shrink_to(WS_DEFLATE_SCRATCH_BYTES_MAX);
        if !self.context_takeover {
            self.stream.reset();
        }
        let mut rest = message;
        loop {
            self.scratch.reserve(rest.len() / 2 + DEFLATE_ROOM_BYTES);
            let before = self.stream.total_in();
            self.stream
                .compress_vec(rest, &mut self.scratch, FlushCompress::Sync)
                .ok()?;
            let taken = (self.stream.total_in() - before) as usize;
            rest = rest.get(taken..).unwrap_or_default();
            if rest.is_empty() && self.scratch.len() < self.scratch.capacity() {
                break;
            }
        }
        self.scratch.strip_suffix(&TAIL)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("context_takeover", &self.context_takeover)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
