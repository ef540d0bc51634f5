//! One small client for each dialect, behind one face: what a walk over all of them needs.

use super::kinds::Dialect;
use crate::harness::{App, Backend, Buyer, Jim, Server, join_all, vanke};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// When the clients of `jim` say that they wrote a message. That is shown in `jim` and nowhere else.
pub const JIM_TIME: &str = "1568012384000";

/// The other side of a conversation, by the names that it has.
#[derive(Clone, Debug)]
pub struct Other {
    /// In `buyer`.
    pub buyer: String,
    /// In `jim`.
    pub jim: String,
    /// In `conv`: an id of a user, or of a conversation if this is a group.
    pub conv: String,
    /// In `chat`: the number of a user, or of a team if this is a group.
    pub chat: u64,
    /// Whether it is a group.
    pub is_group: bool,
}

impl Other {
    /// An account.
    pub fn account(world: &World, name: &str) -> Other {
        Other {
            buyer: name.to_owned(),
            jim: name.to_owned(),
            conv: name.to_owned(),
            chat: world.number(name),
            is_group: false,
        }
    }
}

/// A message as a dialect shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The type.
    pub kind: String,
    /// The text.
    pub text: String,
    /// The sender's name.
    pub from: String,
    /// The time, as the dialect writes it.
    pub time: String,
}

/// An account, used over one dialect.
pub trait Driver: Send {
    /// Sends a message of one of the dialect's types and waits until it is stored.
    fn send(&mut self, to: &Other, kind: &str, text: &str);
    /// The messages that are pushed, once there are `count`: then there must be no more. `None` where nothing is pushed.
    fn pushed(&mut self, count: usize) -> Option<Vec<Seen>>;
    /// All messages, old to new. Marks nothing.
    fn history(&mut self, with: &Other) -> Vec<Seen>;
    /// How many are unread. Marks nothing.
    fn unread(&mut self, with: &Other) -> u64;
    /// Reads everything; type and text of what was unread, where reading shows that.
    fn read(&mut self, with: &Other) -> Option<Vec<(String, String)>>;
}

/// A server, and the names and numbers of who is there.
pub struct World {
    /// The server.
    pub server: Server,
    backend: Mutex<Backend>,
    scout: Mutex<App>,
    names: Arc<Mutex<BTreeMap<u64, String>>>,
}

impl World {
    /// Around a server without anybody.
    pub fn new(server: Server) -> World {
        let mut scout = App::login(&server, "scout");
        scout.sync();
        World {
            backend: Mutex::new(Backend::new(server.client())),
            scout: Mutex::new(scout),
            names: Arc::default(),
            server,
        }
    }

    /// The number of an account, which exists from here on: a user of `chat` who hears from it sees the number.
    pub fn number(&self, name: &str) -> u64 {
        let known = self.names.lock().expect("no panic");
        if let Some((number, _)) = known.iter().find(|(_, known)| *known == name) {
            return *number;
        }
        drop(known);
        let mut backend = self.backend.lock().expect("no panic");
        backend.send(name, "c/a/scout", "who am I");
        let mut scout = self.scout.lock().expect("no panic");
        let push = scout.receive();
        scout.acknowledge(push["id"].as_u64().expect("an id"));
        let number = push["fromUserId"].as_u64().expect("a number");
        let mut names = self.names.lock().expect("no panic");
        names.insert(number, name.to_owned());
        number
    }

    /// The name of somebody who is called `short` and comes from `dialect`.
    pub fn name(dialect: Dialect, short: &str) -> String {
        match dialect {
            Dialect::Chat => format!("c/a/{short}"),
            _ => short.to_owned(),
        }
    }

    /// The dialects over which an account can be used: names with a slash are no buyers'.
    pub fn ways(name: &str) -> Vec<Dialect> {
        let mut ways = Dialect::ALL.to_vec();
        ways.retain(|way| *way != Dialect::Buyer || !name.contains('/'));
        ways
    }

