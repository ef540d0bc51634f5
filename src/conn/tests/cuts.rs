//! However the input is cut and the output taken, the same bytes leave.

use proptest::prelude::*;

use super::*;

const REQUESTS: &[&[u8]] = &[
    REFUSED_CALL,
    LOGIN,
    b"GET /a%20b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD //c HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n",
    b"\r\nPOST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n",
    b"POST /soa-im/buyer/registerAndLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nbuyer_name=\r\n1\r\nc\r\n0\r\n\r\n",
    b"OPTIONS /soa-im/buyer/getMsg HTTP/1.1\r\nHost: x\r\nOrigin: http://shop\r\n\r\n",
    b"DELETE /soa-im/buyer/getMsg HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW /pot HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
    b"GET /e%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /f HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    // After these nothing is answered.
    b"GET /g HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /h HTTP/1.0\r\nHost: x\r\n\r\n",
    b"POST /soa-im/buyer/uploadImage HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /i HTTP/1.1\r\n\r\n",
    b"GET /j HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /k HTTP/3.1\r\nHost: x\r\n\r\n",
    b"POST /l HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /n HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    b"POST /im/send/msg HTTP/1.1\r\nHost: x\r\nOrigin: http://shop\r\nContent-Length: 99999999\r\n\r\n{",
    b"POST /soa-im/buyer/sendMsg?jsonpCallback=cb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n7fffffff\r\n",
    b"\x16\x03\x01",
];

fn peer(outbox_bytes_max: usize) -> Peer {
    Peer::with(|http| {
        http.outbox_bytes_max = outbox_bytes_max;
        http.cors = CorsPolicy::Any;
    })
}

/// What becomes of `input` if each piece is read as soon as it may be.
fn play(mut peer: Peer, pieces: &[&[u8]], writes: &[usize]) -> (Vec<u8>, Vec<u16>, Closing, Cause) {
    let mut writes = writes.iter().cycle();
    for piece in pieces {
        // What a shard may do before it reads on.
        while !peer.wants_read() && peer.conn.closing() == Closing::Open {
            if let Some(want) = peer.wants.pop() {
                peer.fulfil(want);
            } else if peer.conn.has_unparsed_work(&peer.http) {
                peer.turn(|conn, turn| conn.resume(turn));
            } else {
                assert!(!peer.conn.output().is_empty(), "nothing to wait for");
                peer.write(*writes.next().expect("a cycle"));
            }
        }
        peer.bytes(piece);
    }
    peer.run();
    peer.conn.handle_end();
    assert_eq!(peer.conn.closing(), Closing::Now);
    let statuses = peer.statuses();
    (peer.sent, statuses, peer.conn.closing(), peer.conn.cause())
}

fn pieces<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|cut| &input[cut[0]..cut[1]])
        .filter(|piece| !piece.is_empty())
        .collect()
}

#[test]
fn every_request_is_answered_the_same_in_single_bytes() {
    for request in REQUESTS {
        let input = [request, REFUSED_CALL].concat();
        let whole = play(peer(OUTBOX_BYTES_MAX), &[&input], &[usize::MAX]);
        assert!(!whole.0.is_empty());
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        let cut = play(peer(OUTBOX_BYTES_MAX), &bytes, &[usize::MAX]);
        assert_eq!(cut, whole, "{}", String::from_utf8_lossy(request));
        for at in 1..input.len() {
            let cut = play(
                peer(OUTBOX_BYTES_MAX),
                &pieces(&input, &[at]),
                &[usize::MAX],
            );
            assert_eq!(
                cut,
                whole,
                "{} cut at {at}",
                String::from_utf8_lossy(request)
            );
        }
    }
}

proptest! {
    #[test]
    fn any_cut_of_any_requests_gives_the_same_answers(
        requests in prop::collection::vec(prop_oneof![9 => 0..11_usize, 1 => 11..REQUESTS.len()], 1..12),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        writes in prop::collection::vec(1..400_usize, 1..5),
        outbox_bytes_max in prop::sample::select(&[1, 500, OUTBOX_BYTES_MAX][..]),
    ) {
        let input: Vec<u8> = requests.iter().flat_map(|place| REQUESTS[*place]).copied().collect();
        let whole = play(peer(OUTBOX_BYTES_MAX), &[&input], &[usize::MAX]);
        let cut = play(peer(outbox_bytes_max), &pieces(&input, &cuts), &writes);
        prop_assert_eq!(&whole, &cut);
        let answered = requests.iter().position(|place| *place >= 11).map_or(requests.len(), |last| last + 1);
        prop_assert_eq!(whole.1.len(), answered);
    }
}
