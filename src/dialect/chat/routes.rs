//! The calls and where they are.

use crate::dialect::chat::calls::{self, run};
use crate::dialect::chat::tasks;
use crate::dialect::{Context, Route, Step, named};
use crate::limits::CHAT_MEMBERS_BODY_BYTES_MAX;
use crate::proto::http::request::Request;

/// A call that does the task that is read off its body.
macro_rules! task {
    ($name:literal, $read:path) => {
        call($name, |request, context| run(request, context, $read))
    };
}

/// The calls by their paths.
pub const ROUTES: &[(&str, Route)] = &[
    ("/im/user/register", call("chat.register", calls::register)),
    ("/im/message/user/get/page", task!("chat.page", tasks::page)),
    ("/im/message/offline", task!("chat.offline", tasks::offline)),
    (
        "/im/event/message/comment",
        task!("chat.comment", tasks::comment),
    ),
    ("/im/message/get/id", task!("chat.getId", tasks::id)),
    ("/im/user/chat/list", task!("chat.list", tasks::list)),
    (
        "/im/user/chat/unread/count",
        task!("chat.unreadCount", tasks::unread),
    ),
    (
        "/im/user/chat/clear/unread",
        task!("chat.clearUnread", tasks::clear),
    ),
    (
        "/im/user/chat/clear/unread2",
        task!("chat.clearUnread2", tasks::clear_with),
    ),
    (
        "/im/user/delete/chat/list",
        task!("chat.deleteChat", tasks::delete),
    ),
    ("/im/user/chat/top", task!("chat.top", tasks::top)),
    (
        "/im/team/add",
        Route {
            body_bytes_max: |_| CHAT_MEMBERS_BODY_BYTES_MAX,
            ..task!("chat.teamAdd", tasks::add_team)
        },
    ),
    (
        "/im/team/update",
        Route {
            body_bytes_max: |_| CHAT_MEMBERS_BODY_BYTES_MAX,
            ..task!("chat.teamUpdate", tasks::update_team)
        },
    ),
    (
        "/im/team/delete",
        task!("chat.teamDelete", tasks::delete_team),
    ),
];

/// The call at `path`.
pub fn route(path: &str) -> Option<&'static Route> {
    named(ROUTES, path)
}

const fn call(name: &'static str, start: fn(&Request<'_>, &mut Context<'_>) -> Step) -> Route {
    Route::post(name, start, calls::refuse_unread)
}
