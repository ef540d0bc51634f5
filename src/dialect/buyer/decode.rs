//! The parameters of a call, read and checked.

use std::borrow::Cow;
use std::sync::Arc;

use crate::dialect::buyer::encode::{Form, History, Refused};
use crate::dialect::buyer::upload;
use crate::dialect::params::{self, Fault};
use crate::dialect::{Context, Settings, Upload, auth, kinds};
use crate::domain::account::{Account, check_name};
use crate::domain::command::Refusal;
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::token::TokenHash;
use crate::limits::{
    BUYER_NAME_CHARS_MAX, CLIENT_ID_BYTES_MAX, JSONP_NAME_BYTES_MAX, PAGE_ROWS_MAX,
};
use crate::proto::http::head::Head;
use crate::proto::http::request::Request;

/// The names of all parameters, at the index that [`Param`] gives them.
const NAMES: [&str; Param::Sign as usize + 1] = [
    "buyer_name",
    "token",
    "jsonpCallback",
    "shopname",
    "page_no",
    "page_size",
    "content",
    "content_type",
    "client_id",
    "return_type",
    "is_do_send_msg",
    "from",
    "to",
    "ts",
    "sign",
];

#[derive(Clone, Copy, Debug)]
enum Param {
    Buyer,
    Token,
    JsonpCallback,
    Shop,
    PageNo,
    PageSize,
    Content,
    ContentType,
    ClientId,
    ReturnType,
    IsDoSendMsg,
    From,
    To,
    Ts,
    Sign,
}

const FILE_NAME: &str = "imgFile";
const PAGE_SIZE_DEFAULT: usize = 10;

/// What a logged-in buyer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To end the token.
    Logout(TokenHash),
    /// The conversations.
    List {
        /// Only those with unread messages.
        unread_only: bool,
    },
    /// A page of a conversation.
    History(History),
    /// What is unread from a shop or in a group.
    Messages(Arc<str>),
    /// To say something.
    Say(Said),
    /// To keep a picture.
    Keep(Box<Picture>),
    /// How much is unread.
    UnreadCount,
}

/// A message of a buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The shop, somebody else or a group.
    pub to: Arc<str>,
    /// Text, image or product card.
    pub kind: MessageKind,
    /// Within the configured size.
    pub body: Arc<str>,
    /// The client's name for the message.
    pub client_id: Option<Arc<str>>,
}

/// A picture to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// The file.
    pub file: Upload,
    /// Its address.
    pub url: String,
    /// To whom the address is sent as a message.
    pub to: Option<Arc<str>>,
}

/// A buyer who registers or logs in.
pub(super) struct Login {
    /// Fit to be a buyer's.
    pub name: Arc<str>,
}

/// The parameters of a request.
pub(super) struct Params<'a>(params::Params<'a, { NAMES.len() }>);

impl<'a> Params<'a> {
    /// None yet. They are read where they lie: they are long to move.
    #[inline]
    pub fn new() -> Params<'a> {
        Params(params::Params::new(&NAMES, FILE_NAME))
    }

    /// Reads those of a request.
    pub fn read(&mut self, request: &'a Request<'_>) {
        self.0.read(request);
    }

    /// The form of the answer, to be asked for once, and what is wrong with the request as a whole.
    pub fn form(&mut self, is_upload: bool) -> (Form<'a>, Result<(), Refused>) {
        let form = match self.0.take(Param::JsonpCallback as usize) {
            None => Form::Json,
            Some(name) if is_function_name(&name) => Form::Jsonp(name),
            Some(_) => return (Form::Json, Err(Refused::bad_callback())),
        };
        let (form, known) = match self.optional(Param::ReturnType) {
            Some("2") if is_upload => (Form::Page, Ok(())),
            Some("3") if is_upload => (Form::Image, Ok(())),
            None | Some("1") => (form, Ok(())),
            Some(_) if !is_upload => (form, Ok(())),
            Some(_) => (form, Err(Refused::new("return_type 只能是 1、2 或 3"))),
        };
        let readable = self
            .0
            .fault()
            .map_or(Ok(()), |fault| Err(unreadable(fault)));
        (form, readable.and(known))
    }

    /// The token.
    pub fn token(&self) -> Option<&str> {
        self.optional(Param::Token)
    }

    /// The buyer's name.
    pub fn buyer_name(&self) -> Option<&str> {
        self.optional(Param::Buyer)
    }

    fn optional(&self, name: Param) -> Option<&str> {
        self.0.value(name as usize)
    }

    fn needed(&self, name: Param) -> Result<&str, Refused> {
        self.optional(name).ok_or_else(|| {
            let name = NAMES.get(name as usize).copied().unwrap_or_default();
            missing(name)
        })
    }
}

