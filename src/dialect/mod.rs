//! The four chat APIs: wire forms on one side, commands, queries and events on the other. No sockets, no threads, no SQL.
//!
//! A request starts a [`Call`]. It looks at what its shard has in memory and is either done at once or waits for one thing at a time
//! ([`Ask`]) and is resumed with it ([`Outcome`]):
//!
//! ```text
//! route(path) → Route::start(request, context) → Step::Done(response)
//!                                              → Step::Wait(ask, call) … call.resume(outcome, context) → Step …
//! ```

pub mod auth;
pub mod buyer;
pub mod chat;
pub mod conv;
pub mod conversation_id;
pub mod echo;
pub mod jim;
pub mod json;
pub mod kinds;
pub mod params;
pub mod random;
pub mod socket;
pub mod time;

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::account::Account;
use crate::domain::command::{Command, Refusal, Reply};
use crate::domain::desk::{Desk, SessionMemo};
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::presence::Presence;
use crate::domain::query::{Answer, Query};
use crate::domain::token::TokenHash;
use crate::limits::API_BODY_BYTES_MAX;
use crate::proto::http::head::Method;
use crate::proto::http::request::Request;

/// One call of an API.
#[derive(Debug)]
pub struct Route {
    /// Its name in the metrics, such as `buyer.sendMsg`.
    pub name: &'static str,
    /// The methods that it answers; others get 405.
    pub methods: &'static [Method],
    /// The longest body in bytes.
    pub body_bytes_max: fn(&Settings) -> usize,
    /// Whether a request with a method that carries a body must say how long it is (else 411).
    pub length_required: bool,
    /// Begins to answer a request.
    pub start: fn(&Request<'_>, &mut Context<'_>) -> Step,
    /// Answers one whose body was not read to its end, with what came of it.
    pub refuse: fn(&Request<'_>, Unread, &mut Context<'_>) -> Response,
}

impl Route {
    /// A call by POST, of at most [`API_BODY_BYTES_MAX`].
    const fn post(
        name: &'static str,
        start: fn(&Request<'_>, &mut Context<'_>) -> Step,
        refuse: fn(&Request<'_>, Unread, &mut Context<'_>) -> Response,
    ) -> Route {
        Route {
            name,
            methods: &[Method::Post],
            body_bytes_max: |_| API_BODY_BYTES_MAX,
            length_required: false,
            start,
            refuse,
        }
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than [`Route::body_bytes_max`].
    TooLarge,
    /// So many others are under way that there is no room for it.
    NoRoom,
}

/// The call at `path`, which begins with one slash for each that is repeated.
pub fn route(path: &str) -> Option<&'static Route> {
    let buyer = buyer::routes::route(path);
    buyer
        .or_else(|| conv::routes::route(path))
        .or_else(|| jim::routes::route(path))
        .or_else(|| chat::routes::route(path))
}

/// The one of `routes` beside which `name` stands.
fn named(routes: &'static [(&str, Route)], name: &str) -> Option<&'static Route> {
    let mut routes = routes.iter();
    routes
        .find(|(known, _)| *known == name)
        .map(|(_, route)| route)
}

/// Every call of every dialect, for the metrics.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    let all = buyer::routes::ROUTES
        .iter()
        .chain(conv::routes::ROUTES)
        .chain(jim::routes::ROUTES)
        .chain(chat::routes::ROUTES);
    all.map(|(_, route)| route)
}

/// What an operator has settled for the dialects.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zone of times that are shown as text.
    pub zone: jiff::tz::TimeZone,
    /// Where clients reach uploads: an origin and perhaps a path, without a slash at the end; `None` for the request's `Host`.
    pub public_url: Option<String>,
    /// The keys of applications that may hand out identities; `None` lets everybody.
    pub app_keys: Option<Vec<AppKey>>,
    /// Longest message body in bytes.
    pub message_bytes_max: usize,
    /// Longest uploaded file in bytes.
    pub upload_bytes_max: usize,
    /// Whether naming somebody creates them.
    pub open_directory: bool,
    /// How long a token lives without use, in milliseconds.
    pub token_idle_ms_max: i64,
    /// The field of a JSON object that plain text is wrapped in for `jim`; `None` leaves it as it is.
    pub jim_text_field: Option<String>,
}

