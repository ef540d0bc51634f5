//! Every bound of the server, in one file. Those that an option can change are the defaults here.
//!
//! Names end in their unit and `_MAX` (or `_MIN`); related bounds are held to each other at compile time below.

// What people write, and how they are named

/// Longest message body in bytes, in every dialect.
pub const MESSAGE_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest account name in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest message id chosen by a client, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 64;
/// Longest `extras` of a message, in bytes of compact JSON.
pub const EXTRAS_BYTES_MAX: usize = 4 * 1024;
/// Longest nickname, picture address or terminal that an account tells of itself over `jim`, in bytes.
pub const PROFILE_TEXT_BYTES_MAX: usize = 2 * 1024;
/// How long after it was sent its sender can take a message back, in milliseconds.
pub const RECALL_MS_MAX: i64 = 2 * 60 * 1_000;
/// Most members of a group.
pub const GROUP_MEMBERS_MAX: usize = 2_000;
/// The most that `--group-members-max` may allow.
pub const GROUP_MEMBERS_CEILING: usize = 100_000;
/// Bits of a member's slot in a group, so many that a conversation's number and a slot are one number to `chat` clients: a group never has
/// more members, those who left among them.
pub const SLOT_BITS: u32 = 20;
/// Most ranges of positions that a member may leave unacknowledged below one that it acknowledged.
pub const HOLES_MAX: usize = 1_024;

// Tokens and applications

/// Longest token that an application may choose, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Most tokens in force for one account; the least recently used ends.
pub const TOKENS_PER_ACCOUNT_MAX: usize = 1_000;
/// The use of a token is recorded when the last record is at least this old, in milliseconds.
pub const TOKEN_TOUCH_MS_MIN: i64 = 60 * 60 * 1_000;
/// Seconds without use after which a token expires: seven days.
pub const TOKEN_IDLE_TTL_S: u64 = 7 * 24 * 3600;
/// The most that `--token-idle-ttl-s` may allow, in seconds: ten years.
pub const TOKEN_IDLE_TTL_S_CEILING: u64 = 3650 * 24 * 3600;
/// Longest id of an application in bytes.
pub const APP_ID_BYTES_MAX: usize = 64;
/// Shortest secret of an application in bytes.
pub const APP_SECRET_BYTES_MIN: usize = 16;
/// Longest secret of an application in bytes.
pub const APP_SECRET_BYTES_MAX: usize = 256;
/// How far the time of a signed login may lie from the server's, either way, in seconds.
pub const SIGNATURE_AGE_S_MAX: i64 = 300;

// Requests over HTTP

/// Longest request line in bytes, line end included: JSONP callers send messages in them. Past it: 414.
pub const REQUEST_LINE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of all header fields of one request, without the request line. Past it: 431.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Most header fields in one request. Past it: 431.
pub const HEADER_COUNT_MAX: usize = 100;
/// Longest request head that a connection remembers, in bytes, so that the same one is not parsed again.
pub const REPEATED_HEAD_BYTES_MAX: usize = 2 * 1024;
/// Empty lines skipped before a request line (RFC 9112 §2.2 asks for at least one). Past it: 400.
pub const BLANK_LINES_MAX: u8 = 2;
/// Longest body of an API call in bytes: a 64 KiB message in which every byte is escaped as JSON allows, and room for the rest. Past it the API's refusal.
pub const API_BODY_BYTES_MAX: usize = 512 * 1024;
/// Most bytes of chunk extensions in one chunked body. Past it: 400.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of trailer fields after one chunked body, line ends included. Past it: 400.
pub const TRAILER_BYTES_MAX: usize = 4 * 1024;
/// Longest name of a JSONP callback in bytes. Past it: 400.
pub const JSONP_NAME_BYTES_MAX: usize = 64;
/// How deep objects and arrays of a client's message may lie in one another. Past it the message is malformed.
pub const JSON_DEPTH_MAX: usize = 64;
/// Times that clients send are in seconds below this, and in milliseconds from it on.
pub const EPOCH_SECONDS_BELOW: i64 = 100_000_000_000;

const _: () = assert!(API_BODY_BYTES_MAX >= 6 * MESSAGE_BODY_BYTES_MAX + HEADER_BYTES_MAX);

// Forms and uploads

