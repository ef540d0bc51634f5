//! HTTP on a connection: one request at a time, in order, however late its answer comes.

use crate::conn::ws::Ws;
use crate::conn::{
    Cause, Closing, Delivered, Finished, Page, PageRequest, Parsed, Protocol, Side, Turn, Want,
    Wanted,
};
use crate::dialect::{self, Call, CallResult, Context, Route, Settings, Step, Unread, route};
use crate::limits::{API_BODY_BYTES_MAX, BODY_GRACE_MS, BODY_PEEK_BYTES};
use crate::proto::http::Refusal;
use crate::proto::http::head::{Framing, Head, Method};
use crate::proto::http::request::{BodyLimit, Decoder, Event, Limits, Request};
use crate::proto::http::response::{CONTINUE, Connection, Content, Response, encode_json};
use crate::proto::http::target::decode_path;
use crate::proto::ws::extension::Policy;
use crate::proto::ws::handshake;

/// The header fields beyond the usual that pages may read.
const EXPOSED: &str = "X-Msg-Id, X-Conv-Id, X-Page-No, X-Page-Size";

/// What an operator has settled for HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// How long a request's head may take, in milliseconds.
    pub header_timeout_ms: u64,
    /// How long a connection may stay without a request, in milliseconds.
    pub idle_timeout_ms: u64,
    /// The slowest sender of a body, in bytes a second.
    pub body_rate_min: u64,
    /// Most bytes that may wait to be written on a socket that is pushed to; past it the socket is closed. Requests wait sooner, at
    /// [`crate::limits::ANSWERS_WAITING_BYTES_MAX`] or at this if it is less, until the peer has taken some.
    pub outbox_bytes_max: usize,
    /// Whose pages may read answers and open WebSockets.
    pub cors: CorsPolicy,
    /// What a request head may measure.
    pub limits: Limits,
}

/// Which other origins' pages may read answers (the Fetch Standard's CORS protocol) and open WebSockets (RFC 6455 §10.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsPolicy {
    /// None: only the same origin.
    SameOrigin,
    /// These.
    Listed(Vec<String>),
    /// All.
    Any,
}

impl CorsPolicy {
    /// Whether pages of `origin`, which is another one than the server's own, may.
    fn permits(&self, origin: &str) -> bool {
        match self {
            CorsPolicy::SameOrigin => false,
            CorsPolicy::Listed(origins) => origins.iter().any(|listed| listed == origin),
            CorsPolicy::Any => true,
        }
    }

    /// The origin whose page may read the answer to a request: `*` or the request's.
    fn allow_origin(&self, head: &Head<'_>) -> Option<Box<str>> {
        let origin = head.origin()?;
        match self {
            CorsPolicy::Any => Some("*".into()),
            _ => std::str::from_utf8(origin)
                .ok()
                .filter(|origin| self.permits(origin))
                .map(Box::from),
        }
    }

    /// Whether a WebSocket may be opened. Browsers say whose page asks, and other clients name no origin.
    fn permits_socket(&self, head: &Head<'_>) -> bool {
        let mut fields = head.headers();
        fields.all(|(name, value)| {
            !name.eq_ignore_ascii_case("origin")
                || std::str::from_utf8(value)
                    .is_ok_and(|origin| is_own_origin(origin, head) || self.permits(origin))
        })
    }
}

/// Whether `origin` is the server's own as the request names it, whatever the scheme: TLS may end before the server.
fn is_own_origin(origin: &str, head: &Head<'_>) -> bool {
    let own = head.host();
    [("http://", ":80"), ("https://", ":443")]
        .into_iter()
        .any(|(scheme, port)| {
            let host = origin.strip_prefix(scheme);
            host.is_some_and(|host| {
                host.eq_ignore_ascii_case(own.strip_suffix(port).unwrap_or(own))
            })
        })
}

/// The HTTP side of a connection. Small while nothing is under way.
#[derive(Debug, Default)]
pub struct Http {
    decoder: Decoder,
    /// When the first byte of the request under way came, by the monotonic clock in milliseconds; 0 for none.
    since_ms: u64,
    /// Bytes of its body so far.
    body_bytes: u64,
    /// Calls begun; names the one that is waited for.
    calls: u32,
    waiting: Option<Box<Waiting>>,
}

