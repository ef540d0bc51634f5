//! Rows for the writer: what a command looks at and the writer does not have in memory.

use std::sync::Arc;

use crate::domain::account::{Account, ServiceRole};
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair, Topic};
use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::needs::{Key, RecallKey, Row, SingleRow};
use crate::domain::service::Candidates;
use crate::store::query::shown_group;
use crate::store::writer::{LoadRequest, Loaded};
use crate::store::{Reader, Result, Snapshot, StoreError, read};

/// What `request` asks for, out of a snapshot of `reader`'s. A store that cannot be read is the writer's to deal with.
pub fn fetch(reader: &mut dyn Reader, request: &LoadRequest) -> Loaded {
    Loaded {
        id: request.id,
        rows: read(reader, |snapshot| load(snapshot, &request.keys)),
    }
}

/// What `requests` ask for, all out of one snapshot.
pub fn fetch_all(reader: &mut dyn Reader, requests: &[LoadRequest]) -> Vec<Loaded> {
    let loaded = |request: &LoadRequest, rows| Loaded {
        id: request.id,
        rows,
    };
    let found = read(reader, |snapshot| {
        let all = requests.iter();
        Ok(all
            .map(|request| loaded(request, load(snapshot, &request.keys)))
            .collect())
    });
    found.unwrap_or_else(|error| {
        let all = requests.iter();
        all.map(|request| loaded(request, Err(StoreError(error.0.clone()))))
            .collect()
    })
}

/// The rows of `keys`, in their order, as `snapshot` shows them. Where a member is asked for, the conversation comes with it: a pair's is one
/// row with its members.
///
/// # Errors
/// When the store cannot be read.
pub fn load(snapshot: &dyn Snapshot, keys: &[Key]) -> Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(keys.len());
    // The conversation that was named last, whose row is there, and whether that has its members.
    let mut last = None;
    for key in keys {
        let (Key::Conversation(id) | Key::Member(id, _)) = key else {
            rows.push(row(snapshot, key)?);
            continue;
        };
        let has_members = match last {
            Some((last, has_members)) if last == *id => has_members,
            _ => {
                let row = conversation(snapshot, *id)?;
                let has_members = matches!(row, Row::Single(..));
                rows.push(row);
                has_members
            }
        };
        last = Some((*id, has_members));
        if let Key::Member(..) = key
            && !has_members
        {
            rows.push(row(snapshot, key)?);
        }
    }
    Ok(rows)
}

fn conversation(snapshot: &dyn Snapshot, id: ConversationId) -> Result<Row> {
    let Some(conversation) = snapshot.conversation(id)? else {
        return Ok(Row::Conversation(id, None));
    };
    Ok(match conversation.pair() {
        Some((pair, topic)) => {
            Row::Single(pair, topic, Some(single(snapshot, pair, conversation)?))
        }
        None => Row::Conversation(id, Some(conversation)),
    })
}

fn row(snapshot: &dyn Snapshot, key: &Key) -> Result<Row> {
    Ok(match key {
        Key::Account(id) => Row::Account(*id, snapshot.account(*id)?),
        Key::Name(name) => Row::Name(Arc::clone(name), snapshot.account_named(name)?),
        Key::Single(pair, topic) => {
            let id = match topic {
                Topic::Messages => snapshot.single(*pair)?,
                Topic::Events => snapshot.events(*pair)?,
            };
            let Some(id) = id else {
                return Ok(Row::Single(*pair, *topic, None));
            };
            let found = snapshot.conversation(id)?;
            let found = found.filter(|found| found.pair() == Some((*pair, *topic)));
            let found = found
                .ok_or_else(|| StoreError(format!("conversation {id} is not that of its pair")))?;
            Row::Single(*pair, *topic, Some(single(snapshot, *pair, found)?))
        }
        Key::Conversation(id) => conversation(snapshot, *id)?,
        Key::Member(conversation, account) => Row::Member(
            *conversation,
            *account,
            snapshot.member(*conversation, *account)?,
        ),
        Key::Shown(account, name) => Row::Shown(
            *account,
            Arc::clone(name),
            shown_group(snapshot, *account, name)?,
        ),
        Key::Token(hash) => Row::Token(*hash, snapshot.token(*hash)?),
        Key::Tokens(account) => Row::Tokens(*account, snapshot.tokens(*account)?),
        Key::ClientId(key) => Row::ClientId(
            key.clone(),
            snapshot.message_named(key.sender, key.conversation, key.origin, &key.client_id)?,
        ),
        Key::JimGroup(name) => Row::JimGroup(Arc::clone(name), snapshot.jim_group(name)?),
        Key::Members(group) => {
            let mut members = snapshot.members(*group)?;
            members.retain(Member::is_active);
            Row::Members(*group, members)
        }
        Key::Candidates(visitor, since) => {
            Row::Candidates(Box::new(candidates(snapshot, *visitor, *since)?))
        }
        Key::Recall(key) => Row::Recall(key.clone(), recalled(snapshot, key)?),
    })
}

