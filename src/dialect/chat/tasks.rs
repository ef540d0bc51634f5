//! What a call is asked to do, read out of its body.

use std::collections::HashSet;
use std::sync::Arc;

use crate::dialect::chat::body::{Bad, Body, Scalar};
use crate::dialect::chat::decode::{self, Say};
use crate::dialect::chat::encode::row_place;
use crate::domain::account::check_name;
use crate::domain::chat::{Arrangement, ChatQuery};
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::message::EventKind;
use crate::limits::{GROUP_MEMBERS_CEILING, LIST_ROWS_MAX, PAGE_ROWS_MAX};

const PAGE_SIZE_DEFAULT: usize = 10;

/// Something to do for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// Those of whom the caller may be any; nobody where the body does not say.
    pub users: Vec<AccountId>,
    /// What.
    pub what: What,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Answers with what is found.
    Ask(ChatQuery),
    /// The same, asked by the first user, or by the caller if that is known.
    Between(ChatQuery),
    /// Hands out an id.
    ReserveId,
    /// Reads a conversation that stands in a list.
    ReadRow(u64),
    /// Changes how one stands there.
    ArrangeRow(u64, Arrangement),
    /// Reads the conversation with an account.
    ReadWith(AccountId, AccountId),
    /// Makes a team.
    AddTeam {
        name: Arc<str>,
        members: Vec<AccountId>,
    },
    /// Changes a team.
    UpdateTeam(TeamChange),
    /// Tells somebody of an event.
    Tell(Box<Say>),
    /// Ends the membership of all members of a team.
    DeleteTeam(ConversationId),
}

/// How a team is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TeamChange {
    /// Which one.
    pub id: ConversationId,
    /// Its new name, if it gets one.
    pub name: Option<Arc<str>>,
    /// Who joins.
    pub inserted: Vec<AccountId>,
    /// Who leaves.
    pub deleted: Vec<AccountId>,
}

impl Task {
    fn of(user: AccountId, what: What) -> Task {
        Task {
            users: vec![user],
            what,
        }
    }

    fn of_caller(what: What) -> Task {
        Task {
            users: Vec::new(),
            what,
        }
    }
}

fn optional_user(value: &Scalar<'_>) -> Result<Option<AccountId>, Bad> {
    Ok(value.number()?.map(AccountId))
}

fn user(value: &Scalar<'_>) -> Result<AccountId, Bad> {
    optional_user(value)?.ok_or(Bad)
}

/// `/message/user/get/page`.
pub(super) fn page(body: &Body<'_>) -> Result<Task, Bad> {
    let page = body.page_num.number()?.unwrap_or(1);
    let size = body.page_size.number()?.map(usize::try_from);
    let size = size.transpose().map_err(|_| Bad)?;
    let size = size.unwrap_or(PAGE_SIZE_DEFAULT);
    if page == 0 || !(1..=PAGE_ROWS_MAX).contains(&size) {
        return Err(Bad);
    }
    let account = optional_user(&body.user_id)?;
    let pair = (
        optional_user(&body.from_user_id)?,
        optional_user(&body.to_user_id)?,
    );
    let team = body.team_id.number()?.map(ConversationId);
    match (account, pair, team) {
        (None, (Some(account), Some(other)), None) => Ok(Task {
            users: vec![account, other],
            what: What::Between(ChatQuery::Between {
                account,
                other,
                page,
                size,
            }),
        }),
        (Some(account), (None, None), Some(group)) => {
            let query = ChatQuery::Team {
                account,
                group,
                page,
                size,
            };
            Ok(Task::of(account, What::Ask(query)))
        }
        (Some(account), (None, None), None) => {
            let query = ChatQuery::Everything {
                account,
                page,
                size,
            };
            Ok(Task::of(account, What::Ask(query)))
        }
        _ => Err(Bad),
    }
}

/// `/message/offline`.
pub(super) fn offline(body: &Body<'_>) -> Result<Task, Bad> {
    let account = user(&body.user_id)?;
    let query = ChatQuery::Undelivered {
        account,
        rows_max: LIST_ROWS_MAX,
    };
    Ok(Task::of(account, What::Ask(query)))
}

