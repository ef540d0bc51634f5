//! The calls and where they are.

use crate::dialect::chat::calls::{self, run};
use crate::dialect::chat::tasks;
use crate::dialect::{Context, Route, Step};
use crate::limits::{API_BODY_BYTES_MAX, CHAT_MEMBERS_BODY_BYTES_MAX};
use crate::proto::http::head::Method;
use crate::proto::http::request::Request;

/// The calls by their paths.
pub const ROUTES: &[(&str, Route)] = &[
    ("/im/user/register", call("chat.register", calls::register)),
    (
        "/im/message/user/get/page",
        call("chat.page", |request, context| {
            run(request, context, tasks::page)
        }),
    ),
    (
        "/im/message/offline",
        call("chat.offline", |request, context| {
            run(request, context, tasks::offline)
        }),
    ),
    (
        "/im/event/message/comment",
        call("chat.comment", |request, context| {
            run(request, context, tasks::comment)
        }),
    ),
    (
        "/im/message/get/id",
        call("chat.getId", |request, context| {
            run(request, context, tasks::id)
        }),
    ),
    (
        "/im/user/chat/list",
        call("chat.list", |request, context| {
            run(request, context, tasks::list)
        }),
    ),
    (
        "/im/user/chat/unread/count",
        call("chat.unreadCount", |request, context| {
            run(request, context, tasks::unread)
        }),
    ),
    (
        "/im/user/chat/clear/unread",
        call("chat.clearUnread", |request, context| {
            run(request, context, tasks::clear)
        }),
    ),
    (
        "/im/user/chat/clear/unread2",
        call("chat.clearUnread2", |request, context| {
            run(request, context, tasks::clear_with)
        }),
    ),
    (
        "/im/user/delete/chat/list",
        call("chat.deleteChat", |request, context| {
            run(request, context, tasks::delete)
        }),
    ),
    (
        "/im/user/chat/top",
        call("chat.top", |request, context| {
            run(request, context, tasks::top)
        }),
    ),
    (
        "/im/team/add",
        Route {
            body_bytes_max: |_| CHAT_MEMBERS_BODY_BYTES_MAX,
            ..call("chat.teamAdd", |request, context| {
                run(request, context, tasks::add_team)
            })
        },
    ),
    (
        "/im/team/update",
        Route {
            body_bytes_max: |_| CHAT_MEMBERS_BODY_BYTES_MAX,
            ..call("chat.teamUpdate", |request, context| {
                run(request, context, tasks::update_team)
            })
        },
    ),
    (
        "/im/team/delete",
        call("chat.teamDelete", |request, context| {
            run(request, context, tasks::delete_team)
        }),
    ),
];

/// The call at `path`.
pub fn route(path: &str) -> Option<&'static Route> {
    ROUTES
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, route)| route)
}

const fn call(name: &'static str, start: fn(&Request<'_>, &mut Context<'_>) -> Step) -> Route {
    Route {
        name,
        methods: &[Method::Post],
        body_bytes_max: |_| API_BODY_BYTES_MAX,
        length_required: false,
        start,
        refuse: calls::refuse_unread,
    }
}
