use proptest::prelude::*;

use super::super::{assembler::Limits, client::*, encode, extension::Deflate};
use super::*;

const LIMITS: Limits = Limits {
    message_bytes_max: 20_000,
    fragments_max: 100,
};

fn agreed(context_takeover: bool) -> Option<Deflate> {
    Some(Deflate {
        server_context_takeover: context_takeover,
        client_context_takeover: context_takeover,
        server_max_window_bits: None,
    })
}

/// Compresses as a client does, without the heuristics of the server.
fn deflate(stream: &mut Compress, message: &[u8]) -> Vec<u8> {
    if message.is_empty() {
        return vec![0];
    }
    let mut out = Vec::with_capacity(message.len() + 1000);
    stream
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .unwrap();
    out.strip_suffix(&TAIL).unwrap().to_vec()
}

fn deflate_once(message: &[u8]) -> Vec<u8> {
    deflate(&mut Compress::new(Compression::best(), false), message)
}

/// Inflates one message from the server, as a client does.
fn inflate(stream: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(100_000);
    for part in [payload, &TAIL] {
        stream
            .decompress_vec(part, &mut out, FlushDecompress::Sync)
            .unwrap();
    }
    out
}

fn text(text: &str) -> Got {
    Got::Text(text.into())
}

#[test]
fn the_examples_of_rfc_7692() {
    // §7.2.3.1 to §7.2.3.5: one block; fragments; a shared window; no compression; a final block; two blocks.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let stored = [
        0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
    ];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    let first = FIN | RSV1 | TEXT;
    let stream = [
        frame(first, &hello),
        frame(RSV1 | TEXT, &hello[..3]),
        frame(FIN | PING, b""),
        frame(FIN | CONTINUATION, &hello[3..]),
        frame(first, &stored),
        frame(first, &last),
        frame(first, &two),
        frame(first, &[0x00]),
        frame(FIN | TEXT, b"plain"),
    ]
    .concat();
    let hello = text("Hello");
    let expected = [
        hello.clone(),
        Got::Ping(vec![]),
        hello.clone(),
        hello.clone(),
        hello.clone(),
        hello,
        text(""),
        text("plain"),
    ];
    for context_takeover in [false, true] {
        let outcome = receive_any_cut(&stream, agreed(context_takeover), &LIMITS);
        assert_eq!(outcome, (expected.to_vec(), None));
    }
}

#[test]
fn context_is_taken_over_as_agreed() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let hello_again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let first = FIN | RSV1 | TEXT;
    let stream = [frame(first, &hello), frame(first, &hello_again)].concat();
    let with = receive_any_cut(&stream, agreed(true), &LIMITS);
    assert_eq!(with, (vec![text("Hello"), text("Hello")], None));
    let without = receive_any_cut(&stream, agreed(false), &LIMITS);
    assert_eq!(
        without,
        (vec![text("Hello")], Some(Violation::InvalidDeflate))
    );
}

#[test]
fn a_final_block_without_padding_leaves_the_next_message_alone() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let stream = frame(FIN | RSV1 | TEXT, &last).repeat(3);
    let outcome = receive_any_cut(&stream, agreed(true), &LIMITS);
    assert_eq!(outcome, (vec![text("Hello"); 3], None));
}

#[test]
fn reserved_bit_rules() {
    let payload = deflate_once(b"Hello");
    let cases: &[&[Vec<u8>]] = &[
        &[
            frame(RSV1 | TEXT, &payload[..2]),
            frame(FIN | RSV1 | CONTINUATION, &payload[2..]),
        ],
        &[frame(FIN | RSV1 | PING, b"")],
        &[frame(FIN | RSV1 | CLOSE, b"")],
        &[frame(FIN | RSV1 | 0x20 | TEXT, &payload)],
        &[frame(FIN | RSV1 | 0x10 | TEXT, &payload)],
    ];
    for frames in cases {
        let outcome = receive_any_cut(&frames.concat(), agreed(false), &LIMITS);
        assert_eq!(
            outcome,
            (vec![], Some(Violation::ReservedBit)),
            "{frames:x?}"
        );
    }
    let outcome = receive_any_cut(&frame(FIN | RSV1 | TEXT, &payload), None, &LIMITS);
    assert_eq!(outcome, (vec![], Some(Violation::ReservedBit)));
}

