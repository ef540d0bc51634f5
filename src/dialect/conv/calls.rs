//! What each call does: a first step when the request is there, and one more for each thing that it waited for.

use crate::dialect::conv::Waiting;
use crate::dialect::conv::decode::{self, Fields};
use crate::dialect::conv::encode::{self, Refused};
use crate::dialect::{Ask, Call, Context, Outcome, Response, Step, Unread, conversation_id};
use crate::domain::backend::{BackendAnswer, BackendQuery};
use crate::domain::command::{Command, Refusal, Reply};
use crate::domain::query::{Answer, MessagePage, Query};
use crate::proto::http::request::Request;

/// What a call does with what it waits for.
pub(super) enum Next {
    /// With the answer: show it.
    Shown,
    /// With a page: mark it as read if it has a reader.
    Page,
    /// With it marked: show it.
    Read(Box<MessagePage>),
    /// With the message stored: give its id.
    Sent,
    /// With the group made: give its id.
    GroupMade,
    /// With the change made: say so.
    Changed,
}

/// Starts `/im/conv/list`.
pub(super) fn conv_list(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let query = Fields::read(request, context).and_then(|fields| decode::overview(&fields));
    ask(query, Next::Shown, context)
}

/// Starts `/im/conv/{conv_id}`.
pub(super) fn conv_messages(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let query = Fields::read(request, context).and_then(|fields| {
        let id = decode::path_conversation(request)?;
        decode::transcript(&fields, id)
    });
    ask(query, Next::Page, context)
}

/// Starts `/im/from/to`.
pub(super) fn from_to(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let query =
        Fields::read(request, context).and_then(|fields| decode::transcript_of_two(&fields));
    ask(query, Next::Page, context)
}

/// Starts `/im/send/msg`.
pub(super) fn send_msg(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let command = Fields::read(request, context).and_then(|fields| decode::relay(&fields, context));
    submit(command, Next::Sent, context)
}

/// Starts `/im/creat/group`.
pub(super) fn create_group(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let command = Fields::read(request, context).and_then(|fields| decode::group(&fields));
    submit(command, Next::GroupMade, context)
}

/// Starts `/im/add/group/merber`.
pub(super) fn add_members(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let command = Fields::read(request, context).and_then(|fields| decode::new_members(&fields));
    submit(command, Next::Changed, context)
}

/// Starts `/im/group/{conv_id}/list`.
pub(super) fn group_list(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let query = Fields::read(request, context)
        .and_then(|_| decode::path_conversation(request).map(decode::members));
    ask(query, Next::Shown, context)
}

/// Starts `/im/group/{conv_id}/alias`.
pub(super) fn group_alias(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let command = Fields::read(request, context).and_then(|fields| {
        let id = decode::path_conversation(request)?;
        decode::alias(&fields, id)
    });
    submit(command, Next::Changed, context)
}

/// Starts `/im/user/profile`.
pub(super) fn user_profile(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let command = Fields::read(request, context).and_then(|fields| decode::card(&fields));
    submit(command, Next::Changed, context)
}

/// Goes on with what was waited for. What does not fit what was asked is a failure of the server's.
pub(super) fn resume(next: Next, outcome: Outcome, context: &mut Context<'_>) -> Step {
    match (next, outcome) {
        (_, Outcome::Refused(refusal)) => refuse(&refusal.into(), context),
        (next, Outcome::Answer(Answer::Backend(answer))) => match answer {
            Ok(answer) => answered(next, answer, context),
            // Two of whom one is yet to come have said nothing to each other.
            Err(Refusal::NoSuchAccount) if context.settings.open_directory => {
                finish(encode::transcript(context.body, &MessagePage::default()))
            }
            Err(refusal) => refuse(&refusal.into(), context),
        },
        (Next::Read(page), Outcome::Reply(_)) => finish(encode::transcript(context.body, &page)),
        (Next::Sent, Outcome::Reply(Reply::Sent { message, .. })) => finish(encode::done_with(
            context.body,
            "X-Msg-Id",
            message.id.to_string(),
        )),
        (Next::GroupMade, Outcome::Reply(Reply::Group(id))) => finish(encode::done_with(
            context.body,
            "X-Conv-Id",
            conversation_id::encode(id),
        )),
        (Next::Changed, Outcome::Reply(_)) => finish(encode::done(context.body)),
        _ => refuse(&Refusal::Failure.into(), context),
    }
}

fn answered(next: Next, answer: BackendAnswer, context: &mut Context<'_>) -> Step {
    match (next, answer) {
        (Next::Shown, BackendAnswer::Overview(rows)) => {
            finish(encode::overview(context.body, &rows))
        }
        (Next::Shown, BackendAnswer::Members(members)) => {
            finish(encode::members(context.body, &members))
        }
        (Next::Page, BackendAnswer::Transcript(page)) => match (&page.member, page.mark) {
            (Some(member), Some(mark)) => {
                let command = Command::Read {
                    account: member.account,
                    conversation: member.conversation,
                    mark,
                };
                wait(Ask::Submit(command), Next::Read(page))
            }
            _ => finish(encode::transcript(context.body, &page)),
        },
        _ => refuse(&Refusal::Failure.into(), context),
    }
}

fn ask(query: Result<BackendQuery, Refused>, next: Next, context: &mut Context<'_>) -> Step {
    match query {
        Ok(query) => wait(Ask::Query(Query::Backend(query)), next),
        Err(refused) => refuse(&refused, context),
    }
}

fn submit(command: Result<Command, Refused>, next: Next, context: &mut Context<'_>) -> Step {
    match command {
        Ok(command) => wait(Ask::Submit(command), next),
        Err(refused) => refuse(&refused, context),
    }
}

fn wait(ask: Ask, next: Next) -> Step {
    Step::Wait(ask, Call::Conv(Waiting(next)))
}

fn refuse(refused: &Refused, context: &mut Context<'_>) -> Step {
    finish(encode::refuse(context.body, refused))
}

/// Answers a request whose body was not read to its end.
pub(super) fn refuse_unread(
    _request: &Request<'_>,
    unread: Unread,
    context: &mut Context<'_>,
) -> Response {
    let refused = match unread {
        Unread::TooLarge => Refused::too_large("请求体过长"),
        Unread::NoRoom => Refusal::Busy.into(),
    };
    encode::refuse(context.body, &refused)
}

fn finish(response: Response) -> Step {
    Step::Done(response)
}
