//! Every bound of the server, in one file. Those that an option can change are the defaults here.
//!
//! Names end in their unit and `_MAX` (or `_MIN`); related bounds are held to each other at compile time below.

/// Longest request line in bytes, line end included: JSONP callers send messages in them. Past it: 414.
pub const REQUEST_LINE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of all header fields of one request, without the request line. Past it: 431.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Most header fields in one request. Past it: 431.
pub const HEADER_COUNT_MAX: usize = 100;
/// Longest body of an API call in bytes: a 64 KiB message in which every byte is percent-encoded, and room for the rest. Past it: 413.
pub const API_BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest uploaded file in bytes. Past it: 413.
pub const UPLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;
/// What a multipart body may hold besides the file.
pub const MULTIPART_OVERHEAD_BYTES_MAX: usize = 128 * 1024;
/// Most parts in a multipart body.
pub const MULTIPART_PARTS_MAX: usize = 64;

/// Longest message body in bytes, in every dialect.
pub const MESSAGE_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest account name in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest message id chosen by a client, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 64;
/// Longest token that an application may choose, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;

const _: () = assert!(API_BODY_BYTES_MAX >= 3 * MESSAGE_BODY_BYTES_MAX + HEADER_BYTES_MAX);
const _: () = assert!(MULTIPART_OVERHEAD_BYTES_MAX >= MESSAGE_BODY_BYTES_MAX);

/// Longest WebSocket message in bytes, after inflating. Past it: close 1009.
pub const WS_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Most fragments of one WebSocket message. Past it: close 1009.
pub const WS_FRAGMENTS_MAX: u32 = 64 * 1024;
/// Longest payload of a WebSocket control frame in bytes (RFC 6455 §5.5). Past it: close 1002.
pub const WS_CONTROL_BYTES_MAX: usize = 125;
/// Shortest WebSocket message in bytes that is worth compressing.
pub const WS_DEFLATE_BYTES_MIN: usize = 64;
/// What a compressor keeps of its output buffer between messages, in bytes.
pub const WS_DEFLATE_SCRATCH_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(WS_MESSAGE_BYTES_MAX >= 2 * MESSAGE_BODY_BYTES_MAX);
