//! The connections of one thread: sockets, what is still to be sent, and what came and is not whole.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Load, Plan, Share};
use crate::clock::now_ns;
use crate::target::{Target, source};

#[derive(Debug, Default)]
struct Link {
    stream: Option<TcpStream>,
    open: bool,
    /// It is open, being opened or waiting to be.
    wanted: bool,
    /// It stands in the list of those that have something to send.
    queued: bool,
    dialed_ns: u64,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// A thread's connections.
#[derive(Debug)]
pub struct Links {
    links: Vec<Link>,
    /// Have something to send.
    queued: Vec<usize>,
    waiting: VecDeque<usize>,
    dialing: usize,
    dialing_max: usize,
    fallen: Vec<(usize, String)>,
    target: Target,
    /// The number of the thread's first connection among all.
    first: usize,
    sources: usize,
    registry: Registry,
    now_ns: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl Links {
    pub(super) fn new(plan: &Plan, share: &Share, registry: Registry) -> Self {
        let count = share.links;
        Links {
            links: (0..count).map(|_| Link::default()).collect(),
            queued: Vec::new(),
            waiting: VecDeque::new(),
            dialing: 0,
            dialing_max: plan.dialing_max.max(1),
            fallen: Vec::new(),
            target: plan.target.clone(),
            first: share.first_link,
            sources: plan.sources,
            registry,
            now_ns: now_ns(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// How many connections there are, open or not.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// The time of what is being handled.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(super) fn tick(&mut self) {
        self.now_ns = now_ns();
    }

    /// The server, as `Host` names it.
    pub fn authority(&self) -> &str {
        &self.target.authority
    }

    /// Has a connection opened as soon as not too many others are being opened.
    pub fn dial(&mut self, id: usize) {
        self.links[id].wanted = true;
        self.waiting.push_back(id);
    }

    /// When the opening of this connection began.
    pub fn dialed_ns(&self, id: usize) -> u64 {
        self.links[id].dialed_ns
    }

    /// Where what is to be sent is appended.
    pub fn output(&mut self, id: usize) -> &mut Vec<u8> {
        let link = &mut self.links[id];
        if !link.queued {
            link.queued = true;
            self.queued.push(id);
        }
        &mut link.output
    }

    /// Drops a connection without a word, as when a client's network is gone.
    pub fn drop_abruptly(&mut self, id: usize) {
        if let Some(stream) = &self.links[id].stream {
            // Without it the port would stay taken for a minute; that it is not possible matters to nobody.
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.forget(id);
    }

    fn forget(&mut self, id: usize) {
        let link = &mut self.links[id];
        if link.stream.take().is_some() && !link.open {
            self.dialing -= 1;
        }
        link.open = false;
        link.wanted = false;
        link.input = Vec::new();
        link.output = Vec::new();
    }

    fn fall(&mut self, id: usize, cause: String) {
        self.fallen.push((id, cause));
    }

    pub(super) fn dial_waiting(&mut self) {
        while self.dialing < self.dialing_max
            && let Some(id) = self.waiting.pop_front()
        {
            match self.connect(id) {
                Ok(stream) => {
                    self.dialing += 1;
                    let link = &mut self.links[id];
                    link.stream = Some(stream);
                    link.open = false;
                }
                Err(error) => self.fall(id, format!("connect: {}", error.kind())),
            }
        }
    }

    fn connect(&mut self, id: usize) -> io::Result<TcpStream> {
        let address = self.target.address;
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source(self.first + id, self.sources) {
            socket.bind(&source.into())?;
        }
        self.links[id].dialed_ns = now_ns();
        match socket.connect(&address.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error);
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut stream, Token(id), interest)?;
        Ok(stream)
    }

    pub(super) fn writable<L: Load>(&mut self, load: &mut L, id: usize) {
        let link = &mut self.links[id];
        let Some(stream) = &link.stream else {
            return;
        };
        if link.open {
            self.write(id);
            return;
        }
        let failed = match stream.take_error() {
            Ok(None) => None,
            Ok(Some(error)) | Err(error) => Some(error),
        };
        if let Some(error) = failed {
            self.fall(id, format!("connect: {}", error.kind()));
        } else if stream.peer_addr().is_ok() {
            link.open = true;
            self.dialing -= 1;
            self.tick();
            load.opened(self, id);
        }
    }

    pub(super) fn readable<L: Load>(
        &mut self,
        load: &mut L,
        id: usize,
        buffer: &mut [u8],
        peer_closed: bool,
    ) {
        loop {
            let link = &mut self.links[id];
            let Some(stream) = link.stream.as_mut().filter(|_| link.open) else {
                return;
            };
            let read = match stream.read(buffer) {
                Ok(0) => return self.fall(id, "closed by the server".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.fall(id, format!("read: {}", error.kind())),
            };
            self.tick();
            self.bytes_in += read as u64;
            let bytes = &buffer[..read];
            let mut input = mem::take(&mut self.links[id].input);
            let outcome = if input.is_empty() {
                let outcome = load.received(self, id, bytes);
                if let Ok(taken) = outcome {
                    input.extend_from_slice(&bytes[taken..]);
                }
                outcome
            } else {
                input.extend_from_slice(bytes);
                let outcome = load.received(self, id, &input);
                if let Ok(taken) = outcome {
                    input.drain(..taken);
                }
                outcome
            };
            if let Err(cause) = outcome {
                return self.fall(id, cause);
            }
            let link = &mut self.links[id];
            if link.stream.is_some() {
                // An empty buffer is not kept: 100,000 idle connections would each hold one.
                link.input = if input.is_empty() { Vec::new() } else { input };
            }
            // Reports come by edges: a short read has emptied the socket, and what comes later is reported anew. An end that has been reported is not.
            if read < buffer.len() && !peer_closed {
                return;
            }
        }
    }

    /// Sends what is queued and tells the load which connections have fallen.
    pub(super) fn flush<L: Load>(&mut self, load: &mut L) {
        while !self.queued.is_empty() || !self.fallen.is_empty() {
            while let Some(id) = self.queued.pop() {
                self.links[id].queued = false;
                if self.links[id].open {
                    self.write(id);
                }
            }
            for (id, cause) in mem::take(&mut self.fallen) {
                if mem::take(&mut self.links[id].wanted) {
                    self.forget(id);
                    load.closed(self, id, &cause);
                }
            }
        }
    }

    fn write(&mut self, id: usize) {
        let link = &mut self.links[id];
        let Some(stream) = &mut link.stream else {
            return;
        };
        let mut sent = 0;
        let mut fault = None;
        while sent < link.output.len() {
            match stream.write(&link.output[sent..]) {
                Ok(0) => break,
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    fault = Some(format!("write: {}", error.kind()));
                    break;
                }
            }
        }
        self.bytes_out += sent as u64;
        if sent == link.output.len() {
            link.output.clear();
        } else {
            link.output.drain(..sent);
        }
        if let Some(cause) = fault {
            self.fall(id, cause);
        }
    }
}