struct Waiting {
    /// `None` while a page is awaited.
    call: Option<Call>,
    answer: Answer,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// What must be kept of a request until its answer is written.
#[derive(Clone, Debug)]
struct Answer {
    route: Option<&'static Route>,
    connection: Connection,
    is_head: bool,
    /// The origin whose page may read the answer: `*` or the request's.
    allow_origin: Option<Box<str>>,
    started_ms: u64,
}

impl Http {
    /// Whether an answer is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether part of a request has come.
    pub(super) fn is_mid_request(&self, has_unparsed: bool) -> bool {
        has_unparsed || self.decoder.is_mid_request()
    }

    pub(super) fn deadline_ms(&self, has_unparsed: bool, turn: &Turn<'_>) -> u64 {
        if self.is_waiting() {
            u64::MAX
        } else if self.decoder.held_bytes() > 0 {
            self.since_ms + BODY_GRACE_MS + self.body_bytes * 1_000 / turn.http.body_rate_min.max(1)
        } else if self.is_mid_request(has_unparsed) {
            self.since_ms + turn.http.header_timeout_ms
        } else {
            turn.now_ms + turn.http.idle_timeout_ms
        }
    }

    /// Bytes that are kept of a body under way.
    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }

    /// There is no room for the body under way.
    pub(super) fn refuse_body(&mut self, side: &mut Side<'_, '_>) {
        let refusal = Refusal::new(503, "too many uploads at once");
        self.refuse_unread(&refusal, Unread::NoRoom, Cause::Overload, side);
    }

    /// Nothing came for too long.
    pub(super) fn handle_timeout(&mut self, has_unparsed: bool, side: &mut Side<'_, '_>) {
        if self.is_mid_request(has_unparsed) {
            self.refuse(
                &Refusal::new(408, "request came too slowly"),
                Cause::SlowSender,
                side,
            );
        } else {
            side.end(Closing::Now, Cause::Idle);
        }
    }

    /// Takes the next request, or part of it, out of `data`.
    pub(super) fn parse(&mut self, data: &[u8], side: &mut Side<'_, '_>) -> Parsed {
        if !self.decoder.is_mid_request() {
            self.since_ms = side.turn.now_ms;
            self.body_bytes = 0;
        }
        let settings = side.turn.settings;
        let limit = |head: &Head<'_>| body_limit(head, settings);
        match self.decoder.decode(data, &side.turn.http.limits, limit) {
            Ok((taken, Event::NeedMore)) => {
                self.body_bytes += taken as u64;
                Parsed::starved(taken)
            }
            Ok((taken, Event::Continue)) => {
                side.outbox
                    .buffer(side.turn.buffers)
                    .extend_from_slice(CONTINUE);
                Parsed::taken(taken)
            }
            Ok((taken, Event::Request(request))) => {
                let begun = begin(request, self.calls, side);
                // Else a body that was collected would be kept until the next request, and its time limit would run on.
                self.decoder.release();
                let mut parsed = Parsed {
                    // Nothing is left that would have to be looked at.
                    starved: taken == data.len(),
                    ..Parsed::taken(taken)
                };
                match begun {
                    Begun::Answered => {}
                    Begun::Waiting(waiting) => {
                        self.waiting = Some(Box::new(waiting));
                        self.calls = self.calls.wrapping_add(1);
                    }
                    Begun::Upgraded(protocol) => parsed.becomes = Some(protocol),
                }
                parsed
            }
            Err(refusal) => {
                match refusal.status {
                    413 => self.refuse_unread(&refusal, Unread::TooLarge, Cause::Refused, side),
                    _ => self.refuse(&refusal, Cause::Refused, side),
                }
                Parsed::taken(0)
            }
        }
    }

    /// Takes what the call under way wanted.
    pub(super) fn handle_outcome(
        &mut self,
        number: u32,
        delivered: Delivered,
        side: &mut Side<'_, '_>,
    ) {
        if number.wrapping_add(1) != self.calls {
            return;
        }
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        let Waiting { call, answer } = *waiting;
        match (call, delivered) {
            (Some(call), Delivered::Outcome(outcome)) => {
                side.turn.scratch.clear();
                let step = call.resume(outcome, &mut context(side));
                if let Begun::Waiting(waiting) = take_step(step, answer, self.calls, side) {
                    self.waiting = Some(Box::new(waiting));
                    self.calls = self.calls.wrapping_add(1);
                }
            }
            (None, Delivered::Page(page)) => write_page(&page, &answer, side),
            (call, _) => self.waiting = Some(Box::new(Waiting { call, answer })),
        }
    }