fn recalled(snapshot: &dyn Snapshot, key: &RecallKey) -> Result<Option<Arc<Message>>> {
    let named = match key.conversation {
        Some(conversation) => {
            snapshot.message_named(key.sender, conversation, key.origin, &key.client_id)?
        }
        None => snapshot.newest_message_named(key.sender, key.origin, &key.client_id)?,
    };
    if named.is_some() {
        return Ok(named);
    }
    let Some(id) = key.message else {
        return Ok(None);
    };
    let is_meant = |message: &Arc<Message>| {
        message.sender == key.sender
            && key
                .conversation
                .is_none_or(|conversation| conversation == message.conversation)
    };
    Ok(snapshot.message(id)?.filter(is_meant))
}

fn candidates(snapshot: &dyn Snapshot, visitor: AccountId, since: TimeMs) -> Result<Candidates> {
    let account = |id| -> Result<Arc<Account>> {
        let found = snapshot.account(id)?;
        found
            .ok_or_else(|| StoreError(format!("account {id} is named by another row but has none")))
    };
    let last = snapshot
        .assignments(visitor)?
        .into_iter()
        .max_by_key(|assignment| (assignment.at, assignment.agent));
    let assigned = last
        .map(|last| account(last.agent).map(|agent| (agent, last.at)))
        .transpose()?;
    let mut spoken: Option<(Head, Arc<Account>)> = None;
    for member in snapshot.memberships(visitor)? {
        let Some(conversation) = snapshot.conversation(member.conversation)? else {
            continue;
        };
        let head = conversation.head;
        let ConversationKind::Single(pair) = conversation.kind else {
            continue;
        };
        let is_later = spoken
            .as_ref()
            .is_none_or(|(last, _)| (head.at, head.message) > (last.at, last.message));
        if head.position.0 > 0 && is_later {
            let other = account(pair.other(visitor))?;
            if matches!(
                other.profile.role,
                Some(ServiceRole::Agent | ServiceRole::Consultant)
            ) {
                spoken = Some((head, other));
            }
        }
    }
    let agents = snapshot.agents()?.into_iter();
    let agents = agents
        .map(|agent| {
            let load = snapshot.agent_load(agent.id, since)?;
            Ok((agent, load))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Candidates {
        commit: snapshot.commit()?,
        visitor,
        since,
        assigned,
        spoken: spoken.map(|(head, agent)| (agent, head.at)),
        agents,
    })
}

fn single(
    snapshot: &dyn Snapshot,
    pair: Pair,
    conversation: Conversation,
) -> Result<Box<SingleRow>> {
    let id = conversation.id;
    let member = |account| {
        let found = snapshot.member(id, account)?;
        found.ok_or_else(|| StoreError(format!("conversation {id} lacks a member")))
    };
    Ok(Box::new(SingleRow {
        low: member(pair.low())?,
        high: member(pair.high())?,
        conversation,
    }))
}
