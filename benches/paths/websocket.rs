//! Frames of clients read and frames of the server written, beside tungstenite and fastwebsockets as they are by default.
//!
//! All read from memory what a client has sent: the bytes are copied as from a socket, unmasked, and known to be UTF-8 in the end. With
//! "one frame a read" each read brings one frame, as when clients talk; with "full reads" it brings as many as fit into 64 KiB, or
//! into what the library asks for. What is written goes nowhere: what counts is all that comes before the system call. There
//! fastwebsockets does not copy payloads of more than 1 KiB but has the kernel gather them, which is paid later.

use std::future::Future;
use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use fastwebsockets::{Frame, Payload};
use imd::proto::ws::assembler::{Decoder, Event, Limits};
use imd::proto::ws::{encode, mask};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::Message;
use tungstenite::protocol::Role;

const SIZES: [usize; 5] = [16, 128, 1_024, 16 * 1_024, 64 * 1_024];
const READ_BYTES: usize = 64 * 1_024;
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Reading, unmasking alone, and writing.
pub fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket decode, one frame a read");
    for bytes in SIZES {
        decode(&mut group, bytes, 1);
    }
    group.finish();
    let mut group = c.benchmark_group("websocket decode, full reads");
    for bytes in SIZES {
        decode(&mut group, bytes, (READ_BYTES / frame(bytes).len()).max(1));
    }
    group.finish();
    let mut group = c.benchmark_group("websocket unmask");
    for bytes in SIZES {
        unmask(&mut group, bytes);
    }
    group.finish();
    let mut group = c.benchmark_group("websocket encode");
    for bytes in SIZES {
        write(&mut group, bytes);
    }
    group.finish();
}

fn name(bytes: usize) -> String {
    match bytes {
        1_024.. => format!("{} KiB", bytes / 1_024),
        _ => format!("{bytes} B"),
    }
}

/// Half of its characters are not ASCII.
fn text(bytes: usize) -> String {
    "a中".repeat(bytes / 4)
}

/// A text of so many bytes as a client sends it.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x81];
    if bytes <= 125 {
        frame.push(0x80 | bytes as u8);
    } else if let Ok(length) = u16::try_from(bytes) {
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
    } else {
        frame.push(0x80 | 127);
        frame.extend((bytes as u64).to_be_bytes());
    }
    frame.extend(KEY);
    let masked = text(bytes).into_bytes();
    let masked = masked.iter().zip(KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame
}

/// A peer that sends the same bytes again and again and counts what it is sent.
struct Peer {
    /// What a read brings at most.
    sent: Vec<u8>,
    at: usize,
    received: usize,
}

impl Peer {
    fn new(sent: Vec<u8>) -> Peer {
        Peer {
            sent,
            at: 0,
            received: 0,
        }
    }

    fn next(&mut self, room: usize) -> &[u8] {
        let start = self.at;
        let end = self.sent.len().min(start + room);
        self.at = end % self.sent.len();
        &self.sent[start..end]
    }
}

impl Read for Peer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(into.len());
        into[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received += black_box(bytes).len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = self.next(into.remaining());
        into.put_slice(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = parts.iter().map(|part| black_box(part).len()).sum();
        self.received += count;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What comes of a future that never waits: no runtime stands between it and its caller.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("there is always something to read"),
    }
}

