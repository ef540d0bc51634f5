//! Frames from the server: final, not masked, of minimal length (RFC 6455 §5).

use std::sync::Arc;

use super::{
    deflate::Compressor,
    frame::{Opcode, encode_header},
};
use crate::limits::WS_CONTROL_BYTES_MAX;

/// Appends a text message. `payload` is UTF-8, as whoever has written it knows; it is not checked again.
#[inline]
pub fn text(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, Opcode::Text, false, payload);
}

/// Appends a binary message.
#[inline]
pub fn binary(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, Opcode::Binary, false, payload);
}

/// Appends a text message, compressed if that makes it shorter (RFC 7692 §7.2.1). `payload` is UTF-8.
pub fn text_deflated(out: &mut Vec<u8>, payload: &[u8], compressor: &mut Compressor) {
    deflated(out, Opcode::Text, payload, compressor);
}

/// Appends a binary message, compressed if that makes it shorter (RFC 7692 §7.2.1).
pub fn binary_deflated(out: &mut Vec<u8>, payload: &[u8], compressor: &mut Compressor) {
    deflated(out, Opcode::Binary, payload, compressor);
}

/// Appends a ping. Of `payload` at most 125 bytes are sent.
pub fn ping(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, Opcode::Ping, false, control_payload(payload));
}

/// Appends a pong. Of `payload` at most 125 bytes are sent.
pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, Opcode::Pong, false, control_payload(payload));
}

/// Appends a close frame: with no payload, or with a code and as many whole characters of `reason` as fit in 123 bytes.
pub fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else {
        return encode_header(out, Opcode::Close, false, 0);
    };
    let code = code.to_be_bytes();
    let reason_bytes = reason.floor_char_boundary(WS_CONTROL_BYTES_MAX - code.len());
    let reason = reason.get(..reason_bytes).unwrap_or_default();
    encode_header(out, Opcode::Close, false, code.len() + reason.len());
    out.extend_from_slice(&code);
    out.extend_from_slice(reason.as_bytes());
}

/// Encodes frames once for any number of connections: `shared(|out| text(out, payload))`.
pub fn shared(encode: impl FnOnce(&mut Vec<u8>)) -> Arc<[u8]> {
    let mut out = Vec::new();
    encode(&mut out);
    out.into()
}

fn deflated(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], compressor: &mut Compressor) {
    match compressor.compress(payload) {
        Some(compressed) => frame(out, opcode, true, compressed),
        None => frame(out, opcode, false, payload),
    }
}

#[inline]
fn frame(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    encode_header(out, opcode, rsv1, payload.len());
    out.extend_from_slice(payload);
}

fn control_payload(payload: &[u8]) -> &[u8] {
    payload.get(..WS_CONTROL_BYTES_MAX).unwrap_or(payload)
}

#[cfg(test)]
mod tests;
