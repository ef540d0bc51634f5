use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
enum Got {
    Opened,
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Closed(u16),
}

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(length as u8),
        length @ 126..=65535 => {
            out.push(126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

/// An open connection and what the server answered to open it.
fn opened() -> (Peer, Vec<u8>) {
    let mut peer = Peer::default();
    let request = String::from_utf8(peer.handshake("h", "/echo")).unwrap();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    (peer, answer.into_bytes())
}

/// What a peer makes of `pieces`, and whether it was content.
fn receive<'a>(
    peer: &mut Peer,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Got>, Result<(), &'static str>) {
    let mut got = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let taken = peer.feed(&buffer, |event| {
            got.push(match event {
                Event::Opened => Got::Opened,
                Event::Message(payload) => Got::Message(payload.to_vec()),
                Event::Ping(payload) => Got::Ping(payload.to_vec()),
                Event::Closed(code) => Got::Closed(code),
            });
        });
        match taken {
            Ok(taken) => drop(buffer.drain(..taken)),
            Err(fault) => return (got, Err(fault)),
        }
    }
    (got, Ok(()))
}

#[test]
fn messages_come_whole_however_they_were_cut() {
    let long = vec![b'x'; 70_000];
    let (_, answer) = opened();
    let mut bytes = answer.clone();
    let mut expected = vec![Got::Opened];
    for payload in [&b""[..], b"hi", &long[..125], &long[..126], &long] {
        bytes.extend(frame(0x81, payload));
        expected.push(Got::Message(payload.to_vec()));
    }
    bytes.extend([frame(0x02, b"ab"), frame(0x89, b"p"), frame(0x80, b"c")].concat());
    expected.extend([Got::Ping(b"p".to_vec()), Got::Message(b"abc".to_vec())]);
    bytes.extend(frame(0x88, &1001u16.to_be_bytes()));
    expected.push(Got::Closed(1001));
    let near = (0..400).chain(bytes.len() - 20..bytes.len());
    for cut in near {
        let (mut peer, other) = opened();
        let bytes = [&other[..], &bytes[answer.len()..]].concat();
        let (got, outcome) = receive(&mut peer, [&bytes[..cut], &bytes[cut..]]);
        assert_eq!((got, outcome), (expected.clone(), Ok(())), "cut at {cut}");
    }
}

#[test]
fn nothing_counts_behind_a_close() {
    let (mut peer, mut bytes) = opened();
    bytes.extend([frame(0x88, b""), frame(0x81, b"late")].concat());
    let (got, outcome) = receive(&mut peer, [&bytes[..]]);
    assert_eq!(got, [Got::Opened, Got::Closed(1005)]);
    assert_eq!(outcome, Ok(()));
}

#[test]
fn what_a_server_may_not_send_is_refused() {
    for bad in [
        frame(0xC1, b"reserved bit"),
        vec![0x81, 0x82, 1, 2, 3, 4, b'm', b'm'],
        frame(0x83, b"opcode"),
        frame(0x09, b"fragmented ping"),
        frame(0x89, &[0; 126]),
        frame(0x80, b"continuation of nothing"),
        [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
        vec![0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255],
    ] {
        let (mut peer, mut bytes) = opened();
        bytes.extend(&bad);
        let (got, outcome) = receive(&mut peer, [&bytes[..]]);
        assert_eq!(got, [Got::Opened], "{bad:?}");
        assert!(outcome.is_err(), "{bad:?}");
    }
}

#[test]
fn a_handshake_must_be_accepted_with_the_right_key() {
    let (mut peer, _) = opened();
    let (_, foreign) = opened();
    assert!(receive(&mut peer, [&foreign[..]]).1.is_err());
    let (mut peer, _) = opened();
    let refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(receive(&mut peer, [&refused[..]]).1, Err("upgrade refused"));
}

proptest! {
    #[test]
    fn a_frame_is_what_another_implementation_reads(
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(any::<u8>(), 65_530..65_540),
        ],
        mask: u32,
    ) {
        use tungstenite::protocol::{Role, WebSocket};
        let mut bytes = Vec::new();
        encode(&mut bytes, Opcode::Binary, mask, &payload);
        let stream = std::io::Cursor::new(bytes);
        let mut server = WebSocket::from_raw_socket(stream, Role::Server, None);
        let message = server.read().unwrap();
        prop_assert!(message.is_binary());
        let data = message.into_data();
        prop_assert_eq!(&data[..], &payload[..]);
    }

    #[test]
    fn garbage_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut peer, answer) = opened();
        let (got, _) = receive(&mut peer, [&answer[..], &bytes[..]]);
        prop_assert_eq!(&got[0], &Got::Opened);
        let (mut peer, _) = opened();
        let (got, _) = receive(&mut peer, [&bytes[..]]);
        prop_assert!(got.is_empty());
    }
}
