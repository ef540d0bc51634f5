//! What waits to be written: a buffer that exists only while there is something in it.

use crate::limits::{
    POOLED_BUFFER_BYTES_MAX, POOLED_BUFFERS_MAX, POOLED_BYTES_MAX, POOLED_FURTHER_BYTES_MIN,
};

/// Buffers that connections borrow while they have something to write.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "a buffer is lent with its box, so that a connection holds one word"
)]
pub struct BufferPool {
    buffers: Vec<Box<Buffer>>,
    /// Over all of them.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// So many of them are written.
    written: usize,
}

impl BufferPool {
    fn take(&mut self) -> Box<Buffer> {
        let Some(buffer) = self.buffers.pop() else {
            return Box::default();
        };
        self.bytes -= buffer.bytes.capacity();
        buffer
    }

    fn give(&mut self, mut buffer: Box<Buffer>) {
        let bytes = buffer.bytes.capacity();
        // A small one is soon made anew, and many of them would be kept after a storm of short answers.
        let is_wanted =
            self.buffers.len() < POOLED_BUFFERS_MAX || bytes >= POOLED_FURTHER_BYTES_MIN;
        let has_room = self.bytes + bytes <= POOLED_BYTES_MAX;
        if bytes <= POOLED_BUFFER_BYTES_MAX && is_wanted && has_room {
            buffer.bytes.clear();
            buffer.written = 0;
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

/// Bytes in the order in which they are to be written.
#[derive(Debug, Default)]
pub struct Outbox(Option<Box<Buffer>>);

impl Outbox {
    /// The buffer to append to.
    pub fn buffer(&mut self, pool: &mut BufferPool) -> &mut Vec<u8> {
        &mut self.0.get_or_insert_with(|| pool.take()).bytes
    }

    /// What is not written yet.
    pub fn bytes(&self) -> &[u8] {
        let buffer = self.0.as_deref();
        buffer
            .and_then(|buffer| buffer.bytes.get(buffer.written..))
            .unwrap_or_default()
    }

    /// How many bytes are not written yet.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// So many bytes were written.
    pub fn advance(&mut self, count: usize, pool: &mut BufferPool) {
        let Some(buffer) = &mut self.0 else {
            return;
        };
        buffer.written = (buffer.written + count).min(buffer.bytes.len());
        if buffer.written == buffer.bytes.len() {
            self.0
                .take()
                .into_iter()
                .for_each(|buffer| pool.give(buffer));
        } else if buffer.written > buffer.bytes.len() / 2 {
            buffer.bytes.drain(..buffer.written);
            buffer.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_goes_back_when_it_is_written() {
        let mut pool = BufferPool::default();
        let mut outbox = Outbox::default();
        outbox.buffer(&mut pool).extend_from_slice(b"hello world");
        outbox.advance(3, &mut pool);
        assert_eq!(outbox.bytes(), b"lo world");
        outbox.buffer(&mut pool).extend_from_slice(b"!");
        outbox.advance(5, &mut pool);
        assert_eq!((outbox.bytes(), outbox.len()), (&b"rld!"[..], 4));
        outbox.advance(4, &mut pool);
        assert!(outbox.is_empty() && outbox.0.is_none());
        assert_eq!(pool.buffers.len(), 1);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut pool = BufferPool::default();
        let mut outbox = Outbox::default();
        outbox
            .buffer(&mut pool)
            .resize(POOLED_BUFFER_BYTES_MAX + 1, 0);
        outbox.advance(POOLED_BUFFER_BYTES_MAX + 1, &mut pool);
        assert!(pool.buffers.is_empty());
    }

    #[test]
    fn as_many_are_kept_as_are_worth_it_and_have_room() {
        let all = POOLED_BYTES_MAX / POOLED_FURTHER_BYTES_MIN;
        for (bytes, most) in [
            (16, POOLED_BUFFERS_MAX),
            (POOLED_FURTHER_BYTES_MIN, all),
            (
                POOLED_BUFFER_BYTES_MAX,
                POOLED_BYTES_MAX / POOLED_BUFFER_BYTES_MAX,
            ),
        ] {
            let mut pool = BufferPool::default();
            let mut outboxes: Vec<Outbox> = Vec::new();
            outboxes.resize_with(all + 1, Outbox::default);
            for outbox in &mut outboxes {
                outbox.buffer(&mut pool).resize(bytes, 0);
            }
            for outbox in &mut outboxes {
                outbox.advance(bytes, &mut pool);
            }
            let kept = pool.buffers.iter().map(|kept| kept.bytes.capacity());
            assert_eq!(kept.sum::<usize>(), pool.bytes);
            assert_eq!(pool.buffers.len(), most);
            for outbox in &mut outboxes {
                outbox.buffer(&mut pool);
            }
            assert_eq!((pool.buffers.len(), pool.bytes), (0, 0));
        }
    }
}