    /// Answers a request whose body is not read to its end, as the API does that it is for. Nothing more is read as a request.
    fn refuse_unread(
        &mut self,
        refusal: &Refusal,
        unread: Unread,
        cause: Cause,
        side: &mut Side<'_, '_>,
    ) {
        let mut decoder = std::mem::take(&mut self.decoder);
        let request = decoder.unread();
        let found = request.and_then(|request| Some((called(request.head())?, request)));
        let Some((found, request)) = found else {
            self.refuse(refusal, cause, side);
            return;
        };
        let answer = Answer {
            route: Some(found),
            connection: Connection::Close,
            started_ms: self.since_ms,
            ..Answer::to(request.head(), side)
        };
        side.end(Closing::Lingering, cause);
        side.turn.scratch.clear();
        let response = (found.refuse)(&request, unread, &mut context(side));
        write_response(&response, &answer, side);
    }

    /// Answers what cannot be understood. Nothing more is read as a request.
    pub(super) fn refuse(&mut self, refusal: &Refusal, cause: Cause, side: &mut Side<'_, '_>) {
        let out = side.outbox.buffer(side.turn.buffers);
        Response::refusal(refusal).encode(side.turn.date, out);
        side.end(Closing::Lingering, cause);
        let result = CallResult::Refused;
        side.turn.finished.push(Finished {
            route: None,
            status: refusal.status,
            result,
            started_ms: self.since_ms,
        });
    }
}

impl Answer {
    fn to(head: &Head<'_>, side: &Side<'_, '_>) -> Answer {
        Answer {
            route: None,
            connection: match side.turn.draining {
                true => Connection::Close,
                false => Connection::for_request(head),
            },
            is_head: head.method() == Method::Head,
            allow_origin: side.turn.http.cors.allow_origin(head),
            started_ms: side.turn.now_ms,
        }
    }
}

/// The call that a request is for.
fn called(head: &Head<'_>) -> Option<&'static Route> {
    // Calls' paths have nothing that is decoded.
    route(head.path()).or_else(|| route(&decode_path(head.path()).ok()?))
}

/// What the body of a request may measure. Of a form that is too long the first fields are awaited: they say how to answer.
fn body_limit(head: &Head<'_>, settings: &Settings) -> BodyLimit {
    let Some(call) = called(head) else {
        return API_BODY_BYTES_MAX.into();
    };
    let is_form = head
        .media_type()
        .eq_ignore_ascii_case("multipart/form-data");
    BodyLimit {
        bytes_max: (call.body_bytes_max)(settings),
        peek_bytes: if is_form { BODY_PEEK_BYTES } else { 0 },
    }
}

fn context<'a>(side: &'a mut Side<'_, '_>) -> Context<'a> {
    let turn = &mut *side.turn;
    Context {
        desk: turn.desk,
        memo: side.memo,
        settings: turn.settings,
        presence: turn.presence,
        now: turn.now,
        random: turn.random,
        body: turn.scratch,
    }
}

/// What became of a request.
enum Begun {
    Answered,
    Waiting(Waiting),
    Upgraded(Box<Protocol>),
}

/// Begins to answer a request.
fn begin(request: Request<'_>, number: u32, side: &mut Side<'_, '_>) -> Begun {
    let head = request.head();
    let answer = Answer::to(head, side);
    if let Some(found) = route(head.path()).filter(|_| head.method() != Method::Other) {
        return call(found, &request, answer, number, side);
    }
    let Ok(path) = decode_path(head.path()) else {
        write_refusal(400, "bad percent-encoding in the path", None, &answer, side);
        return Begun::Answered;
    };
    if head.method() == Method::Other {
        write_refusal(501, "method not implemented", None, &answer, side);
        return Begun::Answered;
    }
    if let Some(endpoint) = endpoint(&path, head, side.turn.ws.diagnostics) {
        return upgrade(endpoint, head, &answer, side);
    }
    if path == "/echo" && side.turn.ws.diagnostics {
        let response = Response::new(200, "application/octet-stream", request.body());
        write(response, CallResult::Ok, &answer, side);
        return Begun::Answered;
    }
    let Some(found) = route(&path) else {
        let request = page_request(head, path.into_owned());
        side.turn.wants.push(Want {
            call: number,
            what: Wanted::Page(Box::new(request)),
        });
        return Begun::Waiting(Waiting { call: None, answer });
    };
    call(found, &request, answer, number, side)
}

