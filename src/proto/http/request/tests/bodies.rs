//! Bodies: their framing (RFC 9112 §6), and how long they may be.

use super::*;
use crate::limits::{CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};

#[test]
fn bodies_and_pipelining() {
    let input = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        GET /2 HTTP/1.1\r\nHost: a\r\n\r\n\
        DELETE /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=\"y\"\r\nd\r\n\r\n002 ;z\r\nef\r\n0\r\nTrailer: x\r\n\r\n\
        \r\nPOST /4 HTTP/1.1\r\nHost: a\r\n\r\n\
        GET /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\nGET /6";
    let (seen, rest) = outcome(input);
    let bodies: Vec<_> = seen.iter().map(|seen| (&*seen.path, &*seen.body)).collect();
    assert_eq!(
        bodies,
        [
            ("/1", &b"abc"[..]),
            ("/2", b""),
            ("/3", b"d\r\nef"),
            ("/4", b""),
            ("/5", b"\r\n"),
        ]
    );
    assert_eq!(rest, Ok("GET /6".len()));
}

#[test]
fn chunked_refusals() {
    let long_extension = format!("1;{}\r\n", "x".repeat(CHUNK_EXTENSION_BYTES_MAX));
    let long_trailer = format!("0\r\nX: {}\r\n\r\n", "x".repeat(TRAILER_BYTES_MAX));
    let many_trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(TRAILER_BYTES_MAX / 6 + 1));
    let many_extensions = format!("{}0\r\n\r\n", "1;xxxx\r\nx\r\n".repeat(90)) + "";
    for (status, body) in [
        (400, "\r\n"),
        (400, "g\r\n"),
        (400, "-1\r\n"),
        (400, "0x1\r\n"),
        (400, " 1\r\n"),
        (400, "1 \r\n"),
        (400, "1\nx\r\n"),
        (400, "1\rx"),
        (400, "1;\n"),
        (400, "1;a\0\r\n"),
        (400, "1\r\nxx\r\n"),
        (400, "1\r\nx\n"),
        (400, "1\r\nx\rx"),
        (400, "10000000000000000\r\n"),
        (413, "ffffffffffffffff\r\n"),
        (413, "65\r\n"),
        (
            413,
            "64\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n1\r\n",
        ),
        (400, "0\r\nX\r\n\r\n"),
        (400, "0\r\nX : y\r\n\r\n"),
        (400, "0\r\n X: y\r\n\r\n"),
        (400, "0\r\nX: y\n\r\n"),
        (400, "0\r\nX: \0\r\n\r\n"),
        (400, "0\r\nX: y\r\n\n"),
        (400, "0\r\n\rx"),
        (400, &long_extension),
        (400, &long_trailer),
        (400, &many_trailers),
    ] {
        let input =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(refused(input.as_bytes()), status, "{body:?}");
    }
    let input = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{many_extensions}"
    );
    assert_eq!(one(input.as_bytes()).body.len(), 90);
}

#[test]
fn expect_continue() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    let limits = Limits::default();
    let mut decoder = Decoder::new();
    let first = decoder.decode(head, &limits, |_| BODY_MAX);
    assert!(
        matches!(first, Ok((n, Event::Continue)) if n == head.len()),
        "{first:?}"
    );
    assert!(decoder.is_mid_request());
    assert!(matches!(
        decoder.decode(b"", &limits, |_| BODY_MAX),
        Ok((0, Event::NeedMore))
    ));
    match decoder.decode(b"okG", &limits, |_| BODY_MAX) {
        Ok((2, Event::Request(request))) => assert_eq!(request.into_body(), b"ok"),
        other => panic!("{other:?}"),
    }
    assert!(!decoder.is_mid_request());
    assert!(matches!(
        decoder.decode(b"G", &limits, |_| BODY_MAX),
        Ok((0, Event::NeedMore))
    ));
    assert!(decoder.is_mid_request());

    let mut with_body = head.to_vec();
    with_body.push(b'o');
    let mut decoder = Decoder::new();
    assert!(matches!(
        decoder.decode(&with_body, &limits, |_| BODY_MAX),
        Ok((_, Event::NeedMore))
    ));
}

