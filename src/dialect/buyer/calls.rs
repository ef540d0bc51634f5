//! What each call does: a first step when the request is there, and one more for each thing that it waited for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dialect::buyer::Waiting;
use crate::dialect::buyer::decode::{self, Asked, Decode, Params, Said};
use crate::dialect::buyer::encode::{self, Form, History, Refused, done};
use crate::dialect::{Ask, Call, Context, Outcome, Response, Step, Unread, random};
use crate::domain::account::Account;
use crate::domain::command::{Command, Peer, Refusal, Reply, Send};
use crate::domain::desk::Lookup;
use crate::domain::ids::AccountId;
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::query::{Answer, MessagePage, Query};
use crate::domain::token::TokenHash;
use crate::domain::view::{Other, View};
use crate::limits::{BUYER_LIST_ROWS_MAX, BUYER_UNREAD_ROWS_MAX};
use crate::proto::http::request::Request;

/// 129 bits.
const TOKEN_CHARS: usize = 25;

const LOG_IN_FIRST: &str = "未登录或登录已失效，请重新登录";

/// What a call does with what it waits for.
pub(super) enum Next {
    /// With the token stored: hand it out.
    LoggedIn { token: String },
    /// With the session: begin.
    Session {
        buyer_name: Option<Box<str>>,
        asked: Result<Asked, Refused>,
    },
    /// With the token ended: say so.
    LoggedOut,
    /// With the account's view: its unread count.
    Count(AccountId),
    /// With the account's view: its list.
    List {
        account: AccountId,
        unread_only: bool,
    },
    /// With the rows of a list too large for a view.
    Rows,
    /// With the account's view: whether anything can be unread from there.
    Messages { account: AccountId, shop: Arc<str> },
    /// With the unread messages: mark them as read.
    Unread(AccountId),
    /// With them marked: hand them out.
    Read(Box<MessagePage>),
    /// With a page of a conversation.
    History {
        account: Arc<Account>,
        asked: History,
    },
    /// With the message stored: show it.
    Said,
    /// With the picture kept: send its address if that was asked.
    Kept { url: String, send: Option<Send> },
    /// With the address sent.
    KeptAndSaid { url: String },
}

/// Starts registerAndLogin.
pub(super) fn register_and_login(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let mut params = Params::new();
    params.read(request);
    let (form, readable) = params.form(false);
    let login = readable.and_then(|()| decode::login(&params, request.head(), context));
    match login {
        Ok(login) => {
            let token = random::text(context.random, TOKEN_CHARS);
            let command = Command::Login {
                name: login.name,
                token: TokenHash::new(Dialect::Buyer, token.as_bytes()),
            };
            wait(Ask::Submit(command), form, Next::LoggedIn { token })
        }
        Err(refused) => refuse(form, &refused, context),
    }
}

/// Starts logout.
pub(super) fn logout(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(request, context, decode::logout, false)
}

/// Starts getFirstShowChatList.
pub(super) fn get_first_show_chat_list(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(
        request,
        context,
        |_, _, _| Ok(Asked::List { unread_only: false }),
        false,
    )
}

/// Starts getCurrentChatList.
pub(super) fn get_current_chat_list(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(
        request,
        context,
        |_, _, _| Ok(Asked::List { unread_only: true }),
        false,
    )
}

/// Starts getHistoryMsg.
pub(super) fn get_history_msg(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(request, context, decode::history, false)
}

/// Starts getMsg.
pub(super) fn get_msg(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(request, context, decode::messages, false)
}

/// Starts sendMsg.
pub(super) fn send_msg(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(request, context, decode::say, false)
}

/// Starts uploadImage.
pub(super) fn upload_image(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(request, context, decode::keep, true)
}

/// Starts getUnreadMsgCount.
pub(super) fn get_unread_msg_count(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    start(request, context, |_, _, _| Ok(Asked::UnreadCount), false)
}