fn missing(name: &str) -> Refused {
    Refused::new(format!("缺少参数 {name}"))
}

fn unreadable(fault: Fault) -> Refused {
    Refused::new(match fault {
        Fault::NotUtf8 => Cow::Borrowed("参数不是 UTF-8 编码"),
        Fault::BadJson => Cow::Borrowed("请求体不是合法的 JSON 对象"),
        Fault::Nested(name) => Cow::Owned(format!("参数 {name} 的类型不正确")),
        Fault::BadMultipart(error) => Cow::Owned(format!("表单数据不合法（{error}）")),
    })
}

/// `[A-Za-z_$][A-Za-z0-9_$.]{0,63}`: what cannot be anything but a name in a script.
fn is_function_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
    name.len() <= JSONP_NAME_BYTES_MAX
        && name.bytes().next().is_some_and(is_letter)
        && name
            .bytes()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit() || byte == b'.')
}

/// Checks that the session is that of the buyer whom the request names.
pub(super) fn check_buyer(account: &Account, buyer_name: Option<&str>) -> Result<(), Refused> {
    match buyer_name {
        Some(name) if *name == *account.name => Ok(()),
        Some(_) => Err(Refused::session("token 与 buyer_name 不符，请重新登录")),
        None => Err(Refused::session("缺少参数 buyer_name，请重新登录")),
    }
}

/// A file is larger than allowed.
pub(super) fn too_large(settings: &Settings) -> Refused {
    let bytes_max = settings.upload_bytes_max;
    Refused::too_large(format!("图片不能超过 {bytes_max} 字节"))
}

/// Reads registerAndLogin and checks, where applications must prove themselves, that this is one.
pub(super) fn login(
    params: &Params<'_>,
    head: &Head<'_>,
    context: &Context<'_>,
) -> Result<Login, Refused> {
    let name = params.needed(Param::Buyer)?;
    let fits = name.chars().count() <= BUYER_NAME_CHARS_MAX && !name.contains('/');
    if !fits || check_name(name).is_err() {
        return Err(Refused::new(
            "buyer_name 须为 1 到 64 个字符，不能含有 / 和控制字符",
        ));
    }
    if let Some(keys) = &context.settings.app_keys
        && !auth::has_app_key(keys, head)
    {
        let (Some(ts), Some(sign)) = (params.optional(Param::Ts), params.optional(Param::Sign))
        else {
            return Err(Refused::new("缺少应用密钥，或参数 ts 和 sign"));
        };
        let signed = format!("buyer_name={name}&ts={ts}");
        if !auth::is_signed(keys, &signed, ts, sign, context.now) {
            return Err(Refused::new("签名错误或已过期"));
        }
    }
    Ok(Login { name: name.into() })
}