#[test]
fn body_bound_follows_the_head() {
    let mut decoder = Decoder::new();
    let input = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
    let bound = |head: &Head<'_>| match (head.path(), head.framing()) {
        ("/upload", Framing::Length(2)) => 2,
        _ => 0,
    };
    assert!(matches!(
        decoder.decode(input, &Limits::default(), bound),
        Ok((_, Event::Request(_)))
    ));
}

#[test]
fn a_whole_request_is_borrowed_and_a_collected_body_is_freed() {
    let limits = Limits::default();
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
    let mut decoder = Decoder::new();
    match decoder.decode(input, &limits, |_| BODY_MAX) {
        Ok((_, Event::Request(request))) => {
            assert!(input.as_ptr_range().contains(&request.body().as_ptr()));
            assert!(
                input
                    .as_ptr_range()
                    .contains(&request.head().target().as_ptr())
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(decoder.held_bytes(), 0);

    let (almost, last) = input.split_at(input.len() - 1);
    assert!(matches!(
        decoder.decode(almost, &limits, |_| BODY_MAX),
        Ok((n, Event::NeedMore)) if n == almost.len()
    ));
    assert!(decoder.held_bytes() >= almost.len());
    assert!(matches!(
        decoder.decode(last, &limits, |_| BODY_MAX),
        Ok((1, Event::Request(_)))
    ));
    assert!(matches!(
        decoder.decode(b"", &limits, |_| BODY_MAX),
        Ok((0, Event::NeedMore))
    ));
    assert_eq!(decoder.held_bytes(), 0);
}

/// What came of a body that is refused, fed in pieces that end at `cuts`.
fn unread(input: &[u8], limit: BodyLimit, cuts: &[usize]) -> (Refusal, Vec<u8>, usize) {
    let limits = Limits::default();
    let mut decoder = Decoder::new();
    let mut kept = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        kept.extend_from_slice(&input[start..end]);
        start = end;
        match decoder.decode(&kept, &limits, |_| limit) {
            Ok((consumed, Event::NeedMore)) => drop(kept.drain(..consumed)),
            Ok((_, event)) => panic!("{event:?}"),
            Err(refusal) => {
                let request = decoder.unread().expect("a head");
                assert_eq!(request.head().path(), "/long");
                return (refusal, request.body().to_vec(), end);
            }
        }
    }
    panic!("not refused: {}", input.escape_ascii());
}

#[test]
fn the_beginning_of_a_body_that_is_too_long_is_awaited_if_that_is_wanted() {
    let limit = |peek_bytes| BodyLimit {
        bytes_max: 8,
        peek_bytes,
    };
    let head = "POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n";
    let input = format!("{head}\r\n0123456789");
    for (peek, body) in [(0, ""), (1, "0"), (10, "0123456789")] {
        let until = input.len() - 10 + peek;
        for cut in 0..=input.len() {
            let (refusal, seen, end) = unread(input.as_bytes(), limit(peek), &[cut]);
            assert_eq!((refusal.status, &*seen), (413, body.as_bytes()));
            assert!(end >= until, "refused at {end}, not before {until}");
        }
    }
    // Whoever waits for `100 Continue` is told at once.
    let waiting = format!("{head}Expect: 100-continue\r\n\r\n");
    let (refusal, seen, _) = unread(waiting.as_bytes(), limit(10), &[]);
    assert_eq!((refusal.status, seen.len()), (413, 0));
    let chunked =
        b"POST /long HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n5\r\n";
    for cut in 0..=chunked.len() {
        let (refusal, seen, _) = unread(chunked, limit(10), &[cut]);
        assert_eq!((refusal.status, &*seen), (413, &b"abcd"[..]));
    }
}
