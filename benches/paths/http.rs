//! Bytes into requests.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use imd::proto::http::request::{Decoder, Event, Limits, Request};

/// As browsers send it.
const GET: &[u8] = b"GET /soa-im/buyer/getUnreadMsgCount?buyer_name=chaogai&token=vjo8oep70ue6jb75w9e7694i9 HTTP/1.1\r\n\
    Host: chat.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n\
    Accept: */*\r\nAccept-Language: zh-CN,zh;q=0.9\r\nReferer: https://shop.example.com/\r\nConnection: keep-alive\r\n\r\n";
/// As a back end sends it.
const CONTENT: &str = r#"{"from_id":"CKD_P_903000000000001","to_id":"CKD_D_903000000000002","msg":"Is the cap still there?","msg_type":0}"#;

/// Calls `each` with every request in `data` and gives how many there are.
pub fn requests(data: &[u8], mut each: impl FnMut(&Request<'_>)) -> usize {
    let mut decoder = Decoder::new();
    let (mut at, mut count) = (0, 0);
    while at < data.len() {
        match decoder.decode(&data[at..], &Limits::default(), |_| 1 << 20) {
            Ok((taken, Event::Request(request))) => {
                each(&request);
                at += taken;
                count += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    count
}

/// A request with `content` for `path`.
pub fn post(path: &str, content: &str) -> Vec<u8> {
    let length = content.len();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{content}")
        .into_bytes()
}

/// Whole requests, one and many in a read.
pub fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("http parse");
    for (name, data, count, body_bytes) in [
        ("get", GET.to_vec(), 1, 0),
        ("get, 16 pipelined", GET.repeat(16), 16, 0),
        (
            "post with a body",
            post("/im/send/msg", CONTENT),
            1,
            CONTENT.len(),
        ),
    ] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |b| {
            b.iter(|| {
                let found = requests(black_box(&data), |request| {
                    assert_eq!(black_box(request.body()).len(), body_bytes);
                });
                assert_eq!(found as u64, count);
            });
        });
    }
    group.finish();
}
