//! A server of threads: buyer calls, jim users and messages, and an echo, each as well or as badly as it is told to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket};

/// What happens to message number 1 of every sender; all others are treated well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    None,
    /// Acknowledged and not delivered.
    Lose,
    /// Delivered twice.
    Double,
    /// Delivered after number 2.
    Swap,
    /// Delivered with another body.
    Change,
    /// Refused, and not delivered.
    Refuse,
    /// Refused, and delivered.
    RefuseAndDeliver,
    /// Delivered and never answered.
    Ignore,
    /// Delivered to the sender.
    Misdeliver,
    /// The connection ends.
    Close,
}

struct State {
    mischief: Mischief,
    /// How often it was done.
    done: AtomicU64,
    users: Mutex<HashMap<String, String>>,
    online: Mutex<HashMap<String, Arc<Mutex<TcpStream>>>>,
    /// The members of the only group.
    group: Mutex<Vec<String>>,
    calls: AtomicU64,
}

pub struct Mock {
    address: SocketAddr,
    state: Arc<State>,
}

impl Mock {
    pub fn start(mischief: Mischief) -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mischief,
            done: AtomicU64::new(0),
            users: Mutex::default(),
            online: Mutex::default(),
            group: Mutex::default(),
            calls: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                // A client that goes away is no failure of the mock.
                thread::spawn(move || drop(state.serve(stream.unwrap())));
            }
        });
        Mock { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it misbehaved.
    pub fn mischief_done(&self) -> u64 {
        self.state.done.load(Ordering::SeqCst)
    }

    /// Ends the connections of all users; how many they were.
    pub fn drop_all(&self) -> usize {
        let all: Vec<_> = self.state.online.lock().unwrap().drain().collect();
        for (_, stream) in &all {
            stream.lock().unwrap().shutdown(Shutdown::Both).unwrap();
        }
        all.len()
    }

    /// How many calls it answered.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream.try_clone()?;
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_owned()),
                }
            }
            let field = |name: &str| {
                head.iter().find_map(|line| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let target = head[0].split(' ').nth(1).unwrap().to_owned();
            let length = field("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            if let Some(key) = field("sec-websocket-key") {
                let accept = derive_accept_key(key.as_bytes());
                write!(
                    writer,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                )?;
                return match target.strip_prefix("/?token=") {
                    Some(token) => self.jim(stream, token),
                    None => self.echo(stream),
                };
            }
            self.calls.fetch_add(1, Ordering::SeqCst);
            let (status, body) = self.answer(&target, &body);
            write!(
                writer,
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
    }

    fn answer(&self, target: &str, body: &[u8]) -> (u16, String) {
        if target == "/im/vanke/initUser" {
            let user: Value = serde_json::from_slice(body).unwrap();
            let text = |name: &str| user[name].as_str().unwrap().to_owned();
            self.users
                .lock()
                .unwrap()
                .insert(text("token"), text("senderId"));
            return (
                200,
                json!({"code": 200, "msg": "success", "data": null}).to_string(),
            );
        }
        if target == "/im/creat/group" {
            let group: Value = serde_json::from_slice(body).unwrap();
            let others = group["member"].as_array().unwrap().iter();
            let members = std::iter::once(&group["owner_id"]).chain(others);
            let members = members.map(|name| name.as_str().unwrap().to_owned());
            *self.group.lock().unwrap() = members.collect();
            return (200, "{}".to_owned());
        }
        if target == "/im/conv/list" {
            return (200, json!([{"conv_id": "g"}]).to_string());
        }
        if target.starts_with("/soa-im/buyer/registerAndLogin?buyer_name=") {
            let name = target.split('=').nth(1).unwrap();
            let data = json!({"token": format!("of-{name}")});
            return (
                200,
                json!({"state": 1, "success": true, "message": "", "data": data}).to_string(),
            );
        }
        if let Some(query) = target.strip_prefix("/soa-im/buyer/getMsg?") {
            let value = |name: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).unwrap().1
            };
            let valid = value("token") == format!("of-{}", value("buyer_name"))
                && value("shopname").contains("-shop-");
            return (
                200,
                json!({"state": 1, "success": valid, "message": "", "data": {}}).to_string(),
            );
        }
        match target {
            "/hello" => (200, "hello".to_owned()),
            "/soa-im/buyer/getHistoryMsg" | "/broken" => (500, String::new()),
            _ => (
                200,
                json!({"state": 0, "success": false, "message": "no", "data": {}}).to_string(),
            ),
        }
    }

    fn jim(&self, stream: TcpStream, token: &str) -> std::io::Result<()> {
        let writer = Arc::new(Mutex::new(stream.try_clone()?));
        let Some(user) = self.users.lock().unwrap().get(token).cloned() else {
            return send(
                &writer,
                &json!({"code": 10008, "command": 6, "msg": "login failed"}),
            );
        };
        self.online
            .lock()
            .unwrap()
            .insert(user.clone(), Arc::clone(&writer));
        send(&writer, &json!({"code": 10007, "command": 6, "msg": "ok"}))?;
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        let mut held = None;
        while let Ok(message) = socket.read() {
            let Ok(message) = serde_json::from_slice::<Value>(&message.into_data()) else {
                continue;
            };
            if message["cmd"] == 13 {
                send(
                    &writer,
                    &json!({"command": 13, "data": {"createTime": 1, "hbbyte": -128}}),
                )?;
                continue;
            }
            let (to, others) = match message["to"].as_str() {
                Some(to) => (to.to_owned(), Vec::new()),
                None => self.members_online(&user),
            };
            let recipient = Arc::clone(&self.online.lock().unwrap()[&to]);
            let content = message["content"].as_str().unwrap();
            let number: u64 = content.split(' ').nth(1).unwrap().parse().unwrap();
            let push = json!({"command": 11, "data": {
                "chatType": 2, "cmd": 11, "content": content, "createTime": 1, "from": user,
                "id": message.get("id").cloned().unwrap_or_else(|| json!("made by the server")),
                "msgType": 0, "to": to,
            }});
            let mischief = if number == 1 {
                self.mischief
            } else {
                Mischief::None
            };
            if mischief != Mischief::None {
                self.done.fetch_add(1, Ordering::SeqCst);
            }
            for other in others {
                send(&other, &push)?;
            }
            let mut code = 10000;
            match mischief {
                Mischief::None => send(&recipient, &push)?,
                Mischief::Lose => {}
                Mischief::Double => {
                    send(&recipient, &push)?;
                    send(&recipient, &push)?;
                }
                Mischief::Swap => held = Some(push),
                Mischief::Change => {
                    let mut push = push;
                    push["data"]["content"] = json!(content.replace("abc", "abd"));
                    send(&recipient, &push)?;
                }
                Mischief::Refuse => code = 10022,
                Mischief::RefuseAndDeliver => {
                    send(&recipient, &push)?;
                    code = 10022;
                }
                Mischief::Ignore => {
                    send(&recipient, &push)?;
                    continue;
                }
                Mischief::Misdeliver => send(&writer, &push)?,
                // The others hold this socket, too.
                Mischief::Close => return writer.lock().unwrap().shutdown(Shutdown::Both),
            }
            if number == 2
                && let Some(push) = held.take()
            {
                send(&recipient, &push)?;
            }
            send(&writer, &json!({"code": code, "command": 12, "msg": "m"}))?;
        }
        Ok(())
    }

    /// One member of the group who is not `user`, and the connections of all others that are there.
    fn members_online(&self, user: &str) -> (String, Vec<Arc<Mutex<TcpStream>>>) {
        let online = self.online.lock().unwrap();
        let members = self.group.lock().unwrap();
        let mut there = members.iter().filter(|name| online.contains_key(*name));
        let one = there.clone().find(|name| *name != user).unwrap();
        let others = there.by_ref().filter(|name| *name != one);
        let others = others.map(|name| Arc::clone(&online[name]));
        (one.clone(), others.collect())
    }

    fn echo(&self, stream: TcpStream) -> std::io::Result<()> {
        let writer = Mutex::new(stream.try_clone()?);
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        let mut held = None;
        let mut number = 0;
        while let Ok(message) = socket.read() {
            if !message.is_text() {
                continue;
            }
            let payload = message.into_data();
            let mischief = if number == 1 {
                self.mischief
            } else {
                Mischief::None
            };
            if mischief != Mischief::None {
                self.done.fetch_add(1, Ordering::SeqCst);
            }
            match mischief {
                Mischief::None => frame(&writer, &payload)?,
                Mischief::Double => {
                    frame(&writer, &payload)?;
                    frame(&writer, &payload)?;
                }
                Mischief::Swap => held = Some(payload),
                Mischief::Change => frame(&writer, &payload[1..])?,
                Mischief::Close => return Ok(()),
                _ => {}
            }
            if number == 2
                && let Some(payload) = held.take()
            {
                frame(&writer, &payload)?;
            }
            number += 1;
        }
        Ok(())
    }
}

fn send(writer: &Mutex<TcpStream>, message: &Value) -> std::io::Result<()> {
    frame(writer, message.to_string().as_bytes())
}

/// Sends a text message, in two fragments so that the tool has to put them together.
fn frame(writer: &Mutex<TcpStream>, payload: &[u8]) -> std::io::Result<()> {
    let (one, two) = payload.split_at(payload.len().min(10));
    let mut bytes = vec![0x01, one.len() as u8];
    bytes.extend(one);
    bytes.extend([0x80, 126]);
    bytes.extend((two.len() as u16).to_be_bytes());
    bytes.extend(two);
    writer.lock().unwrap().write_all(&bytes)
}
