//! The calls of `conv` as a back end makes them: `POST` with JSON over a kept connection.

use super::{Client, Request, Response};
use serde_json::{Value, json};

/// A back end that chats on behalf of its users.
pub struct Backend {
    /// The connection.
    pub http: Client,
}

impl Backend {
    /// Over `http`.
    pub fn new(http: Client) -> Backend {
        Backend { http }
    }

    /// The answer to a call.
    #[track_caller]
    pub fn call(&mut self, path: &str, body: &Value) -> Response {
        let request = Request::post(path, "application/json", body.to_string());
        let response = self.http.call(&request);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        response.assert_media_type("application/json");
        response
    }

    /// The result of a call that must succeed.
    #[track_caller]
    pub fn data(&mut self, path: &str, body: &Value) -> Value {
        let response = self.call(path, body);
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// Makes a call that must be refused, with a reason.
    #[track_caller]
    pub fn refused(&mut self, path: &str, body: &Value, status: u16) {
        let response = self.call(path, body);
        assert_eq!(response.status, status, "{}", response.text());
        let body = response.json();
        assert_eq!(body["code"], status);
        assert!(
            body["msg"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
    }

    /// Sends a text to somebody and gives the message's id.
    #[track_caller]
    pub fn send(&mut self, from: &str, to: &str, text: &str) -> String {
        self.send_body(&json!({"from_id": from, "to_id": to, "msg": text}))
    }

    /// Sends a text into a conversation and gives the message's id.
    #[track_caller]
    pub fn send_into(&mut self, from: &str, conv_id: &str, text: &str) -> String {
        self.send_body(&json!({"from_id": from, "conv_id": conv_id, "msg": text}))
    }

    #[track_caller]
    fn send_body(&mut self, body: &Value) -> String {
        let response = self.call("/im/send/msg", body);
        assert_eq!((response.status, response.text()), (200, "{}"));
        response.header("x-msg-id").expect("an id").to_owned()
    }

    /// Makes a group and gives its id.
    #[track_caller]
    pub fn group(&mut self, name: &str, owner: &str, members: &[&str]) -> String {
        let body = json!({"owner_id": owner, "name": name, "member": members});
        let response = self.call("/im/creat/group", &body);
        assert_eq!((response.status, response.text()), (200, "{}"));
        response.header("x-conv-id").expect("an id").to_owned()
    }

    /// Adds members to a group.
    #[track_caller]
    pub fn add(&mut self, conv_id: &str, members: &[&str]) {
        let body = json!({"conv_id": conv_id, "member": members});
        assert_eq!(self.data("/im/add/group/merber", &body), json!({}));
    }

    /// The rows of somebody's list.
    #[track_caller]
    pub fn list(&mut self, name: &str) -> Vec<Value> {
        let list = self.data("/im/conv/list", &json!({"from_id": name}));
        list.as_array().expect("a list").clone()
    }

    /// Somebody's unread count in a conversation.
    #[track_caller]
    pub fn unread(&mut self, name: &str, conv_id: &str) -> u64 {
        let rows = self.list(name);
        let row = rows.iter().find(|row| row["conv_id"] == conv_id);
        row.expect("in the list")["unread_count"]
            .as_u64()
            .expect("a number")
    }

    /// Sender and text of a conversation's messages, old to new, read by `reader` if there is one.
    #[track_caller]
    pub fn messages(&mut self, conv_id: &str, reader: Option<&str>) -> Vec<(String, String)> {
        let body = json!({"from_id": reader, "page_size": 100});
        let page = self.data(&format!("/im/conv/{conv_id}"), &body);
        let rows = page.as_array().expect("a list").iter().rev();
        let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
        rows.map(|row| (text(row, "from_id"), text(row, "msg")))
            .collect()
    }
}