/// Answers a request whose body was not read to its end.
pub(super) fn refuse_unread(
    request: &Request<'_>,
    unread: Unread,
    context: &mut Context<'_>,
) -> Response {
    let too_large = Refused::too_large("请求体过长");
    refuse_body(request, unread, too_large, false, context)
}

/// The same for uploadImage.
pub(super) fn refuse_upload(
    request: &Request<'_>,
    unread: Unread,
    context: &mut Context<'_>,
) -> Response {
    let too_large = decode::too_large(context.settings);
    refuse_body(request, unread, too_large, true, context)
}

fn refuse_body(
    request: &Request<'_>,
    unread: Unread,
    too_large: Refused,
    is_upload: bool,
    context: &mut Context<'_>,
) -> Response {
    // What makes the parameters unreadable is that the body has no end.
    let mut params = Params::new();
    params.read(request);
    let (form, _) = params.form(is_upload);
    let refused = match unread {
        Unread::TooLarge => too_large,
        Unread::NoRoom => Refusal::Busy.into(),
    };
    encode::refuse(context.body, &form, &refused)
}

/// Starts a call of a buyer who must be logged in. That is looked at first, so that an outdated page always learns it.
fn start(
    request: &Request<'_>,
    context: &mut Context<'_>,
    decode: Decode,
    is_upload: bool,
) -> Step {
    let mut params = Params::new();
    params.read(request);
    let (form, readable) = params.form(is_upload);
    if let Err(refused) = readable {
        return refuse(form, &refused, context);
    }
    let lookup = match params.token() {
        Some(token) => {
            context
                .desk
                .session(context.memo, Dialect::Buyer, token.as_bytes(), context.now)
        }
        None => Lookup::Nobody,
    };
    match lookup {
        Lookup::Known(account) => {
            let asked = decode::check_buyer(&account, params.buyer_name())
                .and_then(|()| decode(&params, request.head(), context));
            proceed(asked, account, form, context)
        }
        Lookup::Load(hash) => {
            let next = Next::Session {
                buyer_name: params.buyer_name().map(Box::from),
                asked: decode(&params, request.head(), context),
            };
            wait(Ask::Session(hash), form, next)
        }
        Lookup::Nobody => refuse(form, &Refused::session(LOG_IN_FIRST), context),
    }
}

fn proceed(
    asked: Result<Asked, Refused>,
    account: Arc<Account>,
    form: Form<'_>,
    context: &mut Context<'_>,
) -> Step {
    match asked {
        Ok(Asked::Logout(token)) => wait(
            Ask::Submit(Command::Logout { token }),
            form,
            Next::LoggedOut,
        ),
        Ok(Asked::List { unread_only }) => list(account.id, unread_only, form, context),
        Ok(Asked::History(asked)) => {
            let query = Query::History {
                account: account.id,
                peer: Peer::Shown(Arc::clone(&asked.shop)),
                page: asked.page,
                size: asked.size,
            };
            wait(Ask::Query(query), form, Next::History { account, asked })
        }
        Ok(Asked::Messages(shop)) => messages(account.id, shop, form, context),
        Ok(Asked::Say(said)) => {
            let send = send(account.id, said);
            wait(Ask::Submit(Command::Send(send)), form, Next::Said)
        }
        Ok(Asked::Keep(picture)) => {
            let message = picture.to.map(|to| Said {
                to,
                kind: MessageKind::Image,
                body: picture.url.as_str().into(),
                client_id: None,
            });
            let next = Next::Kept {
                url: picture.url,
                send: message.map(|message| send(account.id, message)),
            };
            wait(Ask::Save(picture.file), form, next)
        }
        Ok(Asked::UnreadCount) => match context.desk.view(account.id) {
            Some(view) => count(view.unread(), &form, context.body),
            None => wait(Ask::View(account.id), form, Next::Count(account.id)),
        },
        Err(refused) => refuse(form, &refused, context),
    }
}