/// Begins to answer a request for a call.
fn call(
    found: &'static Route,
    request: &Request<'_>,
    mut answer: Answer,
    number: u32,
    side: &mut Side<'_, '_>,
) -> Begun {
    let head = request.head();
    answer.route = Some(found);
    if head.method() == Method::Options {
        write_options(found.methods, &answer, side);
        return Begun::Answered;
    }
    if !found.methods.contains(&head.method()) {
        write_refusal(
            405,
            "method not allowed",
            Some(allow(found.methods)),
            &answer,
            side,
        );
        return Begun::Answered;
    }
    if found.length_required && head.framing() == Framing::Absent {
        // What follows may be a body that never said how long it is.
        answer.connection = Connection::Close;
        write_refusal(411, "length required", None, &answer, side);
        return Begun::Answered;
    }
    side.turn.scratch.clear();
    let step = (found.start)(request, &mut context(side));
    take_step(step, answer, number, side)
}

/// Writes the answer, or asks for what the call waits for.
fn take_step(step: Step, answer: Answer, number: u32, side: &mut Side<'_, '_>) -> Begun {
    match step {
        Step::Done(response) => {
            write_response(&response, &answer, side);
            Begun::Answered
        }
        Step::Wait(ask, call) => {
            side.turn.wants.push(Want {
                call: number,
                what: Wanted::Ask(ask),
            });
            Begun::Waiting(Waiting {
                call: Some(call),
                answer,
            })
        }
    }
}

/// A place where WebSockets are opened.
enum Place {
    Echo,
    Jim,
    Chat,
}

/// The place that a request wants to open a WebSocket at.
fn endpoint(path: &str, head: &Head<'_>, diagnostics: bool) -> Option<Place> {
    let asks = head.wants_websocket() || head.has_websocket_fields();
    match path {
        "/echo" if diagnostics && asks => Some(Place::Echo),
        "/" if asks => Some(Place::Jim),
        "/ws" if asks || head.method() == Method::Get => Some(Place::Chat),
        _ => None,
    }
}

/// The opening handshake (RFC 6455 §4.2).
fn upgrade(place: Place, head: &Head<'_>, answer: &Answer, side: &mut Side<'_, '_>) -> Begun {
    let settings = side.turn.ws;
    let config = handshake::Config {
        deflate: settings.deflate.then(Policy::default),
    };
    let fields = head.headers().map(|(name, value)| (name.as_bytes(), value));
    let upgrade = match handshake::check(
        head.method_name().as_bytes(),
        head.version_minor(),
        fields,
        &config,
    ) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            let body = refusal.reason().as_bytes();
            let response = Response::new(refusal.status(), "text/plain; charset=utf-8", body);
            write(
                Response {
                    headers: refusal.headers(),
                    ..response
                },
                CallResult::Refused,
                answer,
                side,
            );
            return Begun::Answered;
        }
    };
    if !side.turn.http.cors.permits_socket(head) {
        write_refusal(403, "origin not permitted", None, answer, side);
        return Begun::Answered;
    }
    upgrade.encode(side.outbox.buffer(side.turn.buffers));
    let (query, deflate) = (head.query(), upgrade.deflate);
    Begun::Upgraded(Box::new(match place {
        Place::Echo => Protocol::Echo(Box::new(Ws::open(query, deflate, side))),
        Place::Jim => Protocol::Jim(Box::new(Ws::open(query, deflate, side))),
        Place::Chat => Protocol::Chat(Box::new(Ws::open(query, deflate, side))),
    }))
}

fn page_request(head: &Head<'_>, path: String) -> PageRequest {
    let field = |name| head.header(name).map(<[u8]>::to_vec);
    PageRequest {
        method: head.method(),
        path,
        if_none_match: field("if-none-match"),
        if_range: field("if-range"),
        range: field("range"),
    }
}

