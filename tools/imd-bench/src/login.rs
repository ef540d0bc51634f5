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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub name: String,
    /// The session's token.
    pub token: String,
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
        })
        .collect();
    call_all(
        target,
        &identities,
        |Identity { name, token }| {
            let body = format!(
                r#"{{"senderId":"{name}","receiverId":"","nick":"{name}","avatar":"","terminal":"pc","token":"{token}","type":0}}"#
            );
            http::post_json(&target.authority, "/im/vanke/initUser", &body)
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