/// Most parts in a multipart body.
pub const MULTIPART_PARTS_MAX: usize = 64;
/// Most bytes of the header fields of one part of a multipart body, the empty line included.
pub const MULTIPART_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Most header fields in one part of a multipart body.
pub const MULTIPART_HEADER_COUNT_MAX: usize = 16;
/// What a multipart body may hold besides the file.
pub const MULTIPART_OVERHEAD_BYTES_MAX: usize = 128 * 1024;
/// How much of a form that is too long is awaited, in bytes, before it is refused as its first fields ask.
pub const BODY_PEEK_BYTES: usize = 16 * 1024;
/// Longest uploaded file in bytes. Past it: 413.
pub const UPLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The most that `--upload-bytes-max` may allow.
pub const UPLOAD_BYTES_CEILING: usize = 1024 * 1024 * 1024;
/// Longest name of an uploaded file in bytes, its extension included.
pub const UPLOAD_NAME_BYTES_MAX: usize = 64;
/// Most bytes of uploads that wait to be written to disk.
pub const UPLOADS_WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Most bytes of request bodies under way in one shard. Past it the request that needs more is answered 503.
pub const SHARD_BODY_BYTES_MAX: usize = 128 * 1024 * 1024;

const _: () = assert!(MULTIPART_OVERHEAD_BYTES_MAX >= MESSAGE_BODY_BYTES_MAX);
const _: () = assert!(UPLOAD_BYTES_MAX <= UPLOAD_BYTES_CEILING);

// WebSockets

/// Longest WebSocket message in bytes, after inflating. Past it: close 1009.
pub const WS_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Most fragments of one WebSocket message. Past it: close 1009.
pub const WS_FRAGMENTS_MAX: u32 = 64 * 1024;
/// Longest payload of a WebSocket control frame in bytes (RFC 6455 §5.5). Past it: close 1002.
pub const WS_CONTROL_BYTES_MAX: usize = 125;
/// What a compressor keeps of its output buffer between messages, in bytes.
pub const WS_DEFLATE_SCRATCH_BYTES_MAX: usize = 64 * 1024;
/// Most messages of a WebSocket connection that wait for their answers; then it is not read.
pub const SOCKET_CALLS_MAX: usize = 32;
/// Longest message of `/echo` in bytes: the longest of the conformance suites.
pub const ECHO_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(WS_MESSAGE_BYTES_MAX >= 2 * MESSAGE_BODY_BYTES_MAX);

// Answers

/// Most rows of a list in an answer.
pub const LIST_ROWS_MAX: usize = 1_000;
/// Most rows of a page in an answer.
pub const PAGE_ROWS_MAX: usize = 100;
/// Most bytes that the messages of an answer may take in it; what stands around them fits into the rest of 1 MiB.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024 - 16 * 1024;
/// What stands around a message's body in an answer: two names, each at most doubled by escapes, keys, numbers.
pub const ANSWER_ROW_BYTES_MAX: usize = 4 * NAME_BYTES_MAX + 256;
/// Rows of messages that a long query reads at a time, so that large bodies end it soon.
pub const QUERY_CHUNK_ROWS: usize = 64;

// `buyer`

/// Longest name that a buyer may register, in characters.
pub const BUYER_NAME_CHARS_MAX: usize = 64;
/// Most conversations in one of `buyer`'s lists.
pub const BUYER_LIST_ROWS_MAX: usize = 100;
/// Most messages that `buyer`'s getMsg returns and marks as read.
pub const BUYER_UNREAD_ROWS_MAX: usize = 200;

const _: () = assert!(BUYER_LIST_ROWS_MAX <= LIST_ROWS_MAX);
const _: () = assert!(BUYER_UNREAD_ROWS_MAX <= LIST_ROWS_MAX);

// `conv`

/// Most members that `conv` shows of a conversation in a list of conversations.
pub const CONV_USERS_MAX: usize = 500;
/// Longest address of a picture that `conv` takes for an account or a group, in bytes.
pub const CONV_IMAGE_BYTES_MAX: usize = 2 * 1024;
/// Longest description that `conv` takes for a group, in bytes.
pub const CONV_DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// What the body of a `conv` call may hold besides a message.
pub const CONV_REST_BYTES_MAX: usize = 32 * 1024;
/// Longest body of a `conv` call that names members, in bytes: the names of a group and room for the rest. Past it the API's refusal.
pub const CONV_MEMBERS_BODY_BYTES_MAX: usize = 1024 * 1024;

const _: () = assert!(
    CONV_MEMBERS_BODY_BYTES_MAX
        >= GROUP_MEMBERS_MAX * (NAME_BYTES_MAX + "\"\", ".len()) + CONV_REST_BYTES_MAX
);

// `jim`

