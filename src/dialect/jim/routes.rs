//! The three calls and where they are.

use crate::dialect::jim::calls;
use crate::dialect::{Context, Route, Settings, Step};
use crate::limits::JIM_BODY_BYTES_MAX;
use crate::proto::http::head::Method;
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
    let name = path.strip_prefix(PREFIX)?;
    ROUTES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, route)| route)
}

const fn call(name: &'static str, start: fn(&Request<'_>, &mut Context<'_>) -> Step) -> Route {
    Route {
        name,
        methods: &[Method::Post],
        body_bytes_max,
        length_required: false,
        start,
        refuse: calls::refuse_unread,
    }
}

fn body_bytes_max(_settings: &Settings) -> usize {
    JIM_BODY_BYTES_MAX
}
