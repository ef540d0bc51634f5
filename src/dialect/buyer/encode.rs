//! The answers: the envelope as JSON or JSONP, what is in it, and the two HTML forms of an upload's answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use smallvec::smallvec;

use crate::dialect::json::{escape_line_separators, put_escaped, put_number, put_string};
use crate::dialect::{CallResult, Response, Settings, kinds, time};
use crate::domain::account::Account;
use crate::domain::command::Refusal;
use crate::domain::ids::ConversationId;
use crate::domain::message::{Dialect, Message};
use crate::domain::query::MessagePage;
use crate::domain::view::{Other, ViewRow};

const HTML: &str = "text/html; charset=utf-8";

/// The form in which a caller wants its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// JSON.
    Json,
    /// A script that calls a function of this name with the JSON.
    Jsonp(Cow<'a, str>),
    /// An HTML page with a hidden input.
    Page,
    /// An HTML `img` element.
    Image,
}

impl Form<'_> {
    /// The same, kept beyond the request.
    pub fn into_owned(self) -> Form<'static> {
        match self {
            Form::Json => Form::Json,
            Form::Jsonp(name) => Form::Jsonp(Cow::Owned(name.into_owned())),
            Form::Page => Form::Page,
            Form::Image => Form::Image,
        }
    }
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    result: CallResult,
    status: u16,
    message: Cow<'static, str>,
}

impl Refused {
    /// The application says no.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Refused {
        let message = message.into();
        Refused {
            result: CallResult::Refused,
            status: 200,
            message,
        }
    }

    /// The session is missing, unknown or not that buyer's: the page must log in again.
    pub fn session(message: &'static str) -> Refused {
        Refused {
            result: CallResult::Unauthorized,
            ..Refused::new(message)
        }
    }

    /// The file is larger than allowed.
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Refused {
        Refused {
            status: 413,
            ..Refused::new(message)
        }
    }

    /// The name of the JSONP callback is none.
    pub fn bad_callback() -> Refused {
        Refused {
            status: 400,
            ..Refused::new("jsonpCallback 参数不合法")
        }
    }

    /// `state` in the envelope: 1 the application's, 0 log in again, -1 the server's fault.
    fn state(&self) -> i8 {
        match self.result {
            CallResult::Ok | CallResult::Refused => 1,
            CallResult::Unauthorized => 0,
            CallResult::Busy | CallResult::Failed => -1,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let (result, message) = match refusal {
            Refusal::NoSuchAccount => (CallResult::Refused, "用户不存在"),
            Refusal::NoSuchConversation => (CallResult::Refused, "会话不存在"),
            Refusal::NotAMember => (CallResult::Refused, "不是该群的成员"),
            Refusal::NotAGroup => (CallResult::Refused, "会话不是群"),
            Refusal::NotTheOwner => (CallResult::Refused, "不是群主"),
            Refusal::OtherPeer => (CallResult::Refused, "会话与接收方不符"),
            Refusal::BadName => (CallResult::Refused, "用户名不合法"),
            Refusal::ToSelf => (CallResult::Refused, "不能给自己发送消息"),
            Refusal::GroupFull => (CallResult::Refused, "群成员已满"),
            Refusal::NoSuchMessage => (CallResult::Refused, "没有这条消息"),
            Refusal::TokenTaken => (CallResult::Refused, "令牌已被占用"),
            Refusal::NoAgent => (CallResult::Refused, "客服不在线"),
            Refusal::Busy => (CallResult::Busy, "服务器繁忙，请稍后重试"),
            Refusal::Failure => (CallResult::Failed, "服务器出错，请稍后重试"),
        };
        Refused {
            result,
            ..Refused::new(message)
        }
    }
}

/// Writes a refusal.
pub(super) fn refuse(out: &mut Vec<u8>, form: &Form<'_>, refused: &Refused) -> Response {
    let response = match form {
        Form::Json | Form::Jsonp(_) => envelope(out, form, Err(refused), |_| {}),
        Form::Page => put_page(out, Err(&refused.message)),
        Form::Image => put_image(out, Err(&refused.message)),
    };
    Response {
        status: refused.status,
        result: refused.result,
        ..response
    }
}

