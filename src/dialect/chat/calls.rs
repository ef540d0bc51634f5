//! What each call over HTTP does.

use std::sync::Arc;

use crate::dialect::chat::Waiting;
use crate::dialect::chat::body::{Bad, Body};
use crate::dialect::chat::decode::Say;
use crate::dialect::chat::encode::{self, Refused, row_place};
use crate::dialect::chat::tasks::{Task, TeamChange, What};
use crate::dialect::json::put_number;
use crate::dialect::{Ask, Call, Context, Outcome, Response, Step, Unread, auth, json, random};
use crate::domain::chat::{Arrangement, ChatAnswer, ChatQuery};
use crate::domain::command::{Command, GroupAbout, Reply, Send, Who};
use crate::domain::conversation::Conversation;
use crate::domain::desk::Lookup;
use crate::domain::ids::{AccountId, Slot};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::Dialect;
use crate::domain::query::{Answer, Query};
use crate::domain::token::TokenHash;
use crate::proto::http::request::Request;

/// Characters of a token, each worth 5.17 bits.
const TOKEN_CHARS: usize = 25;

/// What a call does with what it waits for.
pub(super) enum Next {
    /// With the user registered: hand out this token.
    Registered(String),
    /// With the session of the caller's token: go on.
    Session(Task),
    /// With what was asked: show it.
    Shown,
    /// With a page: show it, whole.
    Page,
    /// With an id: show it.
    Reserved,
    /// With a conversation and a member: read it all.
    Read(Caller),
    /// With them: change how it stands in the member's list.
    Arrange(Caller, Arrangement),
    /// With it done: say so.
    Done,
    /// With the team made: show it.
    TeamMade {
        name: Arc<str>,
        members: Vec<AccountId>,
    },
    /// With a team and its members: change it, if it is the caller's to change.
    ChangeTeam(Caller, TeamChange),
}

/// Who calls, where that is known: the user of the token that was shown.
type Caller = Option<AccountId>;

/// Starts `/im/user/register`.
pub(super) fn register(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    if let Some(keys) = &context.settings.app_keys
        && !auth::has_app_key(keys, request.head())
    {
        return refuse(Refused::NotLoggedIn, context);
    }
    let Ok(name) = Body::read(request.body()).and_then(|body| user_name(&body)) else {
        return refuse(Refused::BadRequest, context);
    };
    let token = random::text(context.random, TOKEN_CHARS);
    let command = Command::Login {
        name: Arc::from(name),
        token: TokenHash::new(Dialect::Chat, token.as_bytes()),
    };
    wait(Ask::Submit(command), Next::Registered(token))
}

/// `company/app/thirdUserId`, so written that no two users share a name.
fn user_name(body: &Body<'_>) -> Result<String, Bad> {
    let company = body.company.text()?.unwrap_or_default();
    let app = body.app.text()?.unwrap_or_default();
    let user = body.third_user_id.text()?.ok_or(Bad)?;
    let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
    Ok(format!("{}/{}/{}", part(company), part(app), part(user)))
}

