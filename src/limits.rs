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

/// Most tokens in force for one account; the least recently used ends.
pub const TOKENS_PER_ACCOUNT_MAX: usize = 1_000;
/// The use of a token is recorded when the last record is at least this old, in milliseconds.
pub const TOKEN_TOUCH_MS_MIN: i64 = 60 * 60 * 1_000;
/// A token ends when it was not used for this long, in milliseconds.
pub const TOKEN_IDLE_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Most members of a group.
pub const GROUP_MEMBERS_MAX: usize = 2_000;
/// Most rows of a list in an answer.
pub const LIST_ROWS_MAX: usize = 1_000;
/// Most rows of a page in an answer.
pub const PAGE_ROWS_MAX: usize = 100;
/// Most bytes of message bodies in one answer.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of an account's view in memory; above it keeps totals only.
pub const VIEW_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of all views, over all shards.
pub const VIEWS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most sessions that a shard remembers; others are looked up in the store.
pub const SESSIONS_PER_SHARD_MAX: usize = 65_536;
/// Most bytes of each kind of row that the writer keeps in memory.
pub const STATE_CACHE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Empty lines skipped before a request line (RFC 9112 §2.2 asks for at least one). Past it: 400.
pub const BLANK_LINES_MAX: u8 = 2;
/// Most bytes of chunk extensions in one chunked body. Past it: 400.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of trailer fields after one chunked body, line ends included. Past it: 400.
pub const TRAILER_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of the header fields of one part of a multipart body, the empty line included.
pub const MULTIPART_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Most header fields in one part of a multipart body.
pub const MULTIPART_HEADER_COUNT_MAX: usize = 16;

/// Longest name of a JSONP callback in bytes. Past it: 400.
pub const JSONP_NAME_BYTES_MAX: usize = 64;
/// Longest name that a buyer may register, in characters.
pub const BUYER_NAME_CHARS_MAX: usize = 64;
/// Most conversations in one of `buyer`'s lists.
pub const BUYER_LIST_ROWS_MAX: usize = 100;
/// Most messages that `buyer`'s getMsg returns and marks as read.
pub const BUYER_UNREAD_ROWS_MAX: usize = 200;
/// How far the time of a signed login may lie from the server's, either way, in seconds.
pub const SIGNATURE_AGE_S_MAX: i64 = 300;

const _: () = assert!(BUYER_LIST_ROWS_MAX <= LIST_ROWS_MAX);
const _: () = assert!(BUYER_UNREAD_ROWS_MAX <= LIST_ROWS_MAX);
