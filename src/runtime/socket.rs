//! Listening sockets, and what stands between a socket and a connection.

use std::io;
use std::net::{Shutdown, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::LISTEN_BACKLOG;

/// The way between a connection's bytes and its socket: what encrypts stands here, and what a test puts in the place of a socket.
pub trait Transport {
    /// Reads into `buffer`; 0 at the end.
    ///
    /// # Errors
    /// Those of the socket, [`io::ErrorKind::WouldBlock`] when there is nothing yet.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes the beginning of `bytes`.
    ///
    /// # Errors
    /// Those of the socket, [`io::ErrorKind::WouldBlock`] when it takes nothing.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Tells the peer that nothing more comes.
    fn shut_sending(&mut self);
}

/// Straight to the kernel: the C library's `recv` and `send` let a thread be cancelled, which takes two locked instructions each time.
impl Transport for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, _) = recv(self, buffer, RecvFlags::empty())?;
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self, bytes, SendFlags::NOSIGNAL)?)
    }

    fn shut_sending(&mut self) {
        // A socket that cannot be shut is one that the peer has closed.
        drop(self.shutdown(Shutdown::Write));
    }
}

/// Binds `address` once for each of `shards`, which the kernel shares connections out to (`SO_REUSEPORT`). Port 0 becomes the same free
/// port for all.
///
/// # Errors
/// Those of the sockets.
pub fn listen(address: SocketAddr, shards: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    // Sharing a port is for the shards of one server: a port that another server listens on is taken.
    if address.port() != 0 {
        drop(bind(address, false)?);
    }
    let first = bind(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(bind(address, true)?);
    }
    Ok((address, listeners))
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