/// Starts a call that is asked for by its body.
pub(super) fn run(
    request: &Request<'_>,
    context: &mut Context<'_>,
    read: fn(&Body<'_>) -> Result<Task, Bad>,
) -> Step {
    let Ok(task) = Body::read(request.body()).and_then(|body| read(&body)) else {
        return refuse(Refused::BadRequest, context);
    };
    let head = request.head();
    if let Some(keys) = &context.settings.app_keys
        && auth::has_app_key(keys, head)
    {
        return begin(task, None, context);
    }
    let token = head.header("token").map(<[u8]>::trim_ascii);
    let token = token.filter(|token| !token.is_empty());
    let Some(token) = token.or_else(|| auth::bearer(head)) else {
        return match context.settings.app_keys {
            Some(_) => refuse(Refused::NotLoggedIn, context),
            None => begin(task, None, context),
        };
    };
    let lookup = context
        .desk
        .session(context.memo, Dialect::Chat, token, context.now);
    match lookup {
        Lookup::Known(account) => begin(task, Some(account.id), context),
        Lookup::Load(hash) => wait(Ask::Session(hash), Next::Session(task)),
        Lookup::Nobody => refuse(Refused::NotLoggedIn, context),
    }
}

/// Begins what is to be done, for whoever calls.
fn begin(task: Task, caller: Caller, context: &mut Context<'_>) -> Step {
    if let Some(caller) = caller
        && !task.users.is_empty()
        && !task.users.contains(&caller)
    {
        return refuse(Refused::NotYours, context);
    }
    match task.what {
        What::Ask(query @ (ChatQuery::Everything { .. } | ChatQuery::Team { .. })) => {
            ask(query, Next::Page)
        }
        What::Ask(query) => ask(query, Next::Shown),
        What::Between(query) => ask(asked_by(query, caller), Next::Page),
        What::ReserveId => wait(Ask::Submit(Command::ReserveId), Next::Reserved),
        What::ReadRow(row) => ask(part(row), Next::Read(caller)),
        What::ArrangeRow(row, arrangement) => ask(part(row), Next::Arrange(caller, arrangement)),
        What::ReadWith(account, other) => {
            ask(ChatQuery::PartWith(account, other), Next::Read(caller))
        }
        What::Tell(say) => tell(*say, caller, context),
        What::AddTeam { name, members } => add_team(name, members, caller, context),
        What::UpdateTeam(change) => ask(
            ChatQuery::Members(change.id),
            Next::ChangeTeam(caller, change),
        ),
        What::DeleteTeam(group) => {
            let command = Command::DeleteGroup { group, by: caller };
            wait(Ask::Submit(command), Next::Done)
        }
    }
}

fn part(row: u64) -> ChatQuery {
    let (conversation, slot) = row_place(row);
    ChatQuery::Part(conversation, Slot(slot))
}

/// Each of two sees the messages between them as its own.
fn asked_by(query: ChatQuery, caller: Caller) -> ChatQuery {
    match query {
        ChatQuery::Between {
            account,
            other,
            page,
            size,
        } if caller == Some(other) => ChatQuery::Between {
            account: other,
            other: account,
            page,
            size,
        },
        query => query,
    }
}

/// Goes on with what was waited for.
pub(super) fn resume(next: Next, outcome: Outcome, context: &mut Context<'_>) -> Step {
    match (next, outcome) {
        (_, Outcome::Refused(refusal)) => refuse(refusal.into(), context),
        (Next::Registered(token), Outcome::Reply(Reply::Account(account))) => {
            let out = &mut *context.body;
            out.extend_from_slice(b"{\"userId\":");
            put_number(out, account.id.0);
            out.extend_from_slice(b",\"token\":");
            json::put_string(out, &token);
            out.push(b'}');
            done()
        }
        (Next::Session(task), Outcome::Session(account)) => match account {
            Some(account) => begin(task, Some(account.id), context),
            None => refuse(Refused::NotLoggedIn, context),
        },
        (next, Outcome::Answer(Answer::Chat(answer))) => answered(next, *answer, context),
        (Next::Reserved, Outcome::Reply(Reply::Id(id))) => {
            put_one(context, "id", id.0);
            done()
        }
        (Next::Done, Outcome::Reply(_)) => done(),
        (Next::TeamMade { name, members }, Outcome::Reply(Reply::Group(id))) => {
            encode::put_team(context.body, id, &name, &members);
            done()
        }
        _ => refuse(Refused::Failure, context),
    }
}

fn answered(next: Next, answer: ChatAnswer, context: &mut Context<'_>) -> Step {
    match (next, answer) {
        (Next::Shown, ChatAnswer::Rows(Some(rows))) => {
            encode::put_rows(context.body, context.presence, &rows);
        }
        (Next::Page, ChatAnswer::Rows(Some(rows))) => {
            if !encode::put_rows(context.body, context.presence, &rows) {
                // A shorter page would say that it is the last one.
                context.body.clear();
                return refuse(Refused::TooMany, context);
            }
        }
        (Next::Shown | Next::Page, ChatAnswer::Rows(None)) => {
            return refuse(Refused::NotFound, context);
        }
        (Next::Shown, ChatAnswer::Count(count)) => put_one(context, "count", count),
        (Next::Shown, ChatAnswer::List(rows)) => {
            encode::put_conversations(context.body, context.settings, &rows)
        }
        (Next::Read(caller), ChatAnswer::Part(part)) => {
            return with_part(part, caller, context, |conversation, member| {
                let mark = ReadMark {
                    position: member.visible_until(conversation.head.position),
                    own: member.sent,
                };
                Command::Read {
                    account: member.account,
                    conversation: conversation.id,
                    mark,
                }
            });
        }
        (Next::Arrange(caller, arrangement), ChatAnswer::Part(part)) => {
            return with_part(part, caller, context, |conversation, member| {
                Command::Arrange {
                    account: member.account,
                    conversation: conversation.id,
                    arrangement,
                }
            });
        }
        (Next::ChangeTeam(caller, change), ChatAnswer::Members(team)) => {
            return update_team(team, caller, change, context);
        }
        _ => return refuse(Refused::Failure, context),
    }
    done()
}

/// Changes the caller's own part in a conversation.
fn with_part(
    part: Option<Box<(Conversation, Member)>>,
    caller: Caller,
    context: &mut Context<'_>,
    command: impl FnOnce(&Conversation, &Member) -> Command,
) -> Step {
    let Some(part) = part else {
        return refuse(Refused::NotFound, context);
    };
    let (conversation, member) = *part;
    if caller.is_some_and(|caller| caller != member.account) {
        return refuse(Refused::NotYours, context);
    }
    wait(Ask::Submit(command(&conversation, &member)), Next::Done)
}

/// Changes a team, whose owner the caller is if it is known who calls.
fn update_team(
    team: Option<Box<(Conversation, Vec<AccountId>)>>,
    caller: Caller,
    change: TeamChange,
    context: &mut Context<'_>,
) -> Step {
    let Some(team) = team else {
        return refuse(Refused::NotFound, context);
    };
    let (conversation, _) = *team;
    let owner = conversation.group().map(|group| group.owner);
    if caller.is_some() && caller != owner {
        return refuse(Refused::NotYours, context);
    }
    wait(Ask::Submit(change_team(change)), Next::Done)
}

fn change_team(change: TeamChange) -> Command {
    let whom = |users: Vec<AccountId>| users.into_iter().map(Who::Id).collect();
    Command::ChangeGroup {
        group: change.id,
        name: change.name,
        removed: whom(change.deleted),
        added: whom(change.inserted),
    }
}

fn tell(say: Say, caller: Caller, context: &mut Context<'_>) -> Step {
    let Some(from) = caller.or(say.from) else {
        return refuse(Refused::BadRequest, context);
    };
    if let Err(refused) = say.check(from, context.settings) {
        return refuse(refused, context);
    }
    let send = Send { from, ..say.send };
    wait(Ask::Submit(Command::Send(send)), Next::Done)
}

fn add_team(
    name: Arc<str>,
    named: Vec<AccountId>,
    caller: Caller,
    context: &mut Context<'_>,
) -> Step {
    let mut members: Vec<AccountId> = Vec::with_capacity(named.len() + 1);
    let mut seen = std::collections::HashSet::new();
    members.extend(
        caller
            .into_iter()
            .chain(named)
            .filter(|user| seen.insert(*user)),
    );
    if members.contains(&AccountId::SERVER) {
        return refuse(Refused::NotFound, context);
    }
    let Some((owner, others)) = members.split_first() else {
        return refuse(Refused::BadRequest, context);
    };
    let command = Command::CreateGroup {
        owner: Who::Id(*owner),
        members: others.iter().copied().map(Who::Id).collect(),
        about: GroupAbout {
            name: Arc::clone(&name),
            ..GroupAbout::default()
        },
    };
    wait(Ask::Submit(command), Next::TeamMade { name, members })
}

fn put_one(context: &mut Context<'_>, key: &str, number: u64) {
    let out = &mut *context.body;
    out.push(b'{');
    json::put_string(out, key);
    out.push(b':');
    put_number(out, number);
    out.push(b'}');
}

fn ask(query: ChatQuery, next: Next) -> Step {
    wait(Ask::Query(Query::Chat(query)), next)
}

fn wait(ask: Ask, next: Next) -> Step {
    Step::Wait(ask, Call::Chat(Waiting(next)))
}

fn done() -> Step {
    Step::Done(Response::new(200, "application/json"))
}

/// Answers a request whose body was not read to its end.
pub(super) fn refuse_unread(
    _request: &Request<'_>,
    unread: Unread,
    context: &mut Context<'_>,
) -> Response {
    let refused = match unread {
        Unread::TooLarge => Refused::BadRequest,
        Unread::NoRoom => Refused::Busy,
    };
    encode::refuse(context.body, refused)
}

fn refuse(refused: Refused, context: &mut Context<'_>) -> Step {
    Step::Done(encode::refuse(context.body, refused))
}
