//! The nine calls and where they are.

use crate::dialect::buyer::calls;
use crate::dialect::{Context, Route, Settings, Step, named};
use crate::limits::{API_BODY_BYTES_MAX, MESSAGE_BODY_BYTES_MAX, MULTIPART_OVERHEAD_BYTES_MAX};
use crate::proto::http::head::Method;
use crate::proto::http::request::Request;

const PREFIX: &str = "/soa-im/buyer/";

/// The calls by the last part of their path.
pub const ROUTES: &[(&str, Route)] = &[
    (
        "getUnreadMsgCount",
        call("buyer.getUnreadMsgCount", calls::get_unread_msg_count),
    ),
    ("getMsg", call("buyer.getMsg", calls::get_msg)),
    ("sendMsg", call("buyer.sendMsg", calls::send_msg)),
    (
        "getCurrentChatList",
        call("buyer.getCurrentChatList", calls::get_current_chat_list),
    ),
    (
        "getFirstShowChatList",
        call(
            "buyer.getFirstShowChatList",
            calls::get_first_show_chat_list,
        ),
    ),
    (
        "getHistoryMsg",
        call("buyer.getHistoryMsg", calls::get_history_msg),
    ),
    (
        "registerAndLogin",
        call("buyer.registerAndLogin", calls::register_and_login),
    ),
    ("logout", call("buyer.logout", calls::logout)),
    (
        "uploadImage",
        Route {
            methods: &[Method::Post],
            body_bytes_max: upload_bytes_max,
            length_required: true,
            refuse: calls::refuse_upload,
            ..call("buyer.uploadImage", calls::upload_image)
        },
    ),
];

/// The call at `path`.
pub fn route(path: &str) -> Option<&'static Route> {
    named(ROUTES, path.strip_prefix(PREFIX)?)
}

const fn call(name: &'static str, start: fn(&Request<'_>, &mut Context<'_>) -> Step) -> Route {
    Route {
        methods: &[Method::Get, Method::Post],
        body_bytes_max,
        ..Route::post(name, start, calls::refuse_unread)
    }
}

/// A message in which every byte is escaped as JSON allows, and room for the rest.
fn body_bytes_max(settings: &Settings) -> usize {
    const REST_BYTES_MAX: usize = API_BODY_BYTES_MAX - 6 * MESSAGE_BODY_BYTES_MAX;
    REST_BYTES_MAX + 6 * settings.message_bytes_max
}

fn upload_bytes_max(settings: &Settings) -> usize {
    settings.upload_bytes_max + MULTIPART_OVERHEAD_BYTES_MAX
}