/// `/event/message/comment`. The address says that it is an event, whatever the body says that it is.
pub(super) fn comment(body: &Body<'_>) -> Result<Task, Bad> {
    let say = decode::event(body, Some(EventKind::Comment))?;
    Ok(Task {
        users: say.from.into_iter().collect(),
        what: What::Tell(Box::new(say)),
    })
}

/// `/message/get/id`.
pub(super) fn id(_body: &Body<'_>) -> Result<Task, Bad> {
    Ok(Task::of_caller(What::ReserveId))
}

/// `/user/chat/list`.
pub(super) fn list(body: &Body<'_>) -> Result<Task, Bad> {
    let account = user(&body.user_id)?;
    let query = ChatQuery::List {
        account,
        rows_max: LIST_ROWS_MAX,
    };
    Ok(Task::of(account, What::Ask(query)))
}

/// `/user/chat/unread/count`.
pub(super) fn unread(body: &Body<'_>) -> Result<Task, Bad> {
    let account = user(&body.user_id)?;
    Ok(Task::of(account, What::Ask(ChatQuery::Unread(account))))
}

fn row(body: &Body<'_>) -> Result<u64, Bad> {
    let id = body.id.number()?.ok_or(Bad)?;
    match row_place(id) {
        (ConversationId(0), _) => Err(Bad),
        _ => Ok(id),
    }
}

/// `/user/chat/clear/unread`.
pub(super) fn clear(body: &Body<'_>) -> Result<Task, Bad> {
    Ok(Task::of_caller(What::ReadRow(row(body)?)))
}

/// `/user/chat/clear/unread2`.
pub(super) fn clear_with(body: &Body<'_>) -> Result<Task, Bad> {
    let (account, other) = (user(&body.from_user_id)?, user(&body.to_user_id)?);
    Ok(Task::of(account, What::ReadWith(account, other)))
}

/// `/user/delete/chat/list`.
pub(super) fn delete(body: &Body<'_>) -> Result<Task, Bad> {
    let what = What::ArrangeRow(row(body)?, Arrangement::Hide);
    Ok(Task::of_caller(what))
}

/// `/user/chat/top`.
pub(super) fn top(body: &Body<'_>) -> Result<Task, Bad> {
    let pinned = body.top.flag()?.ok_or(Bad)?;
    let what = What::ArrangeRow(row(body)?, Arrangement::Pin(pinned));
    Ok(Task::of_caller(what))
}

fn team_name(body: &Body<'_>) -> Result<Option<Arc<str>>, Bad> {
    match body.name.text()? {
        Some(name) if check_name(name).is_err() => Err(Bad),
        name => Ok(name.map(Arc::from)),
    }
}

/// `/team/add`.
pub(super) fn add_team(body: &Body<'_>) -> Result<Task, Bad> {
    let members = body.members.iter().flatten();
    let members = members.map(|member| user(&member.user_id));
    let members = members.collect::<Result<Vec<_>, Bad>>()?;
    if members.len() > GROUP_MEMBERS_CEILING {
        return Err(Bad);
    }
    let name = team_name(body)?.ok_or(Bad)?;
    Ok(Task::of_caller(What::AddTeam { name, members }))
}

/// `/team/update`.
pub(super) fn update_team(body: &Body<'_>) -> Result<Task, Bad> {
    let mut change = TeamChange {
        id: ConversationId(body.id.number()?.ok_or(Bad)?),
        name: team_name(body)?,
        inserted: Vec::new(),
        deleted: Vec::new(),
    };
    for member in body.members.iter().flatten() {
        let user = user(&member.user_id)?;
        if user <= AccountId::SERVER {
            return Err(Bad);
        }
        match member.op.text()? {
            Some("insert") => change.inserted.push(user),
            Some("delete") => change.deleted.push(user),
            _ => return Err(Bad),
        }
    }
    // It would depend on the order whether they are members then.
    let deleted: HashSet<&AccountId> = change.deleted.iter().collect();
    if change.inserted.iter().any(|user| deleted.contains(user)) {
        return Err(Bad);
    }
    Ok(Task::of_caller(What::UpdateTeam(change)))
}

/// `/team/delete`.
pub(super) fn delete_team(body: &Body<'_>) -> Result<Task, Bad> {
    let id = body.team_id.number()?.ok_or(Bad)?;
    Ok(Task::of_caller(What::DeleteTeam(ConversationId(id))))
}