/// Writes the answer to a call that was done; `put_data` writes what is between the braces of `data`.
pub(super) fn done(
    out: &mut Vec<u8>,
    form: &Form<'_>,
    put_data: impl FnOnce(&mut Vec<u8>),
) -> Response {
    envelope(out, form, Ok(()), put_data)
}

/// Writes the answer to an upload that is at `url`.
pub(super) fn uploaded(out: &mut Vec<u8>, form: &Form<'_>, url: &str) -> Response {
    match form {
        Form::Json | Form::Jsonp(_) => done(out, form, |out| {
            out.extend_from_slice(b"\"url\":");
            put_string(out, url);
        }),
        Form::Page => put_page(out, Ok(url)),
        Form::Image => put_image(out, Ok(url)),
    }
}

fn envelope(
    out: &mut Vec<u8>,
    form: &Form<'_>,
    result: Result<(), &Refused>,
    put_data: impl FnOnce(&mut Vec<u8>),
) -> Response {
    if let Form::Jsonp(name) = form {
        // The comment keeps the first bytes of the answer from being the caller's choice.
        out.extend_from_slice(b"/**/");
        out.extend_from_slice(name.as_bytes());
        out.push(b'(');
    }
    let start = out.len();
    match result {
        Ok(()) => {
            out.extend_from_slice(b"{\"state\":1,\"success\":true,\"message\":\"\",\"data\":{");
        }
        Err(refused) => {
            out.extend_from_slice(b"{\"state\":");
            put_number(out, refused.state());
            out.extend_from_slice(b",\"success\":false,\"message\":");
            put_string(out, &refused.message);
            out.extend_from_slice(b",\"data\":{");
        }
    }
    put_data(out);
    out.extend_from_slice(b"}}");
    match form {
        Form::Jsonp(_) => {
            escape_line_separators(out, start);
            out.extend_from_slice(b");");
            Response {
                headers: smallvec![("X-Content-Type-Options", Cow::Borrowed("nosniff"))],
                ..Response::new(200, "application/javascript; charset=utf-8")
            }
        }
        _ => Response::new(200, "application/json"),
    }
}

/// The page as the contract prints it.
fn put_page(out: &mut Vec<u8>, result: Result<&str, &str>) -> Response {
    let (data, value, message, url) = match result {
        Ok(url) => ("true", "1", "", url),
        Err(message) => ("false", "0", message, ""),
    };
    out.extend_from_slice(
        b"<html lang=\"zh-CN\">\n\t<head>\n\t\t<meta charset=\"utf-8\">\n\t</head>\n\t<body>\n\t\t\
          <input type=\"hidden\" id=\"uploadResultId\" data=\"",
    );
    out.extend_from_slice(data.as_bytes());
    out.extend_from_slice(b"\" data-msg=\"");
    put_html(out, message);
    out.extend_from_slice(b"\" value=\"");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\" data-url=\"");
    put_html(out, url);
    out.extend_from_slice(
        b"\">\n\t\t\n\t\t<script>\n\t\t\tvar base = \"/soa-im\";\n\t\t</script>\n\t</body>\n</html>\n",
    );
    Response::new(200, HTML)
}

/// The element as the contract prints it; on failure the reason stands in for the picture.
fn put_image(out: &mut Vec<u8>, result: Result<&str, &str>) -> Response {
    out.extend_from_slice(b"<img src=\"");
    match result {
        Ok(url) => put_html(out, url),
        Err(message) => {
            out.extend_from_slice(b"\" alt=\"");
            put_html(out, message);
        }
    }
    out.extend_from_slice(b"\" />");
    Response::new(200, HTML)
}

/// Appends `text` so that it is text in HTML, also inside quotes.
fn put_html(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(byte),
        }
    }
}

/// `data` of registerAndLogin.
pub(super) fn put_token(out: &mut Vec<u8>, token: &str) {
    out.extend_from_slice(b"\"token\":");
    put_string(out, token);
}

/// `data` of getUnreadMsgCount.
pub(super) fn put_unread_count(out: &mut Vec<u8>, count: u64) {
    out.extend_from_slice(b"\"unReadMsgCount\":");
    put_number(out, count);
}