fn decode(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize, count: usize) {
    let (received, expected) = (frame(bytes).repeat(count), text(bytes));
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(BenchmarkId::new("imd", name(bytes)), |b| {
        let mut decoder = Decoder::new(None);
        let mut buffer = vec![0; received.len()];
        let mut read = |each: &mut dyn FnMut(&str)| {
            buffer.copy_from_slice(black_box(&received));
            let mut at = 0;
            loop {
                let decoded = decoder.decode(&mut buffer[at..], &Limits::default());
                match decoded.expect("right frames") {
                    (taken, Event::Text(text)) => {
                        each(text);
                        at += taken;
                    }
                    (_, Event::NeedMore) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(at, received.len());
        };
        read(&mut |text| assert_eq!(text, expected));
        b.iter(|| {
            let mut found = 0;
            read(&mut |text| found += black_box(text).len());
            assert_eq!(found, count * bytes);
        });
    });
    group.bench_function(BenchmarkId::new("tungstenite", name(bytes)), |b| {
        let peer = Peer::new(received.clone());
        let mut socket = tungstenite::WebSocket::from_raw_socket(peer, Role::Server, None);
        let mut read = || match socket.read().expect("right frames") {
            Message::Text(text) => text,
            other => panic!("{other:?}"),
        };
        (0..count).for_each(|_| assert_eq!(&*read(), expected));
        b.iter(|| {
            let found: usize = (0..count).map(|_| black_box(read()).len()).sum();
            assert_eq!(found, count * bytes);
        });
    });
    group.bench_function(BenchmarkId::new("fastwebsockets", name(bytes)), |b| {
        let peer = Peer::new(received.clone());
        let role = fastwebsockets::Role::Server;
        let mut socket = fastwebsockets::WebSocket::after_handshake(peer, role);
        let mut read = || ready(socket.read_frame()).expect("right frames").payload;
        (0..count).for_each(|_| assert_eq!(&*read(), expected.as_bytes()));
        b.iter(|| {
            let found: usize = (0..count).map(|_| black_box(read()).len()).sum();
            assert_eq!(found, count * bytes);
        });
    });
}

/// Unmasks a payload by a key, in place.
type Unmask = fn(&mut [u8], [u8; 4]);

/// Over and over. Tungstenite does not let anybody call its own.
fn unmask(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize) {
    let libraries: [(&str, Unmask); 2] = [
        ("imd", mask::unmask),
        ("fastwebsockets", fastwebsockets::unmask),
    ];
    group.throughput(Throughput::Bytes(bytes as u64));
    for (library, unmask) in libraries {
        group.bench_function(BenchmarkId::new(library, name(bytes)), |b| {
            // A payload begins behind its header, where it happens to.
            let mut received = frame(bytes);
            let start = received.len() - bytes;
            let payload = &mut received[start..];
            unmask(payload, KEY);
            assert_eq!(payload, text(bytes).as_bytes());
            b.iter(|| unmask(black_box(&mut *payload), black_box(KEY)));
        });
    }
}

fn write(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize) {
    let payload = text(bytes);
    let expected = frame(bytes).len() - KEY.len();
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("imd", name(bytes)), |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            encode::text(&mut out, black_box(payload.as_bytes()));
            assert_eq!(black_box(&out).len(), expected);
        });
        assert!(out.ends_with(payload.as_bytes()));
    });
    group.bench_function(BenchmarkId::new("tungstenite", name(bytes)), |b| {
        let peer = Peer::new(Vec::new());
        let mut socket = tungstenite::WebSocket::from_raw_socket(peer, Role::Server, None);
        // Shared, not copied, by each message.
        let message = Message::text(payload.as_str());
        b.iter(|| {
            let before = socket.get_ref().received;
            socket
                .send(black_box(&message).clone())
                .expect("a peer that takes all");
            assert_eq!(socket.get_ref().received - before, expected);
        });
    });
    group.bench_function(BenchmarkId::new("fastwebsockets", name(bytes)), |b| {
        let peer = Peer::new(Vec::new());
        let role = fastwebsockets::Role::Server;
        let mut socket = fastwebsockets::WebSocket::after_handshake(peer, role);
        let mut rounds = 0;
        b.iter(|| {
            let payload = Payload::Borrowed(black_box(payload.as_bytes()));
            ready(socket.write_frame(Frame::text(payload))).expect("a peer that takes all");
            rounds += 1;
        });
        assert_eq!(socket.into_inner().received, rounds * expected);
    });
}
