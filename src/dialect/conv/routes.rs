//! The calls and where they are.

use crate::dialect::conv::calls;
use crate::dialect::{Context, Route, Settings, Step};
use crate::limits::{CONV_MEMBERS_BODY_BYTES_MAX, CONV_REST_BYTES_MAX, MESSAGE_BODY_BYTES_MAX};
use crate::proto::http::request::Request;

/// What stands for the conversation's id in a path.
const ID: &str = "{conv_id}";

/// The calls by their paths. A path without an id comes before one that it would fit into.
pub const ROUTES: &[(&str, Route)] = &[
    ("/im/send/msg", SEND_MSG),
    ("/im/conv/list", call("conv.convList", calls::conv_list)),
    (
        "/im/conv/{conv_id}",
        call("conv.convMessages", calls::conv_messages),
    ),
    ("/im/from/to", call("conv.fromTo", calls::from_to)),
    ("/im/creat/group", CREATE_GROUP),
    ("/im/create/group", CREATE_GROUP),
    ("/im/add/group/merber", ADD_MEMBERS),
    ("/im/add/group/member", ADD_MEMBERS),
    (
        "/im/group/{conv_id}/list",
        call("conv.groupList", calls::group_list),
    ),
    (
        "/im/group/{conv_id}/alias",
        call("conv.groupAlias", calls::group_alias),
    ),
    (
        "/im/user/profile",
        call("conv.userProfile", calls::user_profile),
    ),
];

const SEND_MSG: Route = Route {
    body_bytes_max: message_body_bytes_max,
    ..call("conv.sendMsg", calls::send_msg)
};
const CREATE_GROUP: Route = Route {
    body_bytes_max: members_body_bytes_max,
    ..call("conv.createGroup", calls::create_group)
};
const ADD_MEMBERS: Route = Route {
    body_bytes_max: members_body_bytes_max,
    ..call("conv.addMembers", calls::add_members)
};

/// The call at `path`.
pub fn route(path: &str) -> Option<&'static Route> {
    let matches = |pattern: &str| pattern == path || id_between(pattern, path).is_some();
    ROUTES
        .iter()
        .find(|(pattern, _)| matches(pattern))
        .map(|(_, route)| route)
}

/// The conversation's id in `path`, which is that of a call with one.
pub(super) fn conv_id(path: &str) -> Option<&str> {
    ROUTES
        .iter()
        .find_map(|(pattern, _)| id_between(pattern, path))
}

fn id_between<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once(ID)?;
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

const fn call(name: &'static str, start: fn(&Request<'_>, &mut Context<'_>) -> Step) -> Route {
    Route::post(name, start, calls::refuse_unread)
}

/// A message in which every byte is escaped (RFC 8259 §7), and room for the rest: one that is too long by a little is told so.
fn message_body_bytes_max(settings: &Settings) -> usize {
    const ESCAPE_BYTES: usize = 6;
    CONV_REST_BYTES_MAX + ESCAPE_BYTES * settings.message_bytes_max.max(MESSAGE_BODY_BYTES_MAX)
}

fn members_body_bytes_max(_: &Settings) -> usize {
    CONV_MEMBERS_BODY_BYTES_MAX
}