/// `data` of the two lists.
pub(super) fn put_list<'a>(
    out: &mut Vec<u8>,
    rows: impl Iterator<Item = &'a ViewRow>,
    group_names: &HashMap<ConversationId, Arc<str>>,
) {
    out.extend_from_slice(b"\"mlist\":[");
    put_array(out, rows, |out, row| {
        out.extend_from_slice(b"{\"unread\":\"");
        put_number(out, row.unread());
        out.extend_from_slice(b"\",\"cname\":");
        let name = match &row.other {
            Other::Account(account) => &*account.name,
            Other::Group { .. } => group_names
                .get(&row.conversation.id)
                .map_or("", |name| name),
        };
        put_string(out, name);
        out.push(b'}');
    });
    out.push(b']');
}

/// `data` of getMsg; nothing to read is no page.
pub(super) fn put_unread(out: &mut Vec<u8>, settings: &Settings, page: Option<&MessagePage>) {
    out.extend_from_slice(b"\"msgList\":[");
    if let Some(page) = page {
        let in_group = page
            .conversation
            .as_ref()
            .is_some_and(|c| c.group().is_some());
        put_array(out, &page.messages, |out, message| {
            let sender = in_group.then(|| page.name_of(message.sender));
            out.push(b'{');
            put_message(out, settings, message, sender);
            out.push(b'}');
        });
    }
    out.push(b']');
}

/// `data` of sendMsg.
pub(super) fn put_sent(out: &mut Vec<u8>, settings: &Settings, message: &Message) {
    out.extend_from_slice(b"\"msg\":{");
    put_message(out, settings, message, None);
    out.push(b'}');
}

/// What getHistoryMsg was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct History {
    /// The name of the other side, as the caller calls it.
    pub shop: Arc<str>,
    /// From 1, the newest.
    pub page: u64,
    /// Rows a page.
    pub size: usize,
}

/// `data` of getHistoryMsg; a conversation with nobody is no page. It says which page it is, also where that is another than the one that was
/// asked for.
pub(super) fn put_history(
    out: &mut Vec<u8>,
    settings: &Settings,
    buyer: &Account,
    asked: &History,
    page: Option<&MessagePage>,
) {
    let instead = page.and_then(|page| page.instead);
    let (number, size) = instead.unwrap_or((asked.page, asked.size));
    out.extend_from_slice(b"\"buyer_name\":");
    put_string(out, &buyer.name);
    out.extend_from_slice(b",\"current_page_no\":");
    put_number(out, number);
    out.extend_from_slice(b",\"current_page_size\":");
    put_number(out, size);
    out.extend_from_slice(b",\"detailList\":[");
    if let Some(page) = page {
        let in_group = page
            .conversation
            .as_ref()
            .is_some_and(|c| c.group().is_some());
        put_array(out, &page.messages, |out, message| {
            let (from, to) = match message.sender == buyer.id {
                true => (&*buyer.name, &*asked.shop),
                false if in_group => (page.name_of(message.sender), &*asked.shop),
                false => (page.name_of(message.sender), &*buyer.name),
            };
            out.push(b'{');
            put_message(out, settings, message, None);
            out.extend_from_slice(b",\"from\":");
            put_string(out, from);
            out.extend_from_slice(b",\"to\":");
            put_string(out, to);
            out.push(b'}');
        });
    }
    out.push(b']');
}

/// `text`, `type` and `time` of a message. `sender` stands before the text where nothing else says who speaks.
fn put_message(out: &mut Vec<u8>, settings: &Settings, message: &Message, sender: Option<&str>) {
    let shown = kinds::shown(Dialect::Buyer, message);
    out.extend_from_slice(b"\"text\":\"");
    if let Some(sender) = sender {
        put_escaped(out, sender);
        out.extend_from_slice(b": ");
    }
    for piece in shown.text() {
        put_escaped(out, piece);
    }
    out.extend_from_slice(b"\",\"type\":");
    put_number(out, shown.kind);
    out.extend_from_slice(b",\"time\":\"");
    time::put_date_time(out, &settings.zone, message.at);
    out.push(b'"');
}

fn put_array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut put_item: impl FnMut(&mut Vec<u8>, T),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_item(out, item);
    }
}