/// Longest body of one of `jim`'s calls over HTTP, in bytes: its texts with every byte escaped, and room for the rest. Past it the API's refusal.
pub const JIM_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest name of the field that plain text is wrapped in (`--jim-text-field`), in bytes.
pub const TEXT_FIELD_BYTES_MAX: usize = 64;
/// Most contacts in one answer of `jim`.
pub const CONTACTS_MAX: usize = 200;
/// Newest messages that are shown of each contact.
pub const CONTACT_MESSAGES_MAX: usize = 10;
/// How long a message makes its contact a recent one, in milliseconds: two days.
pub const RECENT_MS: i64 = 2 * 24 * 3600 * 1_000;
/// For how long a visitor counts as an agent's when agents are compared, in milliseconds: a day.
pub const AGENT_LOAD_MS: i64 = 24 * 3600 * 1_000;

const _: () = assert!(
    JIM_BODY_BYTES_MAX >= 6 * (3 * PROFILE_TEXT_BYTES_MAX + 2 * NAME_BYTES_MAX + TOKEN_BYTES_MAX)
);

// `chat`

/// The first message of a `chat` socket must say who it is within this time, in milliseconds.
pub const CHAT_AUTH_MS_MAX: u64 = 10_000;
/// What was pushed over `chat` and is not acknowledged is pushed again after this time, in milliseconds.
pub const CHAT_REPEAT_MS: u64 = 30_000;
/// How often it is pushed again.
pub const CHAT_REPEATS_MAX: u8 = 5;
/// Most pushed messages of a `chat` socket that are remembered until they are acknowledged.
pub const CHAT_OUTSTANDING_MAX: usize = 256;
/// Most ranges of positions in which it is remembered what was pushed to an account and may not be acknowledged yet.
pub const PUSHED_RANGES_MAX: usize = 256;
/// Most such ranges over the accounts of one stripe; there are [`SESSION_STRIPES`].
pub const PUSHED_RANGES_PER_STRIPE_MAX: usize = 8_192;
/// How far back from the newest a page of all messages of a user may lie, in rows; past it pages are empty.
pub const CHAT_PAGE_DEPTH_MAX: u64 = 100_000;
/// Longest body of a `chat` call that names members, in bytes. Past it the API's refusal.
pub const CHAT_MEMBERS_BODY_BYTES_MAX: usize = 256 * 1024;
/// Most acknowledgements of a `chat` socket that wait to be recorded; then it is not read.
pub const CHAT_ACKNOWLEDGEMENTS_MAX: usize = 512;
/// Most further messages of which a `chat` socket remembers where they stand, so that they are found when they are acknowledged.
pub const CHAT_PUSHED_FURTHER_MAX: usize = 4_096;
/// Most ids of which a `chat` socket remembers that they were acknowledged, of those that may stand for others in a client that reads
/// numbers as doubles.
pub const CHAT_RECENT_ACKS_MAX: usize = 16;

const _: () = assert!(PUSHED_RANGES_MAX <= PUSHED_RANGES_PER_STRIPE_MAX);

// Connections

/// The most that `--connections-max` may allow.
pub const CONNECTIONS_CEILING: usize = 10_000_000;
/// With room for fewer connections than this the operator is warned at start.
pub const CONNECTIONS_FEW: usize = 1_000;
/// Descriptors that are kept for files when connections are counted.
pub const SPARE_DESCRIPTORS: usize = 64;
/// Connections that the kernel holds for a listener until they are accepted.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Most connections accepted from one listener in one turn.
pub const ACCEPTS_PER_TURN_MAX: usize = 64;
/// How long accepting rests when there are no more descriptors, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Most bytes that wait to be sent on one connection. Past it the connection catches up from the store or is closed.
pub const OUTBOX_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The least that `--outbox-bytes-max` may allow: the largest answer.
pub const OUTBOX_BYTES_MIN: usize = 1024 * 1024;
/// The most that `--outbox-bytes-max` may allow.
pub const OUTBOX_BYTES_CEILING: usize = 256 * 1024 * 1024;
/// An outbox holds this many times the longest message body: eight pushes, each body grown up to eightfold by JSON inside JSON.
pub const OUTBOX_MESSAGES_MIN: usize = 64;
/// When so many bytes of answers wait to be written on a connection, its next request waits too.
pub const ANSWERS_WAITING_BYTES_MAX: usize = 256 * 1024;
/// How long a refused client is read on, so that it can read why, in milliseconds.
pub const LINGER_MS_MAX: u64 = 5_000;
/// How many bytes of a refused client are read and thrown away.
pub const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

