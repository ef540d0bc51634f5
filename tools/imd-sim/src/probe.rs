//! What is looked at when everything has come to rest: each dialect is asked, and must say the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::clients::{Client, Kind, NAMES, USERS, user_name};
use crate::history::{Broken, Kept, hold, number_of, numbers_in};
use crate::wire::Link;
use crate::world::World;

/// After this time what was pushed and not acknowledged is pushed again, in milliseconds.
const REPEAT_MS: u64 = 31_000;
/// Most unacknowledged messages of an account for which nothing waits.
const WINDOW: usize = 200;

impl World<'_> {
    /// Lets everything come to rest and looks at it.
    pub(crate) fn rest(&mut self) -> Kept {
        self.settle()?;
        self.check_pushed()?;
        for name in NAMES {
            self.check_buyer(name)?;
            self.check_back_end(name)?;
        }
        for name in USERS.map(user_name) {
            self.check_back_end(&name)?;
            self.check_app(&name)?;
        }
        self.check_repeats()
    }

    /// Every socket has been pushed what was stored since it is certainly there.
    fn check_pushed(&mut self) -> Kept {
        let (clients, context) = self.context();
        for client in clients {
            if !client.is_on_socket() {
                continue;
            }
            let account = context.history.account(&client.name);
            let waiting = account.map_or(0, |account| context.history.undelivered(account).len());
            if client.kind == Kind::Jim || waiting < WINDOW {
                let missing = client.missing(&context);
                hold(missing.is_empty(), || {
                    let Client {
                        kind,
                        name,
                        live_since,
                        ..
                    } = &client;
                    format!("{kind:?} {name} was not pushed {missing:?} since {live_since:?}")
                })?;
            }
            client.live_since = Some(context.history.commit);
        }
        Ok(())
    }

    /// The answer to a call on a connection of its own, while all else is at rest.
    fn ask(&mut self, request: &str) -> Kept<Value> {
        let shard = self.source.below(self.server.shards.len());
        let shards = &mut self.server.shards;
        let link = Link::open(usize::MAX >> 1, |wire| {
            Some((shard, shards[shard].open(wire)?))
        });
        let Some(mut link) = link else {
            return Err(Broken("no connection".to_owned()));
        };
        link.unsent.extend(request.as_bytes());
        link.carry(usize::MAX);
        self.server.shards[shard].note_readable(link.key, false);
        self.settle()?;
        let mut bytes = link.receive(usize::MAX).bytes;
        link.reset();
        self.server.shards[shard].note_readable(link.key, true);
        self.server.turn(shard);
        let answer = crate::clients::answer(&mut bytes)?;
        serde_json::from_slice(&answer).map_err(|error| {
            Broken(format!(
                "{error}: {request} gave {}",
                String::from_utf8_lossy(&answer)
            ))
        })
    }

    fn post(&mut self, path: &str, body: &Value) -> Kept<Value> {
        let body = body.to_string();
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: sim\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn check_buyer(&mut self, name: &str) -> Kept {
        let call = |call: &str, more: &str| {
            format!(
                "GET /soa-im/buyer/{call}?buyer_name={name}{more} HTTP/1.1\r\nHost: sim\r\n\r\n"
            )
        };
        let login = self.ask(&call("registerAndLogin", ""))?;
        let Some(token) = login["data"]["token"].as_str() else {
            return Err(Broken(format!("no login at rest: {login}")));
        };
        let count = self.ask(&call("getUnreadMsgCount", &format!("&token={token}")))?;
        let account = self.history.account(name);
        let unread = account.map_or(0, |account| self.history.unread(account));
        hold(count["data"]["unReadMsgCount"] == unread, || {
            format!("{name} has {unread} unread and buyer says {count}")
        })
    }

    fn check_back_end(&mut self, name: &str) -> Kept {
        let list = self.post("/im/conv/list", &json!({"from_id": name}))?;
        let rows = list.as_array().into_iter().flatten();
        let total: u64 = rows.filter_map(|row| row["unread_count"].as_u64()).sum();
        let account = self.history.account(name);
        let unread = account.map_or(0, |account| self.history.unread(account));
        hold(total == unread, || {
            format!("{name} has {unread} unread and conv says {list}")
        })
    }

    fn check_app(&mut self, name: &str) -> Kept {
        let Some(account) = self.history.account(name) else {
            return Ok(());
        };
        let user = account.0;
        let count = self.post("/im/user/chat/unread/count", &json!({"userId": user}))?;
        let unread = self.history.unread(account);
        hold(count["count"] == unread, || {
            format!("{name} has {unread} unread and chat says {count}")
        })?;
        let rows = self.post("/im/message/offline", &json!({"userId": user}))?;
        let told = numbers_in(rows.to_string().as_bytes());
        let waiting = self.history.undelivered(account).into_iter();
        let waiting: Vec<u64> = waiting.filter_map(number_of).collect();
        hold(told == waiting, || {
            format!("{waiting:?} wait for {name} and chat says {told:?}")
        })
    }

    /// What is not acknowledged is pushed again, and nothing else is.
    fn check_repeats(&mut self) -> Kept {
        self.clock.pass(REPEAT_MS);
        let mut waiting = Vec::new();
        for client in &mut self.clients {
            let account = self.history.account(&client.name);
            let messages = account.map(|account| self.history.undelivered(account));
            let numbers = messages.into_iter().flatten().filter_map(number_of);
            waiting.push(numbers.collect::<BTreeSet<u64>>());
            client.repeated.clear();
        }
        self.settle()?;
        for (client, waiting) in self.clients.iter().zip(waiting) {
            let stray: Vec<&u64> = client.repeated.difference(&waiting).collect();
            hold(stray.is_empty(), || {
                let Client { kind, name, .. } = client;
                format!("{kind:?} {name} was pushed {stray:?} again, which was acknowledged")
            })?;
        }
        Ok(())
    }
}
