//! What each call over HTTP does.

use std::sync::Arc;

use crate::dialect::jim::Waiting;
use crate::dialect::jim::read::{BadValue, Field, Fields};
use crate::dialect::json::{put_number, put_string};
use crate::dialect::{Ask, Call, CallResult, Context, Outcome, Response, Step, Unread, auth};
use crate::domain::account::{Account, Profile, ServiceRole, check_name};
use crate::domain::command::{Command, Refusal, Reply, Who};
use crate::domain::ids::TimeMs;
use crate::domain::message::Dialect;
use crate::domain::query::{Answer, ContactCounts, Query};
use crate::domain::token::TokenHash;
use crate::limits::{AGENT_LOAD_MS, PROFILE_TEXT_BYTES_MAX, RECENT_MS, TOKEN_BYTES_MAX};
use crate::proto::http::request::Request;

/// What a call does with what it waits for.
pub(super) enum Next {
    /// With the token bound: that is all.
    Bound,
    /// With the token bound: find the peer.
    BoundFor(Peer),
    /// With the peer found.
    Found,
    /// With the counts: mark what is unread, or give them.
    Counts(Box<Counting>),
    /// With it marked: count again.
    Marked(Box<Counting>),
}

/// Whom getReceiver is asked for.
pub(super) enum Peer {
    /// The account of this name.
    Named(Arc<str>),
    /// An agent.
    Agent,
}

/// What chatInfo is asked.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    owner: Option<Arc<str>>,
    peer: Arc<str>,
    mark: bool,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused {
    code: u32,
    text: &'static str,
    result: CallResult,
}

/// A field is missing or cannot be what it is.
const BAD_FIELD: Refused = Refused {
    code: 500_102,
    text: "参数错误",
    result: CallResult::Refused,
};
/// The body is longer than any that has sensible fields.
const TOO_LARGE: Refused = Refused {
    text: "请求体过长",
    ..BAD_FIELD
};
/// The token cannot be one, is somebody else's, or the application did not prove itself.
const BAD_TOKEN: Refused = Refused {
    code: 500_203,
    text: "token无效",
    result: CallResult::Unauthorized,
};
const NO_AGENT: Refused = Refused {
    code: 500,
    text: "当前客服繁忙，建议您电话咨询!",
    result: CallResult::Refused,
};
const BUSY: Refused = Refused {
    code: 500,
    text: "登录IM系统失败!",
    result: CallResult::Busy,
};
const FAILED: Refused = Refused {
    result: CallResult::Failed,
    ..BUSY
};

impl From<BadValue> for Refused {
    fn from(_: BadValue) -> Refused {
        BAD_FIELD
    }
}

/// Who asks for an identity.
struct Identity {
    name: Arc<str>,
    token: TokenHash,
    profile: Profile,
}

/// Starts initUser.
pub(super) fn init_user(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let asked = fields(request, context).and_then(|fields| identity(&fields));
    match asked {
        Ok(identity) => bind(identity, Next::Bound),
        Err(refused) => refuse(refused, context),
    }
}

/// Starts getReceiver.
pub(super) fn get_receiver(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    let asked = fields(request, context).and_then(|fields| {
        let identity = identity(&fields)?;
        let peer = peer(&fields, &identity)?;
        Ok((identity, peer))
    });
    match asked {
        Ok((identity, peer)) => bind(identity, Next::BoundFor(peer)),
        Err(refused) => refuse(refused, context),
    }
}

/// Starts chatInfo.
pub(super) fn chat_info(request: &Request<'_>, context: &mut Context<'_>) -> Step {
    match fields(request, context).and_then(|fields| counting(&fields)) {
        Ok(counting) if counting.owner.as_deref() == Some(&*counting.peer) => {
            give_counts(&counting, None, context)
        }
        Ok(counting) => count(counting, context),
        Err(refused) => refuse(refused, context),
    }
}

fn fields<'a>(request: &'a Request<'_>, context: &Context<'_>) -> Result<Fields<'a>, Refused> {
    if let Some(keys) = &context.settings.app_keys
        && !auth::has_app_key(keys, request.head())
    {
        return Err(BAD_TOKEN);
    }
    Fields::read(request.body()).map_err(|_| BAD_FIELD)
}