#[test]
fn what_does_not_inflate_is_refused() {
    let stream = frame(FIN | RSV1 | BINARY, &[0xFF; 10]);
    let outcome = receive_any_cut(&stream, agreed(false), &LIMITS);
    assert_eq!(outcome, (vec![], Some(Violation::InvalidDeflate)));
    assert_eq!(Violation::InvalidDeflate.close_code(), 1007);
}

#[test]
fn the_first_fault_counts_however_the_bytes_were_cut() {
    let invalid_block = [&TAIL[..], &[0x07]].concat();
    let too_long = vec![b'x'; LIMITS.message_bytes_max + 1];
    let cases = [
        (&b"abc\xFFdef"[..], Violation::InvalidUtf8),
        (&too_long, Violation::LongMessage),
        (b"abc", Violation::InvalidDeflate),
        (&[b"\xFF", &too_long[..]].concat(), Violation::InvalidUtf8),
    ];
    for (text, violation) in cases {
        let payload = [deflate_once(text), invalid_block.clone()].concat();
        let stream = frame(FIN | RSV1 | TEXT, &payload);
        let outcome = receive_any_cut(&stream, agreed(false), &LIMITS);
        assert_eq!(outcome, (vec![], Some(violation)));
    }
}

#[test]
fn inflated_text_is_utf8() {
    for bytes in [&b"abc\xFF"[..], b"\xE4\xBD"] {
        let stream = frame(FIN | RSV1 | TEXT, &deflate_once(bytes));
        let outcome = receive_any_cut(&stream, agreed(false), &LIMITS);
        assert_eq!(outcome, (vec![], Some(Violation::InvalidUtf8)));
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let longest = deflate_once(&vec![b'x'; LIMITS.message_bytes_max]);
    let outcome = receive_any_cut(&frame(FIN | RSV1 | TEXT, &longest), agreed(false), &LIMITS);
    assert_eq!(
        outcome,
        (vec![text(&"x".repeat(LIMITS.message_bytes_max))], None)
    );

    let longer = deflate_once(&vec![b'x'; LIMITS.message_bytes_max + 1]);
    let outcome = receive_any_cut(&frame(FIN | RSV1 | TEXT, &longer), agreed(false), &LIMITS);
    assert_eq!(outcome, (vec![], Some(Violation::LongMessage)));

    let bomb = deflate_once(&vec![0; 50_000_000]);
    let mut inflater = Inflater::default();
    let mut inflated = 0;
    let result = inflater.inflate(&bomb, |plain| {
        inflated += plain.len();
        if inflated > 1_000_000 {
            Err(Violation::LongMessage)
        } else {
            Ok(())
        }
    });
    assert_eq!(result, Err(Violation::LongMessage));
    assert!(inflated <= 1_000_000 + CHUNK_BYTES);
}

#[test]
fn every_message_but_an_empty_one_goes_out_compressed() {
    let noise: Vec<u8> = (0..200_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut compressor = Compressor::new(15, false);
    for message in [&b"short"[..], &[b'x'; 64], &noise] {
        let mut out = Vec::new();
        encode::text_deflated(&mut out, message, &mut compressor);
        assert_eq!(out[0], FIN | RSV1 | TEXT);
    }
    let mut out = Vec::new();
    encode::text_deflated(&mut out, b"", &mut compressor);
    assert_eq!(out, [FIN | TEXT, 0]);
}

#[test]
fn the_window_is_as_small_as_agreed() {
    // Each message repeats 1,500 bytes of noise: a repetition that only a window above 1,024 bytes can see.
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise: Vec<u8> = noise.take(1_500).map(|byte| byte % 16).collect();
    let message = noise.repeat(2);
    for bits in 9..=15 {
        let mut compressor = Compressor::new(bits, false);
        let compressed = compressor.compress(&message).unwrap().to_vec();
        let sees_repetition = compressed.len() < 2_000;
        assert_eq!(
            sees_repetition,
            bits > 10,
            "{bits} bits: {} bytes",
            compressed.len()
        );
        let mut client = Decompress::new_with_window_bits(false, bits);
        assert_eq!(inflate(&mut client, &compressed), message);
    }
}

#[test]
fn server_context_as_agreed() {
    let message =
        b"{\"fromUserId\":2,\"toUserId\":3,\"msgType\":\"Single\",\"content\":\"hello there\"}";
    let mut apart = Compressor::new(15, false);
    let first = apart.compress(message).unwrap().to_vec();
    assert_eq!(apart.compress(message).unwrap(), first);

    let mut together = Compressor::new(15, true);
    let first = together.compress(message).unwrap().to_vec();
    let second = together.compress(message).unwrap().to_vec();
    assert!(second.len() < first.len() / 2);
    let mut client = Decompress::new(false);
    assert_eq!(inflate(&mut client, &first), message);
    assert_eq!(inflate(&mut client, &second), message);
}

proptest! {
    #[test]
    fn clients_messages_arrive(
        messages in prop::collection::vec(any::<(String, u8)>(), 1..6),
        context_takeover: bool,
        fragment_bytes in 1..300_usize,
        piece_bytes in 1..300_usize,
    ) {
        let mut client = Compress::new(Compression::default(), false);
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (message, repeat) in messages {
            let mut message = message.repeat(repeat.into());
            message.truncate(message.floor_char_boundary(LIMITS.message_bytes_max));
            if !context_takeover {
                client.reset();
            }
            let payload = deflate(&mut client, message.as_bytes());
            let fragment_bytes = fragment_bytes.max(payload.len() / 50);
            let count = payload.chunks(fragment_bytes).count();
            for (i, fragment) in payload.chunks(fragment_bytes).enumerate() {
                let first = if i == 0 { RSV1 | TEXT } else { CONTINUATION };
                stream.extend(frame(first | if i + 1 == count { FIN } else { 0 }, fragment));
            }
            expected.push(Got::Text(message));
        }
        let deflate = agreed(context_takeover);
        prop_assert_eq!(receive([&stream[..]], deflate, &LIMITS), (expected.clone(), None));
        prop_assert_eq!(receive(stream.chunks(piece_bytes), deflate, &LIMITS), (expected, None));
    }

    #[test]
    fn servers_messages_arrive(
        messages in prop::collection::vec(any::<(Vec<u8>, u8)>(), 1..6),
        context_takeover: bool,
        bits in 9..=15_u8,
    ) {
        let mut compressor = Compressor::new(bits, context_takeover);
        let mut client = Decompress::new_with_window_bits(false, bits);
        for (message, repeat) in messages {
            let message = message.repeat(repeat.into());
            if let Some(compressed) = compressor.compress(&message) {
                if !context_takeover {
                    client.reset(false);
                }
                prop_assert_eq!(inflate(&mut client, compressed), message);
            }
        }
    }

    #[test]
    fn any_compressed_bytes_cut_anywhere_give_the_same(
        messages in prop::collection::vec(any::<Vec<u8>>(), 1..4),
        context_takeover: bool,
        pieces in 1..40_usize,
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|m| frame(FIN | RSV1 | BINARY, m)).collect();
        let deflate = agreed(context_takeover);
        let whole = receive([&stream[..]], deflate, &LIMITS);
        prop_assert_eq!(receive(stream.chunks(pieces), deflate, &LIMITS), whole);
    }
}