const _: () = assert!(LINGER_BYTES_MAX >= UPLOAD_BYTES_MAX + MULTIPART_OVERHEAD_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_MAX >= OUTBOX_MESSAGES_MIN * MESSAGE_BODY_BYTES_MAX);
const _: () =
    assert!(OUTBOX_BYTES_MIN <= OUTBOX_BYTES_MAX && OUTBOX_BYTES_MAX <= OUTBOX_BYTES_CEILING);

// Times of connections

/// Seconds that an HTTP connection may stay idle between requests.
pub const IDLE_TIMEOUT_S: u64 = 75;
/// Seconds in which a request's header has to be complete.
pub const HEADER_TIMEOUT_S: u64 = 10;
/// Slowest sender of a body, in bytes per second.
pub const BODY_RATE_MIN: usize = 1024;
/// The most that `--body-rate-min` may demand, in bytes per second.
pub const BODY_RATE_CEILING: usize = 1024 * 1024;
/// How long a body may take besides what its length needs at the smallest rate, in milliseconds.
pub const BODY_GRACE_MS: u64 = 10_000;
/// A connection whose peer takes nothing of what it is sent for this long is closed, in milliseconds.
pub const WRITE_STALL_MS_MAX: u64 = 30_000;
/// Seconds of silence on a WebSocket after which a ping is sent.
pub const WS_PING_AFTER_S: u64 = 60;
/// Seconds of silence on a WebSocket after which it is closed.
pub const WS_IDLE_TIMEOUT_S: u64 = 120;
/// Seconds that connections have for their last answers when the server stops.
pub const DRAIN_TIMEOUT_S: u64 = 10;
/// The most that an option for a timeout of a connection may allow, in seconds: a day.
pub const TIMEOUT_S_CEILING: u64 = 24 * 3600;

const _: () = assert!(WS_IDLE_TIMEOUT_S > WS_PING_AFTER_S);

// Shards

/// Most event-loop threads (`--shards`).
pub const SHARDS_MAX: usize = 64;
/// Bytes of the buffer into which a shard reads all its sockets.
pub const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
/// Most reads of one connection in one turn of its shard.
pub const READS_PER_TURN_MAX: usize = 4;
/// Buffers up to this many bytes are kept for the next connection that has something to write.
pub const POOLED_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Most such buffers, besides those of [`POOLED_FURTHER_BYTES_MIN`] and more.
pub const POOLED_BUFFERS_MAX: usize = 256;
/// Buffers from so many bytes on are kept even if there are many.
pub const POOLED_FURTHER_BYTES_MIN: usize = 2 * 1024;
/// Most bytes of all buffers that are kept for the next connection that has something to write.
pub const POOLED_BYTES_MAX: usize = 256 * POOLED_BUFFER_BYTES_MAX;
/// Most events that sockets are told of together.
pub const PUSHES_TOGETHER_MAX: usize = 16;
/// Buffers of what an event means on the wire are kept up to this many bytes for the next event.
pub const PUSH_BUFFER_BYTES_MAX: usize = POOLED_BUFFER_BYTES_MAX / PUSHES_TOGETHER_MAX;
/// Most sessions that a shard remembers; others are looked up in the store.
pub const SESSIONS_PER_SHARD_MAX: usize = 65_536;
/// Stripes of the table of who is looked after where.
pub const SESSION_STRIPES: usize = 64;
/// Most bytes of an account's view in memory; above it keeps totals only.
pub const VIEW_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of all views, over all shards.
pub const VIEWS_BYTES_MAX: usize = 16 * 1024 * 1024;

// The writer and its queues

/// Most commands in one commit.
pub const BATCH_COMMANDS_MAX: usize = 512;
/// Most bytes of commands in one commit.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How often a command may wait for rows before it is refused as busy.
pub const LOADS_PER_COMMAND_MAX: u32 = 8;
/// Most commands of a shard that wait for their answers; as many read marks and acknowledgements may besides.
pub const SHARD_COMMANDS_MAX: usize = 1_024;
/// Most bytes of commands of a shard that wait for their answers, of marks that do, and of marks that wait until they may.
pub const SHARD_COMMAND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most entries in a shard's inbox before the writer starts no further batch.
pub const INBOX_ENTRIES_MAX: usize = 4_096;
/// A command is refused as busy when the oldest one has waited this long, in microseconds, and twice the last commit.
pub const QUEUE_WAIT_US_MAX: u64 = 25_000;
/// However long they have waited, with fewer commands in the writer's queue none is refused.
pub const QUEUE_COMMANDS_MIN: usize = 64;
/// Most bytes of each kind of row that the writer keeps in memory.
pub const STATE_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(BATCH_COMMANDS_MAX <= SHARD_COMMANDS_MAX);
const _: () = assert!(SHARD_COMMAND_BYTES_MAX >= 4 * BATCH_BYTES_MAX);