    /// Lets an account in over `dialect`.
    pub fn enter(&self, dialect: Dialect, name: &str) -> Box<dyn Driver> {
        match dialect {
            Dialect::Buyer => Box::new(self.server.buyer(name)),
            Dialect::Jim => {
                let jim = self.server.jim(name);
                Box::new(JimDriver {
                    jim,
                    server: Client::of(&self.server),
                    pushed: Vec::new(),
                    sent: 0,
                })
            }
            Dialect::Conv => Box::new(ConvDriver {
                backend: Backend::new(self.server.client()),
                name: name.to_owned(),
            }),
            Dialect::Chat => {
                let mut app = match name.strip_prefix("c/a/") {
                    Some(own) => App::login(&self.server, own),
                    None => App::known(&self.server, self.number(name)),
                };
                app.sync_past_notice();
                self.number(name);
                let names = Arc::clone(&self.names);
                Box::new(ChatDriver {
                    app,
                    names,
                    pushed: Vec::new(),
                    sent: 0,
                })
            }
        }
    }

    /// Asserts that nobody more can join a group.
    pub fn check_full(&self, group: &Other) {
        let mut backend = self.backend.lock().expect("no panic");
        let body = json!({"conv_id": group.conv, "member": ["one too many"]});
        backend.refused("/im/add/group/merber", &body, 400);
    }

    /// Makes a group over `dialect`, which must be one that can, whose owner is the first of `members`.
    pub fn group(&self, dialect: Dialect, name: &str, members: &[String]) -> Other {
        let (owner, rest) = members.split_first().expect("an owner");
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let mut backend = self.backend.lock().expect("no panic");
        match dialect {
            Dialect::Buyer => panic!("buyers make no groups"),
            Dialect::Conv => {
                backend.group(name, owner, &rest);
            }
            Dialect::Jim => {
                let mut owner = self.server.jim(owner);
                join_all(&mut [&mut owner], name);
            }
            Dialect::Chat => {
                drop(backend);
                let members: Vec<_> = members.iter().map(|name| self.number(name)).collect();
                let mut owner = App::known(&self.server, members[0]);
                owner.sync_past_notice();
                let members = members.iter().map(|number| json!({"userId": number}));
                let members: Vec<_> = members.collect();
                let team = owner.call("/im/team/add", &json!({"name": name, "members": members}));
                assert_eq!(rows(&team["members"]).len(), members.len(), "{team}");
                backend = self.backend.lock().expect("no panic");
            }
        }
        let group = |list: Vec<Value>| list.into_iter().find(|row| row["conv_type"] == 1);
        let row = group(backend.list(owner)).expect("the group");
        let conv = text(&row, "conv_id");
        if dialect == Dialect::Jim {
            backend.add(&conv, &rest);
        }
        drop(backend);
        let body = json!({"userId": self.number(owner)});
        let mut owner = App::known(&self.server, self.number(owner));
        owner.sync_past_notice();
        let list = owner.call("/im/user/chat/list", &body);
        let row = rows(&list).iter().find(|row| row["chatType"] == "Group");
        Other {
            buyer: name.to_owned(),
            jim: match dialect {
                Dialect::Jim => name.to_owned(),
                _ => conv.clone(),
            },
            conv,
            chat: row.expect("the group")["teamId"]
                .as_u64()
                .expect("a number"),
            is_group: true,
        }
    }
}

