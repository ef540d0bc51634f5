//! The calls and frames of `chat` as an app makes them.

use super::{Client, GUARD, Request, Server};
use serde_json::{Value, json};
use std::net::TcpStream;
use tungstenite::{Message, WebSocket};

/// A user of an app, with a connection for calls and a socket.
pub struct App {
    /// The connection for calls.
    pub http: Client,
    /// The user's number.
    pub user: u64,
    /// The user's token.
    pub token: String,
    socket: WebSocket<TcpStream>,
}

impl App {
    /// Registers `name` and lets it in.
    #[track_caller]
    pub fn login(server: &Server, name: &str) -> App {
        let mut http = server.client();
        let body = json!({"company": "c", "app": "a", "thirdUserId": name});
        let answer = call(&mut http, "/im/user/register", &body);
        let user = answer["userId"].as_u64().expect("a number");
        let token = answer["token"].as_str().expect("a token").to_owned();
        let socket = open(server);
        let mut app = App {
            http,
            user,
            token,
            socket,
        };
        app.authenticate();
        app
    }

    /// A second socket of the same user, beside the one there is.
    #[track_caller]
    pub fn another(&self, server: &Server) -> App {
        let mut app = App {
            http: server.client(),
            user: self.user,
            token: self.token.clone(),
            socket: open(server),
        };
        app.authenticate();
        app
    }

    /// Lets a user in by number, who needs no token where that is open.
    #[track_caller]
    pub fn known(server: &Server, user: u64) -> App {
        let mut app = App {
            http: server.client(),
            user,
            token: String::new(),
            socket: open(server),
        };
        app.send(&json!({"msgType": "Auth", "fromUserId": user}));
        app
    }

    /// Opens another socket in place of the one there is.
    #[track_caller]
    pub fn reconnect(&mut self, server: &Server) {
        self.http = server.client();
        self.socket = open(server);
        self.authenticate();
    }

    /// Says who this is. Nothing answers that; what is asked after it is.
    #[track_caller]
    fn authenticate(&mut self) {
        let content = format!("{{'token':'{}'}}", self.token);
        self.send(&json!({"msgType": "Auth", "fromUserId": self.user, "content": content}));
    }

    /// Sends a frame.
    #[track_caller]
    pub fn send(&mut self, frame: &Value) {
        let message = Message::text(frame.to_string());
        self.socket.send(message).expect("the socket is open");
    }

    /// The next frame, which has eleven keys.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a frame") {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(frame.as_object().map(|keys| keys.len()), Some(11), "{text}");
                    return frame;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a text: {other:?}"),
            }
        }
    }

    /// The code with which the server closes the socket.
    #[track_caller]
    pub fn closed(&mut self) -> u16 {
        match self.socket.read().expect("a close frame") {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("not a close frame: {other:?}"),
        }
    }

    /// Says a text to a user and waits for the `Ack`, which is the next frame.
    #[track_caller]
    pub fn say(&mut self, id: u64, to: u64, text: &str) {
        self.send(&json!({
            "id": id, "toUserId": to, "chatType": "Single", "msgType": "Text", "content": text
        }));
        let ack = self.receive();
        assert_eq!(ack["msgType"], "Ack", "{ack}");
        assert_eq!(ack["content"], format!("{{\"srcId\":{id}}}"));
    }

    /// Acknowledges a message.
    #[track_caller]
    pub fn acknowledge(&mut self, id: u64) {
        let content = format!("{{'srcId': {id}}}");
        self.send(&json!({"msgType": "Ack", "chatType": "Single", "content": content}));
    }

    /// Waits until everything that was sent before is done: an answer comes after it.
    #[track_caller]
    pub fn sync(&mut self) {
        self.send(&json!({"msgType": "Nonsense"}));
        assert_eq!(self.receive()["msgType"], "Error");
    }

    /// The same where what waits may be told of first.
    #[track_caller]
    pub fn sync_past_notice(&mut self) {
        self.send(&json!({"msgType": "Nonsense"}));
        let mut frame = self.receive();
        if frame["eventType"] == "OfflineMessage" {
            frame = self.receive();
        }
        assert_eq!(frame["msgType"], "Error", "{frame}");
    }

    /// The answer to a call.
    #[track_caller]
    pub fn call(&mut self, path: &str, body: &Value) -> Value {
        call(&mut self.http, path, body)
    }

    /// The states of what waits, by the ids.
    #[track_caller]
    pub fn states(&mut self) -> Vec<(u64, String)> {
        let rows = self.call("/im/message/offline", &json!({"userId": self.user}));
        let rows = rows.as_array().expect("a list").iter();
        let row = |row: &Value| {
            let state = row["stateEnum"].as_str().expect("a state");
            (row["id"].as_u64().expect("an id"), state.to_owned())
        };
        rows.map(row).collect()
    }

    /// The ids of what waits.
    #[track_caller]
    pub fn offline(&mut self) -> Vec<u64> {
        let rows = self.call("/im/message/offline", &json!({"userId": self.user}));
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| row["id"].as_u64().expect("an id")).collect()
    }
}

fn open(server: &Server) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(server.addr()).expect("the server accepts");
    stream.set_read_timeout(Some(GUARD)).expect("a timeout");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let url = format!("ws://{}/ws", server.addr());
    let (socket, _) = tungstenite::client(url, stream).expect("a handshake");
    socket
}

#[track_caller]
fn call(http: &mut Client, path: &str, body: &Value) -> Value {
    let response = http.call(&Request::post(path, "application/json", body.to_string()));
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("cache-control"), Some("no-store"));
    match response.text() {
        "" => Value::Null,
        _ => response.json(),
    }
}
