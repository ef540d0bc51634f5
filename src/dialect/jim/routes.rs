//! The three calls and where they are.

use crate::dialect::jim::calls;
use crate::dialect::{Context, Route, Step, named};
use crate::limits::JIM_BODY_BYTES_MAX;
use crate::proto::http::request::Request;

const PREFIX: &str = "/im/vanke/";

/// The calls by the last part of their path.
pub const ROUTES: &[(&str, Route)] = &[
    ("initUser", call("jim.initUser", calls::init_user)),
    ("getReceiver", call("jim.getReceiver", calls::get_receiver)),
    ("chatInfo", call("jim.chatInfo", calls::chat_info)),
];

/// The call at `path`.
pub fn route(path: &str) -> Option<&'static Route> {
    named(ROUTES, path.strip_prefix(PREFIX)?)
}

const fn call(name: &'static str, start: fn(&Request<'_>, &mut Context<'_>) -> Step) -> Route {
    Route {
        body_bytes_max: |_| JIM_BODY_BYTES_MAX,
        ..Route::post(name, start, calls::refuse_unread)
    }
}
