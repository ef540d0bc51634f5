//! A stream of requests, whole and cut, comes to the same; neither it nor multipart nor the readers of parts panic.
#![no_main]

use imd::proto::http::head::Head;
use imd::proto::http::request::Limits;
use imd::proto::http::{Refusal, range, target};
use imd::proto::multipart;
use imd_fuzz::decode;
use libfuzzer_sys::fuzz_target;

const BODY_BYTES_MAX: usize = 200;
/// Small, so that the fuzzer reaches them.
const LIMITS: Limits = Limits {
    request_line_bytes_max: 100,
    header_bytes_max: 300,
    header_count_max: 8,
};

/// Everything that a request says, as text, and how long its body is.
fn describe(head: &Head<'_>, body: &[u8]) -> String {
    let fields: Vec<_> = head.headers().collect();
    let path = target::decode_path(head.path());
    let query: Vec<_> = target::pairs(head.query().unwrap_or_default().as_bytes()).collect();
    let form: Vec<_> = target::pairs(body).collect();
    let parts = multipart::parse(head.header_str("content-type").unwrap_or_default(), body);
    let selection = range::select(head, "\"a\"", 10);
    format!("{head:?} {fields:?} {path:?} {query:?} {form:?} {parts:?} {selection:?} {body:?}")
}

/// The requests in `input`, fed in pieces that end at `cuts`, then the refusal or the number of bytes left over.
fn outcome(input: &[u8], cuts: &[usize]) -> (Vec<String>, Result<usize, Refusal>) {
    let mut requests = Vec::new();
    let end = decode(input, cuts, &LIMITS, BODY_BYTES_MAX, |request| {
        requests.push(describe(request.head(), request.body()));
    });
    (requests, end)
}

fuzz_target!(|data: &[u8]| {
    const CUTS: usize = 4;
    let (input, tail) = data.split_at(data.len().saturating_sub(CUTS));
    let mut cuts: Vec<usize> = tail
        .iter()
        .map(|&byte| usize::from(byte) % (input.len() + 1))
        .collect();
    cuts.sort_unstable();
    let whole = outcome(input, &[]);
    assert_eq!(whole, outcome(input, &cuts));
    let every: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(whole, outcome(input, &every));

    if let Ok(parts) = multipart::parse("multipart/form-data; boundary=b", data) {
        let inside: usize = parts.iter().map(|part| part.body.len()).sum();
        assert!(inside < data.len());
    }
});