fn name(fields: &Fields<'_>, field: Field) -> Result<Option<Arc<str>>, Refused> {
    match fields.text(field)? {
        Some(name) if check_name(name).is_err() => Err(BAD_FIELD),
        name => Ok(name.map(Arc::from)),
    }
}

fn identity(fields: &Fields<'_>) -> Result<Identity, Refused> {
    let text = |field| match fields.text(field)?.unwrap_or_default() {
        text if text.len() > PROFILE_TEXT_BYTES_MAX => Err(BAD_FIELD),
        text => Ok(Arc::from(text)),
    };
    let token = fields.text(Field::Token)?.ok_or(BAD_FIELD)?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(BAD_TOKEN);
    }
    Ok(Identity {
        name: name(fields, Field::SenderId)?.ok_or(BAD_FIELD)?,
        token: TokenHash::new(Dialect::Jim, token.as_bytes()),
        profile: Profile {
            nick: text(Field::Nick)?,
            avatar: text(Field::Avatar)?,
            terminal: text(Field::Terminal)?,
            role: Some(match fields.number(Field::Type)? {
                Some(0) => ServiceRole::Visitor,
                Some(1) => ServiceRole::Agent,
                Some(2) => ServiceRole::Consultant,
                _ => return Err(BAD_FIELD),
            }),
        },
    })
}

fn peer(fields: &Fields<'_>, identity: &Identity) -> Result<Peer, Refused> {
    match name(fields, Field::ReceiverId)? {
        Some(receiver) if receiver == identity.name => Err(BAD_FIELD),
        Some(receiver) => Ok(Peer::Named(receiver)),
        None if identity.profile.role == Some(ServiceRole::Visitor) => Ok(Peer::Agent),
        None => Err(BAD_FIELD),
    }
}

fn counting(fields: &Fields<'_>) -> Result<Counting, Refused> {
    let is_open = fields.number(Field::IsConcurrent)? == Some(1);
    let mark = match fields.number(Field::Op)? {
        Some(2) => true,
        Some(1) => is_open,
        _ => return Err(BAD_FIELD),
    };
    Ok(Counting {
        owner: name(fields, Field::To)?,
        peer: name(fields, Field::From)?.ok_or(BAD_FIELD)?,
        mark,
    })
}

/// Goes on with what was waited for.
pub(super) fn resume(next: Next, outcome: Outcome, context: &mut Context<'_>) -> Step {
    match (next, outcome) {
        (Next::Bound, Outcome::Reply(_)) => done(context, |out| out.extend_from_slice(b"null")),
        (Next::BoundFor(peer), Outcome::Reply(Reply::Account(account))) => {
            let command = match peer {
                Peer::Named(name) => Command::MakeContact {
                    account: account.id,
                    other: Who::Name(name),
                },
                Peer::Agent => Command::Assign {
                    visitor: account.id,
                    since: TimeMs(context.now.0 - AGENT_LOAD_MS),
                },
            };
            wait(Ask::Submit(command), Next::Found)
        }
        (Next::Found, Outcome::Reply(Reply::Account(peer))) => {
            done(context, |out| put_peer(out, &peer))
        }
        (Next::Counts(counting), Outcome::Answer(Answer::ContactCounts(counts))) => {
            match counts.as_ref().map(|counts| (&counts.owner, counts.mark)) {
                Some((owner, Some((conversation, mark)))) if counting.mark => {
                    let command = Command::Read {
                        account: owner.id,
                        conversation,
                        mark,
                    };
                    wait(Ask::Submit(command), Next::Marked(counting))
                }
                _ => give_counts(&counting, counts.as_deref(), context),
            }
        }
        (Next::Marked(counting), Outcome::Reply(_)) => {
            let counted = Counting {
                mark: false,
                ..*counting
            };
            count(counted, context)
        }
        (Next::Bound | Next::BoundFor(_), Outcome::Refused(Refusal::TokenTaken)) => {
            refuse(BAD_TOKEN, context)
        }
        (Next::Found, Outcome::Refused(Refusal::NoAgent | Refusal::NoSuchAccount)) => {
            refuse(NO_AGENT, context)
        }
        (_, Outcome::Refused(Refusal::Busy)) => refuse(BUSY, context),
        _ => refuse(FAILED, context),
    }
}