/// An application that may hand out identities.
#[derive(Clone)]
pub struct AppKey {
    /// Its name.
    pub id: String,
    /// What it proves itself with.
    pub secret: String,
}

impl std::fmt::Debug for AppKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a call may look at while it runs.
pub struct Context<'a> {
    /// What the shard has in memory.
    pub desk: &'a mut Desk,
    /// What the connection remembers of its last token.
    pub memo: &'a mut SessionMemo,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// Who is online, and what they were pushed.
    pub presence: &'a dyn Presence,
    /// The wall clock.
    pub now: TimeMs,
    /// Fills with bytes from the operating system's generator.
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// Where the body of the answer is written; empty when a call starts or is resumed.
    pub body: &'a mut Vec<u8>,
}

/// What comes next in a call.
pub enum Step {
    /// The answer; its body is in [`Context::body`].
    Done(Response),
    /// Something must be fetched or done first.
    Wait(Ask, Call),
}

/// How a call ended, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It did what was asked.
    Ok,
    /// What was asked cannot be done.
    Refused,
    /// The asker is not known, or not who they say.
    Unauthorized,
    /// Too much is waiting.
    Busy,
    /// The server failed.
    Failed,
}

impl CallResult {
    /// What an HTTP status says.
    pub fn of_status(status: u16) -> CallResult {
        match status {
            ..400 => CallResult::Ok,
            401 | 403 => CallResult::Unauthorized,
            429 | 503 => CallResult::Busy,
            400..500 => CallResult::Refused,
            500.. => CallResult::Failed,
        }
    }
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// How the call ended.
    pub result: CallResult,
    /// The media type of the body.
    pub content_type: &'static str,
    /// Further header fields.
    pub headers: SmallVec<[(&'static str, Cow<'static, str>); 2]>,
}

impl Response {
    /// An answer without further header fields, whose result is what its status says.
    pub fn new(status: u16, content_type: &'static str) -> Response {
        Response {
            status,
            result: CallResult::of_status(status),
            content_type,
            headers: SmallVec::new(),
        }
    }
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Who uses a token; the desk did not know.
    Session(TokenHash),
    /// An account's view; the desk did not have it.
    View(AccountId),
    /// An answer of the store.
    Query(Query),
    /// A command, done and stored.
    Submit(Command),
    /// A file, written and synced.
    Save(Upload),
    /// From here on the socket is given the events of an account, which is online.
    Attach(AccountId),
}

/// A file to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The name under which it is served: letters, digits and one dot.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What a call waited for.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// To [`Ask::Session`]; `None` for a token that is unknown or past its time.
    Session(Option<Arc<Account>>),
    /// To [`Ask::View`]: it is on the desk, or was too large to stay there and is here.
    View(Option<Box<crate::domain::view::View>>),
    /// To [`Ask::Query`].
    Answer(Answer),
    /// To [`Ask::Submit`].
    Reply(Reply),
    /// To [`Ask::Save`].
    Saved,
    /// To [`Ask::Attach`].
    Attached,
    /// To any: it could not be had.
    Refused(Refusal),
}

/// A call that waits.
pub enum Call {
    /// Of the buyer dialect.
    Buyer(buyer::Waiting),
    /// Of the conv dialect.
    Conv(conv::Waiting),
    /// Of the jim dialect.
    Jim(jim::Waiting),
    /// Of the chat dialect.
    Chat(chat::Waiting),
}

impl Call {
    /// Goes on with what was waited for.
    pub fn resume(self, outcome: Outcome, context: &mut Context<'_>) -> Step {
        match self {
            Call::Buyer(call) => call.resume(outcome, context),
            Call::Conv(call) => call.resume(outcome, context),
            Call::Jim(call) => call.resume(outcome, context),
            Call::Chat(call) => call.resume(outcome, context),
        }
    }
}
