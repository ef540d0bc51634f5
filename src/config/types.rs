//! What the configuration means: checked and typed.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

/// Everything that an operator can choose. Each field is the option of the same name.
///
/// [`Config::default`] is what an empty command line, environment and file give.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where to listen, without repeats (but port 0 may repeat: each is a port of its own). At least one address.
    pub listen: Vec<SocketAddr>,
    /// Where messages and uploads are kept.
    pub storage: Storage,
    /// Event-loop threads, 1 to [`SHARDS_MAX`](crate::limits::SHARDS_MAX).
    pub shards: usize,
    /// Reader threads of the store, 1 to [`READERS_MAX`](crate::limits::READERS_MAX).
    pub readers: usize,
    /// Whether shard `i` is pinned to core `i` and the writer to the core after the last shard's.
    pub pin: bool,
    /// How long shards and the writer look for work before they sleep, up to
    /// [`BUSY_POLL_US_MAX`](crate::limits::BUSY_POLL_US_MAX).
    pub busy_poll: Duration,
    /// What an acknowledged message survives.
    pub durability: Durability,
    /// The zone in which times are shown as text.
    pub timezone: TimeZone,
    /// What the URLs of uploads start with: scheme, host, port and path prefix, without a slash at the end. `None`: the request's `Host`.
    pub public_url: Option<String>,
    /// Who may ask for an identity.
    pub auth: Auth,
    /// Whether [`Auth::Open`] was accepted on addresses that other machines can reach.
    pub insecure: bool,
    /// Whether naming somebody creates their account.
    pub open_directory: bool,
    /// Whose pages may call the server from a browser.
    pub cors_origins: CorsOrigins,
    /// Whether `/echo` is served.
    pub diagnostics: bool,
    /// Whether WebSocket compression (permessage-deflate, RFC 7692) is offered.
    pub deflate: bool,
    /// The field that plain text is wrapped in for `jim`: ASCII letters, digits and `_`. `None`: not wrapped.
    pub jim_text_field: Option<String>,
    /// Longest message body in bytes, 1 to [`MESSAGE_BODY_BYTES_MAX`](crate::limits::MESSAGE_BODY_BYTES_MAX).
    pub message_bytes_max: usize,
    /// Longest uploaded file in bytes.
    pub upload_bytes_max: usize,
    /// Most members of a group.
    pub group_members_max: usize,
    /// Most connections over all shards. `None`: as many as the limit on descriptors allows.
    pub connections_max: Option<usize>,
    /// Most bytes that wait to be sent on one connection, at least [`OUTBOX_MESSAGES_MIN`](crate::limits::OUTBOX_MESSAGES_MIN) times `message_bytes_max`.
    pub outbox_bytes_max: usize,
    /// How long a token lives without use.
    pub token_idle_ttl: Duration,
    /// How long an HTTP connection may stay idle between requests.
    pub idle_timeout: Duration,
    /// The time in which a request's header has to be complete.
    pub header_timeout: Duration,
    /// Slowest sender of a body, in bytes per second.
    pub body_rate_min: usize,
    /// The silence on a WebSocket after which a ping is sent.
    pub ws_ping_after: Duration,
    /// The silence on a WebSocket after which it is closed; longer than `ws_ping_after`.
    pub ws_idle_timeout: Duration,
    /// How long connections have for their last answers when the server stops. Zero: none.
    pub drain_timeout: Duration,
    /// How much is logged on standard error.
    pub log: LogLevel,
}

/// Where messages and uploads are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In this directory, created if it is missing.
    Directory(PathBuf),
    /// Messages in memory only, uploads in a temporary directory: all is gone when the server stops.
    Memory,
}

/// What an acknowledged message survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: synced to the disk before it is acknowledged.
    Full,
    /// The end of the process, `kill -9` included: handed to the operating system before it is acknowledged.
    Process,
}

/// Who may ask for an identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// Everybody.
    Open,
    /// Applications that know one of these keys, and those for whom they signed. At least one, with distinct ids.
    Signed(Vec<AppKey>),
}

/// The key of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct AppKey {
    /// The public half: 1 to [`APP_ID_BYTES_MAX`](crate::limits::APP_ID_BYTES_MAX) ASCII letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// The half that is never shown.
    pub secret: Secret,
}

/// [`APP_SECRET_BYTES_MIN`](crate::limits::APP_SECRET_BYTES_MIN) to [`APP_SECRET_BYTES_MAX`](crate::limits::APP_SECRET_BYTES_MAX)
/// bytes of visible ASCII that `Debug` does not show.
///
/// `==` is for comparing configurations: it takes a time that depends on the contents, so it must not check a credential.
#[derive(Clone, PartialEq)]
pub struct Secret(pub(super) String);

impl Secret {
    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Whose pages may call the server from a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Only the server's own.
    SameOrigin,
    /// Those with one of these origins, written as browsers send them (RFC 6454 §6.2): lower case, no default port.
    Listed(Vec<String>),
    /// All.
    Any,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What the server could not do.
    Error,
    /// What an operator should look at.
    Warn,
    /// Start, stop and what is rare.
    Info,
    /// Each connection.
    Debug,
}