fn bind(identity: Identity, next: Next) -> Step {
    let command = Command::BindToken {
        name: identity.name,
        token: identity.token,
        profile: identity.profile,
    };
    wait(Ask::Submit(command), next)
}

fn count(counting: Counting, context: &Context<'_>) -> Step {
    let query = Query::ContactCounts {
        owner: counting.owner.clone(),
        peer: Arc::clone(&counting.peer),
        since: TimeMs(context.now.0 - RECENT_MS),
    };
    wait(Ask::Query(query), Next::Counts(Box::new(counting)))
}

fn wait(ask: Ask, next: Next) -> Step {
    Step::Wait(ask, Call::Jim(Waiting(next)))
}

fn done(context: &mut Context<'_>, put_data: impl FnOnce(&mut Vec<u8>)) -> Step {
    envelope(context.body, 200, "success", put_data);
    Step::Done(Response::new(200, "application/json"))
}

fn refuse(refused: Refused, context: &mut Context<'_>) -> Step {
    Step::Done(put_refused(refused, context))
}

fn put_refused(refused: Refused, context: &mut Context<'_>) -> Response {
    envelope(context.body, refused.code, refused.text, |out| {
        out.extend_from_slice(b"null")
    });
    Response {
        result: refused.result,
        ..Response::new(200, "application/json")
    }
}

/// Answers a request whose body was not read to its end.
pub(super) fn refuse_unread(
    _request: &Request<'_>,
    unread: Unread,
    context: &mut Context<'_>,
) -> Response {
    let refused = match unread {
        Unread::TooLarge => TOO_LARGE,
        Unread::NoRoom => BUSY,
    };
    put_refused(refused, context)
}

fn envelope(out: &mut Vec<u8>, code: u32, text: &str, put_data: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"code\":");
    put_number(out, code);
    out.extend_from_slice(b",\"msg\":");
    put_string(out, text);
    out.extend_from_slice(b",\"data\":");
    put_data(out);
    out.push(b'}');
}

/// `data` of getReceiver.
fn put_peer(out: &mut Vec<u8>, peer: &Account) {
    out.extend_from_slice(b"{\"id\":");
    put_string(out, &peer.name);
    out.extend_from_slice(b",\"nick\":");
    put_string(out, &peer.profile.nick);
    out.extend_from_slice(b",\"avatar\":");
    put_string(out, &peer.profile.avatar);
    out.extend_from_slice(b",\"status\":null,\"sign\":null,\"terminal\":");
    put_string(out, &peer.profile.terminal);
    out.extend_from_slice(b",\"friends\":null,\"groups\":null,\"extras\":null}");
}

/// `data` of chatInfo; nobody's counts are zero.
fn give_counts(
    counting: &Counting,
    counts: Option<&ContactCounts>,
    context: &mut Context<'_>,
) -> Step {
    let owner = counts
        .map(|counts| &counts.owner.name)
        .or(counting.owner.as_ref());
    let number = |of: fn(&ContactCounts) -> u64| counts.map_or(0, of);
    done(context, |out| {
        out.extend_from_slice(b"{\"to\":");
        match owner {
            Some(owner) => put_string(out, owner),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"from\":");
        put_string(out, &counting.peer);
        for (name, number) in [
            (",\"pendingReplyNum\":", number(|counts| counts.pending)),
            (",\"lastedContactsNum\":", number(|counts| counts.recent)),
            (",\"allContactsNum\":", number(|counts| counts.all)),
            (",\"unReadNum\":", number(|counts| counts.unread)),
        ] {
            out.extend_from_slice(name.as_bytes());
            put_number(out, number);
        }
        out.push(b'}');
    })
}
