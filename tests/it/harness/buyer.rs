//! The buyer's calls as a client makes them: `GET` with a query over a kept connection.

use super::{Client, Place, Request, Response, captures};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;

/// Every call that needs a token, but `uploadImage`, with parameters that suffice for it.
pub const TOKEN_CALLS: [(&str, &[(&str, &str)]); 7] = [
    ("getFirstShowChatList", &[]),
    ("getCurrentChatList", &[]),
    ("getHistoryMsg", &[("shopname", "sunsanniang")]),
    ("getMsg", &[("shopname", "sunsanniang")]),
    (
        "sendMsg",
        &[("shopname", "sunsanniang"), ("content", "wowo")],
    ),
    ("getUnreadMsgCount", &[]),
    ("logout", &[]),
];

/// The envelope of every answer, with exactly its four fields.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// 1; 0 to log in again; -1 for a server that failed or is busy.
    pub state: i64,
    /// Whether the call did what it says.
    pub success: bool,
    /// Why not.
    pub message: String,
    /// The result, an empty object if there is none.
    pub data: Value,
}

impl Envelope {
    /// Reads the envelope out of an answer that must be what every answer of the application is.
    #[track_caller]
    pub fn of(response: &Response) -> Envelope {
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        response.assert_media_type("application/json");
        let body = response.text();
        serde_json::from_str(body).unwrap_or_else(|e| panic!("not an envelope ({e}): {body}"))
    }

    /// Asserts success and returns `data`.
    #[track_caller]
    pub fn accepted(self) -> Value {
        assert!(
            self.state == 1 && self.success && self.message.is_empty(),
            "not accepted: {self:?}"
        );
        self.data
    }

    /// Asserts a refusal within a valid session, with a reason in Chinese.
    #[track_caller]
    pub fn refused(self) {
        self.check_failure(1);
    }

    /// Asserts that the page is told to log in again.
    #[track_caller]
    pub fn logged_out(self) {
        self.check_failure(0);
    }

    #[track_caller]
    fn check_failure(&self, state: i64) {
        assert!(
            self.state == state && !self.success && self.data == json!({}),
            "not state {state}: {self:?}"
        );
        captures("<reason>", &self.message);
    }
}

/// Logs in and returns the token.
#[track_caller]
pub fn login(http: &mut Client, name: &str) -> String {
    let response = http
        .call(&Place::GetQuery.request("/soa-im/buyer/registerAndLogin", &[("buyer_name", name)]));
    let data = Envelope::of(&response).accepted();
    data["token"]
        .as_str()
        .expect("the token is a string")
        .to_owned()
}

/// Somebody logged in, on a connection of their own. Shops are buyers too: who chats is a name.
pub struct Buyer {
    /// The connection.
    pub http: Client,
    /// The account's name.
    pub name: String,
    /// The token of this login.
    pub token: String,
}

impl Buyer {
    /// Logs in over `http`.
    #[track_caller]
    pub fn login(mut http: Client, name: &str) -> Buyer {
        let token = login(&mut http, name);
        Buyer {
            http,
            name: name.to_owned(),
            token,
        }
    }

    /// The request of a call, with this session's name and token in front of `params`.
    pub fn request(&self, call: &str, params: &[(&str, &str)]) -> Request {
        self.request_in(Place::GetQuery, call, params)
    }

    /// The same with the parameters in `place`.
    pub fn request_in(&self, place: Place, call: &str, params: &[(&str, &str)]) -> Request {
        place.request(
            &format!("/soa-im/buyer/{call}"),
            &[&self.session(), params].concat(),
        )
    }

    /// This session's parameters.
    pub fn session(&self) -> [(&str, &str); 2] {
        [("buyer_name", &self.name), ("token", &self.token)]
    }

    /// Makes a call.
    #[track_caller]
    pub fn call(&mut self, call: &str, params: &[(&str, &str)]) -> Envelope {
        let request = self.request(call, params);
        Envelope::of(&self.http.call(&request))
    }

    /// Makes a call that must succeed and returns `data`.
    #[track_caller]
    pub fn data(&mut self, call: &str, params: &[(&str, &str)]) -> Value {
        self.call(call, params).accepted()
    }

    /// Makes a call to a server that may be gone.
    pub fn try_data(&mut self, call: &str, params: &[(&str, &str)]) -> io::Result<Value> {
        let request = self.request(call, params);
        self.http.try_send(&request.bytes())?;
        Ok(Envelope::of(&self.http.try_response()?).accepted())
    }

    /// Sends a text.
    #[track_caller]
    pub fn send(&mut self, shop: &str, text: &str) {
        self.data("sendMsg", &[("shopname", shop), ("content", text)]);
    }

    /// Sends many texts over one pipeline.
    #[track_caller]
    pub fn send_all(&mut self, shop: &str, texts: &[String]) {
        let requests: Vec<_> = texts
            .iter()
            .map(|text| self.request("sendMsg", &[("shopname", shop), ("content", text)]))
            .collect();
        for response in self.http.pipeline(&requests) {
            Envelope::of(&response).accepted();
        }
    }

    /// `getMsg`: the texts that were unread.
    #[track_caller]
    pub fn read(&mut self, shop: &str) -> Vec<String> {
        texts(&self.data("getMsg", &[("shopname", shop)])["msgList"])
    }

    /// One page of the history: the texts.
    #[track_caller]
    pub fn page(&mut self, shop: &str, page_no: &str, page_size: &str) -> Vec<String> {
        let params = [
            ("shopname", shop),
            ("page_no", page_no),
            ("page_size", page_size),
        ];
        texts(&self.data("getHistoryMsg", &params)["detailList"])
    }

    /// The whole history, old to new: sender and text.
    #[track_caller]
    pub fn history(&mut self, shop: &str) -> Vec<(String, String)> {
        let mut pages = Vec::new();
        loop {
            let page_no = (pages.len() + 1).to_string();
            let params = [
                ("shopname", shop),
                ("page_no", page_no.as_str()),
                ("page_size", "100"),
            ];
            let rows = self.data("getHistoryMsg", &params)["detailList"].take();
            let rows = rows.as_array().expect("detailList is a list");
            if rows.is_empty() {
                return pages.into_iter().rev().flatten().collect();
            }
            pages.push(
                rows.iter()
                    .map(|row| (text_of(row, "from"), text_of(row, "text")))
                    .collect::<Vec<_>>(),
            );
        }
    }

    /// `getUnreadMsgCount`.
    #[track_caller]
    pub fn unread(&mut self) -> u64 {
        self.data("getUnreadMsgCount", &[])["unReadMsgCount"]
            .as_u64()
            .expect("a number")
    }

    /// One of the two lists: name and unread count of each row.
    #[track_caller]
    pub fn list(&mut self, call: &str) -> Vec<(String, String)> {
        let data = self.data(call, &[]);
        let rows = data["mlist"].as_array().expect("mlist is a list");
        rows.iter()
            .map(|row| (text_of(row, "cname"), text_of(row, "unread")))
            .collect()
    }
}

fn texts(rows: &Value) -> Vec<String> {
    rows.as_array()
        .expect("a list of messages")
        .iter()
        .map(|row| text_of(row, "text"))
        .collect()
}

fn text_of(row: &Value, key: &str) -> String {
    row[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is not a string in {row}"))
        .to_owned()
}