/// How a call reads what is its own.
pub(super) type Decode = fn(&Params<'_>, &Head<'_>, &mut Context<'_>) -> Result<Asked, Refused>;

/// Reads logout.
pub(super) fn logout(
    params: &Params<'_>,
    _: &Head<'_>,
    _: &mut Context<'_>,
) -> Result<Asked, Refused> {
    let token = params.needed(Param::Token)?;
    Ok(Asked::Logout(TokenHash::new(
        Dialect::Buyer,
        token.as_bytes(),
    )))
}

/// Reads getHistoryMsg.
pub(super) fn history(
    params: &Params<'_>,
    _: &Head<'_>,
    _: &mut Context<'_>,
) -> Result<Asked, Refused> {
    let page = match params.optional(Param::PageNo) {
        None => Some(1),
        Some(page) => page.parse().ok().filter(|page| *page >= 1),
    };
    let size = match params.optional(Param::PageSize) {
        None => Some(PAGE_SIZE_DEFAULT),
        Some(size) => size
            .parse()
            .ok()
            .filter(|size| (1..=PAGE_ROWS_MAX).contains(size)),
    };
    Ok(Asked::History(History {
        shop: params.needed(Param::Shop)?.into(),
        page: page.ok_or(Refused::new("page_no 须为不小于 1 的整数"))?,
        size: size.ok_or(Refused::new("page_size 须为 1 到 100 的整数"))?,
    }))
}

/// Reads getMsg.
pub(super) fn messages(
    params: &Params<'_>,
    _: &Head<'_>,
    _: &mut Context<'_>,
) -> Result<Asked, Refused> {
    Ok(Asked::Messages(params.needed(Param::Shop)?.into()))
}

/// Reads sendMsg.
pub(super) fn say(
    params: &Params<'_>,
    _: &Head<'_>,
    context: &mut Context<'_>,
) -> Result<Asked, Refused> {
    let to = params.needed(Param::Shop)?;
    let kind = params
        .optional(Param::ContentType)
        .map_or(Some(0), |number| number.parse().ok())
        .and_then(|number| kinds::numbered(Dialect::Buyer, number))
        .ok_or(Refused::new("content_type 只能是 0、1 或 2"))?;
    let body = params.needed(Param::Content)?;
    check_body(body, context)?;
    let client_id = params.optional(Param::ClientId);
    if client_id.is_some_and(|id| id.len() > CLIENT_ID_BYTES_MAX) {
        return Err(Refused::new("client_id 不能超过 64 字节"));
    }
    Ok(Asked::Say(Said {
        to: to.into(),
        kind,
        body: body.into(),
        client_id: client_id.map(Arc::from),
    }))
}

fn check_body(body: &str, context: &Context<'_>) -> Result<(), Refused> {
    let bytes_max = context.settings.message_bytes_max;
    if body.len() > bytes_max {
        return Err(Refused::new(format!("消息内容不能超过 {bytes_max} 字节")));
    }
    Ok(())
}

/// Reads uploadImage and gives the picture its name and address.
pub(super) fn keep(
    params: &Params<'_>,
    head: &Head<'_>,
    context: &mut Context<'_>,
) -> Result<Asked, Refused> {
    let settings = context.settings;
    let buyer_name = params.needed(Param::Buyer)?;
    if params
        .optional(Param::From)
        .is_some_and(|from| from != buyer_name)
    {
        return Err(Refused::new("from 不是登录的用户"));
    }
    let to = match params.optional(Param::IsDoSendMsg) {
        Some("true") => {
            params.needed(Param::From)?;
            Some(params.needed(Param::To)?)
        }
        _ => None,
    };
    if to == Some(buyer_name) {
        return Err(Refusal::ToSelf.into());
    }
    let bytes = params
        .0
        .file()
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| missing(FILE_NAME))?;
    if bytes.len() > settings.upload_bytes_max {
        return Err(too_large(settings));
    }
    let extension = upload::extension(bytes).ok_or(Refused::new(
        "图片格式不支持，只能是 PNG、JPEG、GIF、WebP 或 BMP",
    ))?;
    if settings.public_url.is_none() && head.host().is_empty() {
        return Err(Refused::new("缺少请求头 Host"));
    }
    let name = upload::name(&settings.zone, context.now, context.random, extension);
    let url = upload::url(settings.public_url.as_deref(), head.host(), &name);
    if to.is_some() {
        check_body(&url, context)?;
    }
    Ok(Asked::Keep(Box::new(Picture {
        file: Upload {
            name,
            bytes: bytes.to_vec(),
        },
        url,
        to: to.map(Arc::from),
    })))
}
