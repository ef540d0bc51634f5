//! What a call is told, read and checked.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::dialect::conv::body::{Body, Fault};
use crate::dialect::conv::encode::Refused;
use crate::dialect::conv::routes;
use crate::dialect::{Context, auth, conversation_id, kinds};
use crate::domain::account::check_name;
use crate::domain::backend::{BackendQuery, Relay, RelayTo, Talk};
use crate::domain::command::{Command, GroupAbout, Refusal, Who};
use crate::domain::ids::ConversationId;
use crate::domain::message::Dialect;
use crate::limits::{
    CLIENT_ID_BYTES_MAX, CONV_DESCRIPTION_BYTES_MAX, CONV_IMAGE_BYTES_MAX, CONV_USERS_MAX,
    GROUP_MEMBERS_CEILING, LIST_ROWS_MAX, NAME_BYTES_MAX, PAGE_ROWS_MAX,
};
use crate::proto::http::request::Request;
use crate::proto::http::target::decode_path;

/// The names of all fields, at the index that [`Field`] gives them.
const NAMES: [&str; Field::Alias as usize + 1] = [
    "from_id",
    "to_id",
    "conv_id",
    "page_no",
    "page_size",
    "msg",
    "msg_type",
    "client_id",
    "owner_id",
    "name",
    "img",
    "description",
    "id",
    "alias",
];

#[derive(Clone, Copy, Debug)]
enum Field {
    FromId,
    ToId,
    ConvId,
    PageNo,
    PageSize,
    Msg,
    MsgType,
    ClientId,
    OwnerId,
    Name,
    Img,
    Description,
    Id,
    Alias,
}

const LIST_NAME: &str = "member";
const PAGE_SIZE_DEFAULT: usize = 10;

/// The fields of a request's body.
pub(super) struct Fields<'a>(Body<'a, { NAMES.len() }>);

impl<'a> Fields<'a> {
    /// Reads them, once it is settled that the caller may call.
    pub fn read(request: &'a Request<'_>, context: &Context<'_>) -> Result<Fields<'a>, Refused> {
        if let Some(keys) = &context.settings.app_keys
            && !auth::has_app_key(keys, request.head())
        {
            return Err(Refused::unauthorized());
        }
        match Body::read(request.body(), &NAMES, LIST_NAME) {
            Ok(body) => Ok(Fields(body)),
            Err(Fault::NotAnObject) => Err(Refused::bad("请求体不是合法的 JSON 对象")),
            Err(Fault::WrongType(name)) => Err(Refused::bad(format!("参数 {name} 的类型不正确"))),
        }
    }

    fn optional(&self, field: Field) -> Option<&str> {
        self.0.text(field as usize)
    }

    fn needed(&self, field: Field) -> Result<&str, Refused> {
        self.optional(field).ok_or_else(|| missing(name_of(field)))
    }

    /// An account's name.
    fn account(&self, field: Field) -> Result<Arc<str>, Refused> {
        account(self.needed(field)?)
    }

    fn optional_account(&self, field: Field) -> Result<Option<Arc<str>>, Refused> {
        self.optional(field).map(account).transpose()
    }

    /// A text that may be absent, which is the same as empty.
    fn text(&self, field: Field, bytes_max: usize) -> Result<Arc<str>, Refused> {
        let text = self.optional(field).unwrap_or_default();
        if text.len() > bytes_max {
            let name = name_of(field);
            return Err(Refused::bad(format!("{name} 不能超过 {bytes_max} 字节")));
        }
        Ok(text.into())
    }

    /// A name that is shown to people, or empty.
    fn label(&self, field: Field) -> Result<Arc<str>, Refused> {
        let label = self.text(field, NAME_BYTES_MAX)?;
        if label.chars().any(char::is_control) {
            return Err(Refused::bad(format!("{} 不能含有控制字符", name_of(field))));
        }
        Ok(label)
    }

    /// The names in the list, each once; `None` if there is no list.
    fn members(&self) -> Result<Option<Vec<Who>>, Refused> {
        let Some(list) = self.0.list() else {
            return Ok(None);
        };
        let mut seen = HashSet::with_capacity(list.len());
        let mut members = Vec::with_capacity(list.len());
        for name in list {
            if seen.insert(&**name) {
                members.push(Who::Name(account(name)?));
            }
        }
        if members.len() > GROUP_MEMBERS_CEILING {
            return Err(Refusal::GroupFull.into());
        }
        Ok(Some(members))
    }

    fn page(&self) -> Result<(u64, usize), Refused> {
        let page = match self.optional(Field::PageNo) {
            None => Some(1),
            Some(page) => page.parse().ok().filter(|page| *page >= 1),
        };
        let size = match self.optional(Field::PageSize) {
            None => Some(PAGE_SIZE_DEFAULT),
            Some(size) => size
                .parse()
                .ok()
                .filter(|size| (1..=PAGE_ROWS_MAX).contains(size)),
        };
        Ok((
            page.ok_or(Refused::bad("page_no 须为不小于 1 的整数"))?,
            size.ok_or(Refused::bad("page_size 须为 1 到 100 的整数"))?,
        ))
    }
}

fn name_of(field: Field) -> &'static str {
    NAMES.get(field as usize).copied().unwrap_or_default()
}

fn missing(name: &str) -> Refused {
    Refused::bad(format!("缺少参数 {name}"))
}

