use super::*;

const MASK: [u8; 4] = [1, 2, 3, 4];

fn header(bytes: &[&[u8]]) -> Vec<u8> {
    bytes.concat()
}

#[test]
fn lengths_in_every_encoding() {
    let cases: &[(u64, Vec<u8>)] = &[
        (0, header(&[&[0x82, 0x80], &MASK])),
        (125, header(&[&[0x82, 0xFD], &MASK])),
        (126, header(&[&[0x82, 0xFE, 0, 126], &MASK])),
        (65535, header(&[&[0x82, 0xFE, 0xFF, 0xFF], &MASK])),
        (
            65536,
            header(&[&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0], &MASK]),
        ),
        (
            i64::MAX as u64,
            header(&[&[0x82, 0xFF, 0x7F], &[0xFF; 7], &MASK]),
        ),
    ];
    for (payload_bytes, bytes) in cases {
        let expected = Header {
            fin: true,
            rsv1: false,
            opcode: Opcode::Binary,
            mask: MASK,
            payload_bytes: *payload_bytes,
            header_bytes: bytes.len(),
        };
        assert_eq!(Header::parse(bytes, false), Ok(Some(expected)));
        let with_payload = [bytes, &b"payload"[..]].concat();
        assert_eq!(Header::parse(&with_payload, false), Ok(Some(expected)));
        for cut in 0..bytes.len() {
            assert_eq!(
                Header::parse(&bytes[..cut], false),
                Ok(None),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn first_two_bytes_against_the_rules() {
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            for deflate in [false, true] {
                let opcode = first & 0x0F;
                let control = opcode >= 8;
                let rsv1 = first & 0x40 != 0;
                let valid = first & 0x30 == 0
                    && (!rsv1 || (deflate && matches!(opcode, 1 | 2)))
                    && matches!(opcode, 0..=2 | 8..=10)
                    && second & 0x80 != 0
                    && (!control || (first & 0x80 != 0 && second & 0x7F <= 125));
                let parsed = Header::parse(&[first, second], deflate);
                assert_eq!(parsed.is_ok(), valid, "{first:#x} {second:#x} {deflate}");
            }
        }
    }
}

#[test]
fn violations() {
    let cases: &[(&[u8], Violation)] = &[
        (&[0x91, 0x80], Violation::ReservedBit),
        (&[0xA1, 0x80], Violation::ReservedBit),
        (&[0xC1, 0x80], Violation::ReservedBit),
        (&[0x83, 0x80], Violation::ReservedOpcode),
        (&[0x8F, 0x80], Violation::ReservedOpcode),
        (&[0x81, 0x00], Violation::NotMasked),
        (&[0x09, 0x80], Violation::FragmentedControl),
        (&[0x88, 0xFE], Violation::LongControl),
        (&[0x82, 0xFE, 0, 125], Violation::LengthEncoding),
        (
            &[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            Violation::LengthEncoding,
        ),
        (
            &[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0],
            Violation::LengthEncoding,
        ),
    ];
    for (bytes, violation) in cases {
        assert_eq!(Header::parse(bytes, false), Err(*violation), "{bytes:?}");
    }
    for first in [0xC0, 0xC8, 0xC9, 0xCA] {
        let parsed = Header::parse(&[first, 0x80], true);
        assert_eq!(parsed, Err(Violation::ReservedBit), "{first:#x}");
    }
}

#[test]
fn encoded_headers_are_minimal() {
    let cases: &[(usize, &[u8])] = &[
        (0, &[0x81, 0]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (65535, &[0x81, 126, 0xFF, 0xFF]),
        (65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for (payload_bytes, expected) in cases {
        let mut out = Vec::new();
        encode_header(&mut out, Opcode::Text, false, *payload_bytes);
        assert_eq!(out, *expected);
    }
    let mut out = Vec::new();
    encode_header(&mut out, Opcode::Binary, true, 1);
    assert_eq!(out, [0xC2, 1]);
}