/// Goes on with what was waited for. What does not fit what was asked is a failure of the server's.
pub(super) fn resume(
    next: Next,
    form: Form<'static>,
    outcome: Outcome,
    context: &mut Context<'_>,
) -> Step {
    match (next, outcome) {
        (_, Outcome::Refused(refusal)) => refuse(form, &refusal.into(), context),
        (Next::LoggedIn { token }, Outcome::Reply(_)) => finish(done(context.body, &form, |out| {
            encode::put_token(out, &token)
        })),
        (Next::Session { buyer_name, asked }, Outcome::Session(Some(account))) => {
            let asked = decode::check_buyer(&account, buyer_name.as_deref()).and(asked);
            proceed(asked, account, form, context)
        }
        (Next::Session { .. }, Outcome::Session(None)) => {
            refuse(form, &Refused::session(LOG_IN_FIRST), context)
        }
        (Next::LoggedOut, Outcome::Reply(_)) => finish(done(context.body, &form, |_| {})),
        (Next::Count(account), Outcome::View(given)) => {
            match given.as_deref().or_else(|| context.desk.view(account)) {
                Some(view) => count(view.unread(), &form, context.body),
                None => refuse(form, &Refusal::Busy.into(), context),
            }
        }
        (
            Next::List {
                account,
                unread_only,
            },
            Outcome::View(given),
        ) => {
            let view = given.as_deref().or_else(|| context.desk.view(account));
            match view.and_then(|view| put_list(view, unread_only, &form, context.body)) {
                Some(response) => finish(response),
                None => rows(account, unread_only, form),
            }
        }
        (Next::Rows, Outcome::Answer(Answer::Conversations(list))) => {
            finish(done(context.body, &form, |out| {
                encode::put_list(out, list.rows.iter(), &list.group_names);
            }))
        }
        (Next::Messages { account, shop }, Outcome::View(given)) => {
            let view = given.as_deref().or_else(|| context.desk.view(account));
            if view.is_some_and(|view| {
                has_nothing_unread(view, &shop, context.settings.open_directory)
            }) {
                return no_messages(&form, context);
            }
            unread(account, shop, form)
        }
        (Next::Unread(account), Outcome::Answer(Answer::Unread(page))) => {
            mark_as_read(account, page, form, context)
        }
        (Next::Read(page), Outcome::Reply(_)) => finish(done(context.body, &form, |out| {
            encode::put_unread(out, context.settings, Some(&page));
        })),
        (Next::History { account, asked }, Outcome::Answer(Answer::History(page))) => {
            if page.is_none() && !context.settings.open_directory {
                return refuse(form, &Refusal::NoSuchAccount.into(), context);
            }
            finish(done(context.body, &form, |out| {
                encode::put_history(out, context.settings, &account, &asked, page.as_deref());
            }))
        }
        (Next::Said, Outcome::Reply(Reply::Sent { message, .. })) => {
            finish(done(context.body, &form, |out| {
                encode::put_sent(out, context.settings, &message);
            }))
        }
        (Next::Kept { url, send: None }, Outcome::Saved)
        | (Next::KeptAndSaid { url }, Outcome::Reply(_)) => {
            finish(encode::uploaded(context.body, &form, &url))
        }
        (
            Next::Kept {
                url,
                send: Some(send),
            },
            Outcome::Saved,
        ) => wait(
            Ask::Submit(Command::Send(send)),
            form,
            Next::KeptAndSaid { url },
        ),
        _ => refuse(form, &Refusal::Failure.into(), context),
    }
}

fn list(account: AccountId, unread_only: bool, form: Form<'_>, context: &mut Context<'_>) -> Step {
    let Some(view) = context.desk.view(account) else {
        return wait(
            Ask::View(account),
            form,
            Next::List {
                account,
                unread_only,
            },
        );
    };
    match put_list(view, unread_only, &form, context.body) {
        Some(response) => finish(response),
        None => rows(account, unread_only, form),
    }
}

