//! Identities for a run, fetched before it begins over one blocking connection: many requests a round trip.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::Deserialize;

use crate::target::Target;
use crate::wire::http;

const PIPELINED: usize = 32;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A user and what proves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub name: String,
    /// The session's token; empty where there is none.
    pub token: String,
    /// chat's number of the user; 0 in other dialects.
    pub user: u64,
}

/// A group, as each dialect names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// For conv and jim.
    pub name: String,
    /// For chat.
    pub team: u64,
}

#[derive(Deserialize)]
struct BuyerAnswer {
    success: bool,
    #[serde(default)]
    message: String,
    data: BuyerData,
}

#[derive(Deserialize)]
struct BuyerData {
    #[serde(default)]
    token: String,
}

/// Registers and logs in buyers of these names.
///
/// # Errors
/// The first that the server or the connection refused.
pub fn buyers(target: &Target, prefix: &str, names: &[String]) -> Result<Vec<Identity>, String> {
    let mut identities = Vec::with_capacity(names.len());
    call_all(
        target,
        names,
        |name| {
            let path = format!("{prefix}/buyer/registerAndLogin?buyer_name={name}");
            http::get(&target.authority, &path)
        },
        |name, body| {
            let answer: BuyerAnswer =
                serde_json::from_slice(body).map_err(|error| error.to_string())?;
            if !answer.success || answer.data.token.is_empty() {
                return Err(format!("refused: {}", answer.message));
            }
            identities.push(Identity {
                name: name.to_owned(),
                token: answer.data.token,
                user: 0,
            });
            Ok(())
        },
    )?;
    Ok(identities)
}

#[derive(Deserialize)]
struct JimAnswer {
    code: i64,
    #[serde(default)]
    msg: String,
}

/// Tells a jim server about visitors of these names; their tokens are made of the names.
///
/// # Errors
/// The first that the server or the connection refused.
pub fn visitors(target: &Target, names: &[String]) -> Result<Vec<Identity>, String> {
    let identities: Vec<_> = names
        .iter()
        .map(|name| Identity {
            name: name.clone(),
            token: format!("token-{name}"),
            user: 0,
        })
        .collect();
    call_all(
        target,
        &identities,
        |Identity { name, token, .. }| {
            let body = format!(
                r#"{{"senderId":"{name}","receiverId":"","nick":"{name}","avatar":"","terminal":"pc","token":"{token}","type":0}}"#
            );
            http::post(&target.authority, "/im/vanke/initUser", http::JSON, &body)
        },
        |_, body| {
            let answer: JimAnswer =
                serde_json::from_slice(body).map_err(|error| error.to_string())?;
            (answer.code == 200)
                .then_some(())
                .ok_or_else(|| format!("refused: {} {}", answer.code, answer.msg))
        },
    )?;
    Ok(identities)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChatAnswer {
    user_id: u64,
    token: String,
}

/// Registers users of chat: those of an app of the run's name.
///
/// # Errors
/// The first that the server or the connection refused.
pub fn app_users(target: &Target, run: &str, own: &[String]) -> Result<Vec<Identity>, String> {
    let mut identities = Vec::with_capacity(own.len());
    call_all(
        target,
        own,
        |own| {
            let body = format!(r#"{{"company":"bench","app":"{run}","thirdUserId":"{own}"}}"#);
            http::post(&target.authority, "/im/user/register", http::JSON, &body)
        },
        |own, body| {
            let answer: ChatAnswer =
                serde_json::from_slice(body).map_err(|error| error.to_string())?;
            identities.push(Identity {
                name: format!("bench/{run}/{own}"),
                token: answer.token,
                user: answer.user_id,
            });
            Ok(())
        },
    )?;
    Ok(identities)
}

/// Makes a conv group of jim's users; the first is its owner.
///
/// # Errors
/// What the server or the connection refused.
pub fn conv_group(target: &Target, members: &[Identity]) -> Result<Group, String> {
    let names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    let (owner, others) = names.split_first().ok_or("a group needs members")?;
    let body = serde_json::json!({"owner_id": owner, "name": "bench", "member": others});
    let list = serde_json::json!({"from_id": owner});
    let mut group = Group::default();
    for (path, body) in [("/im/creat/group", body), ("/im/conv/list", list)] {
        call_all(
            target,
            &[body],
            |body| http::post(&target.authority, path, http::JSON, &body.to_string()),
            |_, answer| {
                let answer: serde_json::Value =
                    serde_json::from_slice(answer).map_err(|error| error.to_string())?;
                if let Some(name) = answer[0]["conv_id"].as_str() {
                    group.name = name.to_owned();
                }
                Ok(())
            },
        )?;
    }
    match group.name.is_empty() {
        true => Err("the group is not in its owner's list".to_owned()),
        false => Ok(group),
    }
}

/// Makes a team of chat's users; the first is its owner.
///
/// # Errors
/// What the server or the connection refused.
pub fn chat_team(target: &Target, members: &[Identity]) -> Result<Group, String> {
    let owner = members.first().ok_or("a team needs members")?.user;
    let members: Vec<_> = members
        .iter()
        .map(|member| serde_json::json!({"userId": member.user}))
        .collect();
    let body = serde_json::json!({"userId": owner, "name": "bench", "members": members});
    let mut group = Group::default();
    call_all(
        target,
        &[body],
        |body| {
            http::post(
                &target.authority,
                "/im/team/add",
                http::JSON,
                &body.to_string(),
            )
        },
        |_, answer| {
            let answer: serde_json::Value =
                serde_json::from_slice(answer).map_err(|error| error.to_string())?;
            group.team = answer["id"].as_u64().ok_or("a team without a number")?;
            Ok(())
        },
    )?;
    Ok(group)
}

/// Has each user say something to the `count` that follow, over conv.
///
/// # Errors
/// The first that the server or the connection refused.
pub fn converse(target: &Target, users: &[Identity], count: usize) -> Result<(), String> {
    let pairs: Vec<_> = (0..users.len())
        .flat_map(|from| (1..=count).map(move |by| (from, (from + by) % users.len())))
        .filter(|(from, to)| from != to)
        .collect();
    call_all(
        target,
        &pairs,
        |(from, to)| {
            let (from, to) = (&users[*from].name, &users[*to].name);
            let body =
                format!(r#"{{"from_id":"{from}","to_id":"{to}","msg":"hello","msg_type":0}}"#);
            http::post(&target.authority, "/im/send/msg", http::JSON, &body)
        },
        |_, _| Ok(()),
    )
}

fn call_all<T>(
    target: &Target,
    items: &[T],
    request: impl Fn(&T) -> Vec<u8>,
    mut answer: impl FnMut(&T, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("logging in at {}: {error}", target.address);
    let mut stream = TcpStream::connect_timeout(&target.address, TIMEOUT).map_err(failed)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut input = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    for batch in items.chunks(PIPELINED) {
        let requests: Vec<u8> = batch.iter().flat_map(&request).collect();
        stream.write_all(&requests).map_err(failed)?;
        for item in batch {
            let response = loop {
                match http::parse(&input)? {
                    Some(response) => break response,
                    None => match stream.read(&mut chunk).map_err(failed)? {
                        0 => return Err("logging in: closed by the server".to_owned()),
                        read => input.extend_from_slice(&chunk[..read]),
                    },
                }
            };
            let body = &input[response.body.clone()];
            if response.status != 200 {
                let body = String::from_utf8_lossy(body);
                return Err(format!("logging in: status {}: {body}", response.status));
            }
            answer(item, body).map_err(|error| format!("logging in: {error}"))?;
            input.drain(..response.taken);
        }
    }
    Ok(())
}