fn account(name: &str) -> Result<Arc<str>, Refused> {
    match check_name(name) {
        Ok(()) => Ok(name.into()),
        Err(_) => Err(Refusal::BadName.into()),
    }
}

/// An id of another form is that of no conversation.
fn conversation(text: &str) -> Result<ConversationId, Refused> {
    conversation_id::decode(text).ok_or_else(|| Refusal::NoSuchConversation.into())
}

/// The conversation that the path names.
pub(super) fn path_conversation(request: &Request<'_>) -> Result<ConversationId, Refused> {
    let path = decode_path(request.head().path()).unwrap_or(Cow::Borrowed(""));
    conversation(routes::conv_id(&path).unwrap_or_default())
}

/// Reads the list of conversations.
pub(super) fn overview(fields: &Fields<'_>) -> Result<BackendQuery, Refused> {
    Ok(BackendQuery::Overview {
        account: fields.account(Field::FromId)?,
        rows_max: LIST_ROWS_MAX,
        members_max: CONV_USERS_MAX,
    })
}

/// Reads a page of the conversation `id`.
pub(super) fn transcript(fields: &Fields<'_>, id: ConversationId) -> Result<BackendQuery, Refused> {
    let (page, size) = fields.page()?;
    Ok(BackendQuery::Transcript {
        reader: fields.optional_account(Field::FromId)?,
        talk: Talk::Number(id),
        page,
        size,
    })
}

/// Reads a page of what two accounts say to each other.
pub(super) fn transcript_of_two(fields: &Fields<'_>) -> Result<BackendQuery, Refused> {
    let (page, size) = fields.page()?;
    let (from, to) = (fields.account(Field::FromId)?, fields.account(Field::ToId)?);
    if from == to {
        return Err(Refusal::ToSelf.into());
    }
    Ok(BackendQuery::Transcript {
        reader: Some(from),
        talk: Talk::With(to),
        page,
        size,
    })
}

/// Reads the members of the group `id`.
pub(super) fn members(id: ConversationId) -> BackendQuery {
    BackendQuery::Members {
        group: id,
        rows_max: LIST_ROWS_MAX,
    }
}

/// Reads a message.
pub(super) fn relay(fields: &Fields<'_>, context: &Context<'_>) -> Result<Command, Refused> {
    let from = fields.account(Field::FromId)?;
    let other = fields.optional_account(Field::ToId)?;
    let to = match (fields.optional(Field::ConvId), other) {
        (Some(id), other) => RelayTo::Conversation {
            id: conversation(id)?,
            other,
        },
        (None, Some(other)) if other == from => return Err(Refusal::ToSelf.into()),
        (None, Some(other)) => RelayTo::Account(Who::Name(other)),
        (None, None) => return Err(Refused::bad("缺少参数 conv_id 或 to_id")),
    };
    let kind = fields
        .optional(Field::MsgType)
        .map_or(Some(0), |number| number.parse().ok())
        .and_then(|number| kinds::numbered(Dialect::Conv, number))
        .ok_or(Refused::bad("msg_type 不合法"))?;
    let body = fields.needed(Field::Msg)?;
    let bytes_max = context.settings.message_bytes_max;
    if body.len() > bytes_max {
        return Err(Refused::too_large(format!(
            "消息内容不能超过 {bytes_max} 字节"
        )));
    }
    let client_id = fields.optional(Field::ClientId);
    if client_id.is_some_and(|id| id.len() > CLIENT_ID_BYTES_MAX) {
        return Err(Refused::bad("client_id 不能超过 64 字节"));
    }
    Ok(Command::Relay(Box::new(Relay {
        from: Who::Name(from),
        to,
        kind,
        body: body.into(),
        origin: Dialect::Conv,
        client_id: client_id.map(Arc::from),
    })))
}

/// Reads a new group.
pub(super) fn group(fields: &Fields<'_>) -> Result<Command, Refused> {
    let owner = fields.account(Field::OwnerId)?;
    fields.needed(Field::Name)?;
    Ok(Command::CreateGroup {
        owner: Who::Name(owner),
        members: fields.members()?.unwrap_or_default(),
        about: GroupAbout {
            name: fields.label(Field::Name)?,
            image: fields.text(Field::Img, CONV_IMAGE_BYTES_MAX)?,
            description: fields.text(Field::Description, CONV_DESCRIPTION_BYTES_MAX)?,
            jim_name: None,
        },
    })
}

/// Reads new members.
pub(super) fn new_members(fields: &Fields<'_>) -> Result<Command, Refused> {
    Ok(Command::AddMembers {
        group: conversation(fields.needed(Field::ConvId)?)?,
        members: fields.members()?.ok_or_else(|| missing(LIST_NAME))?,
    })
}

/// Reads how an account is shown.
pub(super) fn card(fields: &Fields<'_>) -> Result<Command, Refused> {
    Ok(Command::SetCard {
        who: Who::Name(fields.account(Field::Id)?),
        nick: fields.label(Field::Name)?,
        avatar: fields.text(Field::Img, CONV_IMAGE_BYTES_MAX)?,
    })
}

/// Reads how the group `id` calls a member.
pub(super) fn alias(fields: &Fields<'_>, id: ConversationId) -> Result<Command, Refused> {
    Ok(Command::SetAlias {
        group: id,
        who: Who::Name(fields.account(Field::Id)?),
        alias: fields.label(Field::Alias)?,
    })
}