/// Writes a list from a view; `None` if the view keeps totals only.
fn put_list(
    view: &View,
    unread_only: bool,
    form: &Form<'_>,
    out: &mut Vec<u8>,
) -> Option<Response> {
    let rows = view
        .rows()?
        .filter(|row| !unread_only || row.unread() > 0)
        .take(BUYER_LIST_ROWS_MAX);
    let group_names = match view.groups().next() {
        Some(_) => view.group_names(),
        None => HashMap::new(),
    };
    Some(done(out, form, |out| {
        encode::put_list(out, rows, &group_names)
    }))
}

fn rows(account: AccountId, unread_only: bool, form: Form<'_>) -> Step {
    let query = Query::Conversations {
        account,
        rows_max: BUYER_LIST_ROWS_MAX,
        unread_only,
    };
    wait(Ask::Query(query), form, Next::Rows)
}

fn messages(account: AccountId, shop: Arc<str>, form: Form<'_>, context: &mut Context<'_>) -> Step {
    match context.desk.view(account) {
        None => wait(Ask::View(account), form, Next::Messages { account, shop }),
        Some(view) if has_nothing_unread(view, &shop, context.settings.open_directory) => {
            no_messages(&form, context)
        }
        Some(_) => unread(account, shop, form),
    }
}

/// Whether the view alone says that nothing is unread in what `shop` names. With a closed directory a name that the
/// view does not know may be nobody's, which the store must say.
fn has_nothing_unread(view: &View, shop: &str, open_directory: bool) -> bool {
    if open_directory && view.unread() == 0 {
        return true;
    }
    let Some(rows) = view.rows() else {
        return false;
    };
    let mut unread_in_group = false;
    for row in rows {
        match &row.other {
            Other::Account(account) if *account.name == *shop => return row.unread() == 0,
            Other::Account(_) => {}
            // A group is shown under its name, perhaps with a number behind it.
            Other::Group { .. } => {
                let may_be_meant = |name: &str| shop.starts_with(name);
                unread_in_group |= row.unread() > 0
                    && row
                        .conversation
                        .group()
                        .is_some_and(|group| may_be_meant(&group.name));
            }
        }
    }
    open_directory && !unread_in_group
}

fn unread(account: AccountId, shop: Arc<str>, form: Form<'_>) -> Step {
    let query = Query::Unread {
        account,
        peer: Peer::Shown(shop),
        rows_max: BUYER_UNREAD_ROWS_MAX,
    };
    wait(Ask::Query(query), form, Next::Unread(account))
}

fn mark_as_read(
    account: AccountId,
    page: Option<Box<MessagePage>>,
    form: Form<'_>,
    context: &mut Context<'_>,
) -> Step {
    let Some(page) = page else {
        return match context.settings.open_directory {
            true => no_messages(&form, context),
            false => refuse(form, &Refusal::NoSuchAccount.into(), context),
        };
    };
    let (Some(conversation), Some(mark)) = (&page.conversation, page.mark) else {
        return no_messages(&form, context);
    };
    let command = Command::Read {
        account,
        conversation: conversation.id,
        mark,
    };
    wait(Ask::Submit(command), form, Next::Read(page))
}

fn no_messages(form: &Form<'_>, context: &mut Context<'_>) -> Step {
    finish(done(context.body, form, |out| {
        encode::put_unread(out, context.settings, None)
    }))
}

fn count(unread: u64, form: &Form<'_>, out: &mut Vec<u8>) -> Step {
    finish(done(out, form, |out| encode::put_unread_count(out, unread)))
}

fn send(from: AccountId, said: Said) -> Send {
    Send {
        from,
        to: Peer::Shown(said.to),
        kind: said.kind,
        body: said.body,
        origin: Dialect::Buyer,
        client_id: said.client_id,
        attributes: None,
    }
}

fn wait(ask: Ask, form: Form<'_>, next: Next) -> Step {
    Step::Wait(
        ask,
        Call::Buyer(Waiting {
            form: form.into_owned(),
            next,
        }),
    )
}

fn refuse(form: Form<'_>, refused: &Refused, context: &mut Context<'_>) -> Step {
    finish(encode::refuse(context.body, &form, refused))
}

fn finish(response: Response) -> Step {
    Step::Done(response)
}
