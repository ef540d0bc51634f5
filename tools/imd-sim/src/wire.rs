//! What stands in the place of a socket: two queues of bytes that the simulation moves as it likes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use imd::runtime::slab::Key;
use imd::runtime::socket::Transport;

/// The server's end of a connection.
pub struct Wire(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// Most bytes on their way to the client.
    capacity: usize,
    /// The client sends no more.
    client_done: bool,
    /// The client is gone without a word.
    reset: bool,
    /// The server sends no more.
    server_done: bool,
    /// The server found no room for all it had.
    was_full: bool,
}

impl Transport for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.0.borrow_mut();
        if ends.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if ends.to_server.is_empty() {
            return match ends.client_done {
                true => Ok(0),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let count = buffer.len().min(ends.to_server.len());
        for (place, byte) in buffer.iter_mut().zip(ends.to_server.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut ends = self.0.borrow_mut();
        if ends.reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(ends.capacity - ends.to_client.len());
        ends.was_full = count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        ends.to_client.extend(&bytes[..count]);
        Ok(count)
    }

    fn shut_sending(&mut self) {
        self.0.borrow_mut().server_done = true;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.borrow_mut().server_done = true;
    }
}

/// The client's end of a connection.
pub struct Link {
    ends: Rc<RefCell<Ends>>,
    /// The shard that has the connection.
    pub shard: usize,
    /// Its number there.
    pub key: Key,
    /// What the client has written and the network has not carried yet.
    pub unsent: VecDeque<u8>,
}

/// What comes out of [`Link::receive`].
pub struct Received {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the server waits for room.
    pub made_room: bool,
    /// Whether nothing more can come.
    pub is_over: bool,
}

impl Link {
    /// A connection on which at most `capacity` bytes are on their way to the client. `open` gives the server its end, and says where
    /// it is.
    pub fn open(capacity: usize, open: impl FnOnce(Wire) -> Option<(usize, Key)>) -> Option<Link> {
        let ends = Rc::new(RefCell::new(Ends {
            capacity,
            ..Ends::default()
        }));
        let (shard, key) = open(Wire(Rc::clone(&ends)))?;
        Some(Link {
            ends,
            shard,
            key,
            unsent: VecDeque::new(),
        })
    }

    /// The network carries the next `count` bytes, or all.
    pub fn carry(&mut self, count: usize) {
        let count = count.min(self.unsent.len());
        self.ends
            .borrow_mut()
            .to_server
            .extend(self.unsent.drain(..count));
    }

    /// The client sends no more; what it had not sent is lost.
    pub fn finish(&self) {
        self.ends.borrow_mut().client_done = true;
    }

    /// The client is gone.
    pub fn reset(&self) {
        self.ends.borrow_mut().reset = true;
    }

    /// The client takes at most `count` bytes.
    pub fn receive(&mut self, count: usize) -> Received {
        let mut ends = self.ends.borrow_mut();
        let count = count.min(ends.to_client.len());
        let bytes: Vec<u8> = ends.to_client.drain(..count).collect();
        let made_room = ends.was_full && count > 0;
        ends.was_full &= !made_room;
        Received {
            bytes,
            made_room,
            is_over: ends.server_done && ends.to_client.is_empty(),
        }
    }

    /// Whether the client has something to take, be it the end.
    pub fn has_news(&self) -> bool {
        let ends = self.ends.borrow();
        !ends.to_client.is_empty() || ends.server_done
    }
}