// The store and its readers

/// Most bytes of database pages that the writer keeps in memory.
pub const STORE_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of database pages that each reader keeps in memory.
pub const READER_CACHE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// When so many pages of 8 KiB of the write-ahead log are to be moved into the database file, a thread does.
pub const WAL_CHECKPOINT_PAGES: usize = 256;
/// With fewer pages than this left to move, the write-ahead log may start anew.
pub const WAL_LEFT_PAGES_MAX: usize = 64;
/// From so many pages of 8 KiB on the write-ahead log starts anew as soon as few are left to move.
pub const WAL_RESTART_PAGES: usize = 3_072;
/// From so many pages on it starts anew whatever it takes.
pub const WAL_PAGES_MAX: usize = 8_192;
/// How long the writer waits for open snapshots before it lets the write-ahead log grow on, in milliseconds.
pub const WAL_RESTART_WAIT_MS_MAX: u64 = 5;
/// The write-ahead log is cut back to this many bytes when it starts anew.
pub const WAL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// So many messages in memory are folded into runs of the store together: the more, the less often a page of members is written, and the
/// more memory the tail takes.
pub const FOLD_MESSAGES: usize = 98_304;
/// So many bytes of changed member rows are folded together, if they come before the messages.
pub const FOLD_MEMBER_BYTES: usize = 8 * 1024 * 1024;
/// Most folds' worth of messages and member rows that are kept in memory: past it commits wait for the fold.
pub const TAIL_FOLDS_MAX: usize = 3;
/// So many runs of one level are merged into one of the next.
pub const MERGE_RUNS: usize = 8;
/// A client's message id is known for at least this long, in milliseconds.
pub const CLIENT_ID_TTL_MS: i64 = 24 * 3600 * 1_000;
/// Most bytes of the filters that say which client ids are new. Past it the oldest are dropped, and the file is asked.
pub const KEY_FILTER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a connection to the database waits for another one that holds it, in milliseconds.
pub const STORE_BUSY_MS_MAX: u64 = 5_000;
/// Reader threads of the store (`--readers`).
pub const READERS: usize = 2;
/// Most reader threads of the store (`--readers`).
pub const READERS_MAX: usize = 16;
/// With so many questions waiting for a reader, a query is refused as busy.
pub const QUERIES_WAITING_MAX: usize = 4_096;
/// With so many, what a login asks is, too: when everybody comes back at once, each waits for their turn.
pub const QUESTIONS_WAITING_MAX: usize = 128 * 1024;
/// Most quick questions that a reader answers out of one snapshot.
pub const QUESTIONS_PER_SNAPSHOT_MAX: usize = 8;
/// Most commands' rows that a reader loads from one snapshot: so many that opening it costs little beside them, so few that the other
/// readers help. What they were loaded for runs in one batch, which may pass its bounds by so many commands and those behind them.
pub const LOADS_PER_SNAPSHOT_MAX: usize = 16;
/// Most files and long queries that wait for a reader.
pub const FILES_WAITING_MAX: usize = 256;
/// Pages of the database that a backup copies in one step.
pub const BACKUP_STEP_PAGES: usize = 256;
/// Most messages that an export reads in one snapshot, so that it holds the log back only briefly.
pub const EXPORT_ROWS_MAX: usize = 100;
/// Most accounts whose names an export keeps in memory.
pub const EXPORT_NAMES_MAX: usize = 10_000;

const _: () =
    assert!(WAL_LEFT_PAGES_MAX < WAL_CHECKPOINT_PAGES && WAL_CHECKPOINT_PAGES < WAL_RESTART_PAGES);
const _: () =
    assert!(WAL_RESTART_PAGES * 8 * 1024 <= WAL_BYTES_MAX && WAL_RESTART_PAGES < WAL_PAGES_MAX);

// Options

/// Most entries of an option that takes a list (`--listen`, `--app-key`, `--cors-origin`).
pub const OPTION_ENTRIES_MAX: usize = 256;
/// Longest that a thread looks for work before it sleeps, in microseconds (`--busy-poll`).
pub const BUSY_POLL_US_MAX: usize = 1_000_000;
