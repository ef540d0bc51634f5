//! What waits to be written: a buffer that exists only while there is something in it.

use crate::limits::{POOLED_BUFFER_BYTES_MAX, POOLED_BUFFERS_MAX};

/// Buffers that connections borrow while they have something to write.
#[derive(Debug, Default)]
pub struct BufferPool(Vec<Vec<u8>>);

impl BufferPool {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= POOLED_BUFFER_BYTES_MAX && self.0.len() < POOLED_BUFFERS_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// Bytes in the order in which they are to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    buffer: Vec<u8>,
    written: usize,
}

impl Outbox {
    /// The buffer to append to.
    pub fn buffer(&mut self, pool: &mut BufferPool) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = pool.take();
        }
        &mut self.buffer
    }

    /// What is not written yet.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.written..).unwrap_or_default()
    }

    /// How many bytes are not written yet.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// So many bytes were written.
    pub fn advance(&mut self, count: usize, pool: &mut BufferPool) {
        self.written = (self.written + count).min(self.buffer.len());
        if self.is_empty() {
            self.written = 0;
            pool.give(std::mem::take(&mut self.buffer));
        } else if self.written > self.buffer.len() / 2 {
            self.buffer.drain(..self.written);
            self.written = 0;
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
        assert!(outbox.is_empty() && outbox.buffer.capacity() == 0);
        assert_eq!(pool.0.len(), 1);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut pool = BufferPool::default();
        let mut outbox = Outbox::default();
        outbox
            .buffer(&mut pool)
            .resize(POOLED_BUFFER_BYTES_MAX + 1, 0);
        outbox.advance(POOLED_BUFFER_BYTES_MAX + 1, &mut pool);
        assert!(pool.0.is_empty());
    }
}