fn write_response(response: &dialect::Response, answer: &Answer, side: &mut Side<'_, '_>) {
    let is_plain = response.status == 200
        && response.content_type == "application/json"
        && response.headers.is_empty()
        && answer.allow_origin.is_none();
    if is_plain {
        let connection = last_or(answer.connection, side);
        let out = side.outbox.buffer(side.turn.buffers);
        encode_json(side.turn.scratch, connection, side.turn.date, out);
        finish(response.status, response.result, answer, connection, side);
        return;
    }
    let headers: Vec<(&'static str, &str)> = response
        .headers
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let body = std::mem::take(side.turn.scratch);
    write(
        Response {
            headers: &headers,
            ..Response::new(response.status, response.content_type, &body)
        },
        response.result,
        answer,
        side,
    );
    *side.turn.scratch = body;
}

fn write_page(page: &Page, answer: &Answer, side: &mut Side<'_, '_>) {
    let headers: Vec<(&'static str, &str)> = page
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let response = Response {
        status: page.status,
        content_type: page.content_type,
        cache_control: page.cache_control,
        headers: &headers,
        connection: answer.connection,
        content: match page.head_length {
            Some(length) => Content::Length(length),
            None => Content::Bytes(&page.body),
        },
    };
    write(response, CallResult::of_status(page.status), answer, side);
}

fn write_refusal(
    status: u16,
    reason: &'static str,
    allow: Option<String>,
    answer: &Answer,
    side: &mut Side<'_, '_>,
) {
    let headers: Vec<(&'static str, &str)> = allow
        .iter()
        .map(|methods| ("Allow", methods.as_str()))
        .collect();
    let response = Response {
        headers: &headers,
        ..Response::new(status, "text/plain; charset=utf-8", reason.as_bytes())
    };
    write(response, CallResult::Refused, answer, side);
}

/// `OPTIONS`, also as a preflight of the Fetch Standard's CORS protocol.
fn write_options(methods: &[Method], answer: &Answer, side: &mut Side<'_, '_>) {
    let allow = allow(methods);
    let mut headers = vec![("Allow", allow.as_str())];
    if answer.allow_origin.is_some() {
        headers.push(("Access-Control-Allow-Methods", &allow));
        headers.push((
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, Token",
        ));
        headers.push(("Access-Control-Max-Age", "600"));
    }
    write(
        Response {
            headers: &headers,
            ..Response::new(204, "", b"")
        },
        CallResult::Ok,
        answer,
        side,
    );
}

fn write(response: Response<'_>, result: CallResult, answer: &Answer, side: &mut Side<'_, '_>) {
    let connection = last_or(answer.connection, side);
    let mut headers = response.headers.to_vec();
    if let Some(origin) = &answer.allow_origin {
        headers.push(("Access-Control-Allow-Origin", origin));
        headers.push(("Access-Control-Expose-Headers", EXPOSED));
        headers.push(("Vary", "Origin"));
    }
    let mut response = Response {
        headers: &headers,
        connection,
        ..response
    };
    if answer.is_head {
        response = response.without_content();
    }
    response.encode(side.turn.date, side.outbox.buffer(side.turn.buffers));
    finish(response.status, result, answer, connection, side);
}

/// A server that stops answers for the last time on each connection, whatever was settled when the request came.
fn last_or(connection: Connection, side: &Side<'_, '_>) -> Connection {
    if side.turn.draining {
        Connection::Close
    } else {
        connection
    }
}

fn finish(
    status: u16,
    result: CallResult,
    answer: &Answer,
    connection: Connection,
    side: &mut Side<'_, '_>,
) {
    if connection == Connection::Close {
        let cause = if side.turn.draining {
            Cause::Shutdown
        } else {
            Cause::Answered
        };
        side.end(Closing::Lingering, cause);
    }
    side.turn.finished.push(Finished {
        route: answer.route,
        status,
        result,
        started_ms: answer.started_ms,
    });
}

fn allow(methods: &[Method]) -> String {
    let names = methods
        .iter()
        .map(|method| method.name())
        .chain(std::iter::once("OPTIONS"));
    names.collect::<Vec<_>>().join(", ")
}
