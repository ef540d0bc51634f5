//! HTTP/1.1 at its edges: what is malformed, what could be smuggled, and what is unusual but right.

mod connections;
mod cors;
mod cuts;
mod framing;
mod malformed;
mod methods;
mod too_large;

use crate::harness::Server;

/// Asserts that `bytes` get one answer with one of these statuses and that the server then closes.
#[track_caller]
fn check_refused(server: &Server, bytes: &[u8], statuses: &[u16]) {
    let mut http = server.client();
    // The server may refuse before it has read everything.
    let _ = http.try_send(bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let response = http
        .try_response()
        .unwrap_or_else(|e| panic!("no answer ({e}) to {shown:?}"));
    assert!(
        statuses.contains(&response.status),
        "{} to {shown:?}, expected {statuses:?}",
        response.status
    );
    assert_eq!(
        response
            .header("connection")
            .map(str::to_ascii_lowercase)
            .as_deref(),
        Some("close"),
        "to {shown:?}"
    );
    http.assert_closed();
}