fn text(row: &Value, key: &str) -> String {
    match &row[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("{key} is {other} in {row}"),
    }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Driver for Buyer {
    fn send(&mut self, to: &Other, kind: &str, text: &str) {
        let params = [
            ("shopname", &*to.buyer),
            ("content", text),
            ("content_type", kind),
        ];
        self.data("sendMsg", &params);
    }

    fn pushed(&mut self, _count: usize) -> Option<Vec<Seen>> {
        None
    }

    fn history(&mut self, with: &Other) -> Vec<Seen> {
        let params = [("shopname", &*with.buyer), ("page_size", "100")];
        let data = self.data("getHistoryMsg", &params);
        let own = self.name.clone();
        rows(&data["detailList"])
            .iter()
            .map(|row| {
                let from = text(row, "from");
                let to = if with.is_group || from == own {
                    &with.buyer
                } else {
                    &own
                };
                assert_eq!(text(row, "to"), *to);
                Seen {
                    kind: text(row, "type"),
                    text: text(row, "text"),
                    from,
                    time: text(row, "time"),
                }
            })
            .collect()
    }

    fn unread(&mut self, with: &Other) -> u64 {
        let listed = self.list("getFirstShowChatList");
        let count = |rows: &[(String, String)]| {
            let row = rows.iter().find(|(name, _)| *name == with.buyer);
            row.map_or(0, |(_, unread)| unread.parse().expect("a number"))
        };
        let unread = count(&listed);
        assert_eq!(count(&self.list("getCurrentChatList")), unread);
        let all = listed.iter().map(|(_, unread)| unread.parse::<u64>());
        let all: u64 = all.map(|unread| unread.expect("a number")).sum();
        assert_eq!(Buyer::unread(self), all);
        unread
    }

    fn read(&mut self, with: &Other) -> Option<Vec<(String, String)>> {
        let data = self.data("getMsg", &[("shopname", &*with.buyer)]);
        let list = rows(&data["msgList"]).iter();
        Some(
            list.map(|row| (text(row, "type"), text(row, "text")))
                .collect(),
        )
    }
}

/// Calls over HTTP.
struct Client(crate::harness::Client);

impl Client {
    fn of(server: &Server) -> Client {
        Client(server.client())
    }
}

struct JimDriver {
    jim: Jim,
    server: Client,
    pushed: Vec<Seen>,
    sent: u64,
}

impl JimDriver {
    fn seen(row: &Value) -> Seen {
        Seen {
            kind: text(row, "msgType"),
            text: text(row, "content"),
            from: text(row, "from"),
            time: text(row, "createTime"),
        }
    }

    /// The next frame that is no push of a message and no notice of who comes.
    fn answer(&mut self) -> Value {
        loop {
            let frame: Value = serde_json::from_str(&self.jim.socket.text()).expect("JSON");
            match frame["command"].as_u64() {
                Some(11) => self.pushed.push(JimDriver::seen(&frame["data"])),
                Some(9 | 10) => {}
                _ => return frame,
            }
        }
    }

    fn call(&mut self, command: &Value) -> Value {
        self.jim.socket.send(&command.to_string());
        self.answer()
    }

    /// Command 19.
    fn messages(&mut self, kind: u8, with: &Other) -> Vec<Value> {
        let field = if with.is_group {
            "groupId"
        } else {
            "fromUserId"
        };
        let command = json!({"cmd": 19, "type": kind, "userId": self.jim.name, field: with.jim});
        let answer = self.call(&command);
        assert_eq!(answer["code"], 10018, "{answer}");
        let data = &answer["data"];
        assert_eq!(data["userid"], *self.jim.name);
        let place = if with.is_group { "groups" } else { "friends" };
        rows(&data[place][&*with.jim]).to_vec()
    }
}

impl Driver for JimDriver {
    fn send(&mut self, to: &Other, kind: &str, text: &str) {
        self.sent += 1;
        let (field, chat_type) = if to.is_group {
            ("groupId", 1)
        } else {
            ("to", 2)
        };
        let kind: i32 = kind.parse().expect("a number");
        let time: u64 = JIM_TIME.parse().expect("a number");
        let answer = self.call(&json!({
            "cmd": 11, "from": self.jim.name, field: to.jim, "chatType": chat_type, "msgType": kind,
            "content": text, "createTime": time, "id": format!("{}-{}", self.jim.name, self.sent),
        }));
        assert!(
            answer["code"] == 10000 || answer["code"] == 10001 && !to.is_group,
            "{answer}"
        );
    }

    fn pushed(&mut self, count: usize) -> Option<Vec<Seen>> {
        while self.pushed.len() < count {
            let frame: Value = serde_json::from_str(&self.jim.socket.text()).expect("JSON");
            match frame["command"].as_u64() {
                Some(11) => self.pushed.push(JimDriver::seen(&frame["data"])),
                Some(9 | 10) => {}
                _ => panic!("not a push: {frame}"),
            }
        }
        assert_eq!(self.call(&json!({"cmd": 13}))["command"], 13);
        assert_eq!(self.pushed.len(), count, "{:?}", self.pushed);
        Some(std::mem::take(&mut self.pushed))
    }

    fn history(&mut self, with: &Other) -> Vec<Seen> {
        let list = self.messages(1, with);
        list.iter().map(JimDriver::seen).collect()
    }

    fn unread(&mut self, with: &Other) -> u64 {
        let unread = self.messages(2, with).len() as u64;
        if !with.is_group {
            let body = json!({"to": self.jim.name, "from": with.jim, "op": 1, "isConcurrent": 0});
            let answer = vanke(&mut self.server.0, "chatInfo", &body);
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            assert_eq!(answer["data"]["unReadNum"], unread, "{answer}");
        }
        unread
    }

    fn read(&mut self, with: &Other) -> Option<Vec<(String, String)>> {
        let list = self.messages(0, with);
        let list = list.iter().map(JimDriver::seen);
        Some(list.map(|seen| (seen.kind, seen.text)).collect())
    }
}

struct ConvDriver {
    backend: Backend,
    name: String,
}

impl ConvDriver {
    fn row(&mut self, with: &Other) -> Option<Value> {
        let list = self.backend.list(&self.name);
        list.into_iter().find(|row| match with.is_group {
            true => row["conv_id"] == *with.conv,
            false => row["conv_type"] == 0 && rows(&row["conv_users"]).contains(&json!(with.conv)),
        })
    }
}

impl Driver for ConvDriver {
    fn send(&mut self, to: &Other, kind: &str, text: &str) {
        let field = if to.is_group { "conv_id" } else { "to_id" };
        let kind: i32 = kind.parse().expect("a number");
        let body = json!({"from_id": self.name, field: to.conv, "msg": text, "msg_type": kind});
        assert_eq!(self.backend.data("/im/send/msg", &body), json!({}));
    }

    fn pushed(&mut self, _count: usize) -> Option<Vec<Seen>> {
        None
    }

    fn history(&mut self, with: &Other) -> Vec<Seen> {
        let Some(row) = self.row(with) else {
            return Vec::new();
        };
        let conv_id = text(&row, "conv_id");
        let path = format!("/im/conv/{conv_id}");
        let page = self.backend.data(&path, &json!({"page_size": 100}));
        if let Some(newest) = rows(&page).first() {
            for (key, last) in [("msg", "last_msg"), ("msg_type", "last_msg_type")] {
                assert_eq!(newest[key], row[last]);
            }
            assert_eq!(newest["from_time"], row["last_time"]);
        }
        rows(&page)
            .iter()
            .rev()
            .map(|row| {
                assert_eq!(row["conv_id"], *conv_id);
                Seen {
                    kind: text(row, "msg_type"),
                    text: text(row, "msg"),
                    from: text(row, "from_id"),
                    time: text(row, "from_time"),
                }
            })
            .collect()
    }

    fn unread(&mut self, with: &Other) -> u64 {
        self.row(with)
            .map_or(0, |row| row["unread_count"].as_u64().expect("a number"))
    }

    fn read(&mut self, with: &Other) -> Option<Vec<(String, String)>> {
        let (path, body) = match with.is_group {
            true => (
                format!("/im/conv/{}", with.conv),
                json!({"from_id": self.name}),
            ),
            false => (
                "/im/from/to".to_owned(),
                json!({"from_id": self.name, "to_id": with.conv}),
            ),
        };
        self.backend.data(&path, &body);
        None
    }
}

struct ChatDriver {
    app: App,
    names: Arc<Mutex<BTreeMap<u64, String>>>,
    pushed: Vec<(u64, Seen)>,
    sent: u64,
}

impl ChatDriver {
    fn seen(&self, row: &Value) -> (u64, Seen) {
        let number = row["fromUserId"].as_u64().expect("a number");
        let names = self.names.lock().expect("no panic");
        let seen = Seen {
            kind: text(row, "msgType"),
            text: text(row, "content"),
            from: names[&number].clone(),
            time: text(row, "timestamp"),
        };
        (row["id"].as_u64().expect("an id"), seen)
    }

    /// The next frame that is no push of a message.
    fn answer(&mut self) -> Value {
        loop {
            let frame = self.app.receive();
            match frame["msgType"].as_str() {
                Some("Ack" | "Error" | "Event") => return frame,
                _ => self.pushed.push(self.seen(&frame)),
            }
        }
    }

    fn row(&mut self, with: &Other) -> Option<Value> {
        let key = if with.is_group { "teamId" } else { "toUserId" };
        let body = json!({"userId": self.app.user});
        let list = self.app.call("/im/user/chat/list", &body);
        rows(&list)
            .iter()
            .find(|row| row[key] == with.chat)
            .cloned()
    }
}

impl Driver for ChatDriver {
    fn send(&mut self, to: &Other, kind: &str, text: &str) {
        self.sent += 1;
        let id = self.app.user * 1_000 + self.sent;
        let (field, chat_type) = match to.is_group {
            true => ("teamId", "Group"),
            false => ("toUserId", "Single"),
        };
        self.app.send(&json!({
            "id": id, field: to.chat, "chatType": chat_type, "msgType": kind, "content": text
        }));
        let ack = self.answer();
        assert_eq!(ack["msgType"], "Ack", "{ack}");
        assert_eq!(ack["content"], format!("{{\"srcId\":{id}}}"));
    }

    fn pushed(&mut self, count: usize) -> Option<Vec<Seen>> {
        while self.pushed.len() < count {
            let frame = self.app.receive();
            self.pushed.push(self.seen(&frame));
        }
        for (id, _) in &self.pushed {
            self.app.acknowledge(*id);
        }
        self.app.send(&json!({"msgType": "Nonsense"}));
        assert_eq!(self.answer()["msgType"], "Error");
        assert_eq!(self.pushed.len(), count, "{:?}", self.pushed);
        Some(self.pushed.drain(..).map(|(_, seen)| seen).collect())
    }

    fn history(&mut self, with: &Other) -> Vec<Seen> {
        let own = self.app.user;
        let body = match with.is_group {
            true => json!({"userId": own, "teamId": with.chat, "pageSize": 100}),
            false => json!({"fromUserId": own, "toUserId": with.chat, "pageSize": 100}),
        };
        let page = self.app.call("/im/message/user/get/page", &body);
        let seen = rows(&page).iter().rev().map(|row| self.seen(row).1);
        seen.collect()
    }

    fn unread(&mut self, with: &Other) -> u64 {
        self.row(with)
            .map_or(0, |row| row["unReadCount"].as_u64().expect("a number"))
    }

    fn read(&mut self, with: &Other) -> Option<Vec<(String, String)>> {
        if with.is_group {
            let row = self.row(with).expect("in the list");
            self.app
                .call("/im/user/chat/clear/unread", &json!({"id": row["id"]}));
        } else {
            let body = json!({"fromUserId": self.app.user, "toUserId": with.chat});
            self.app.call("/im/user/chat/clear/unread2", &body);
        }
        None
    }
}
