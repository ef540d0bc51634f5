//! A user of `chat`: calls over HTTP, and a socket on which messages are acknowledged.

use imd::domain::command::Refusal;
use imd::domain::message::Dialect;
use serde_json::{Value, json};

use crate::clients::http::Answer;
use crate::clients::{Asked, Client, Context, Kind, Stage, Target, some_group, some_name};
use crate::history::{Broken, Kept, hold, numbers_in, text_of};

impl Client {
    fn register(&mut self) {
        let user = self.name.rsplit('/').next().unwrap_or_default();
        let body = json!({"company": "co", "app": "app", "thirdUserId": user});
        self.post("/im/user/register", &body, Asked::Login);
    }

    pub(super) fn act_as_app(&mut self, context: &mut Context<'_>) {
        if self.stage == Stage::Http {
            if self.asked.is_empty() {
                self.register();
            }
            return;
        }
        let frame = match context.source.below(12) {
            0..6 => {
                let (number, said) = self.message(context);
                // Ids begin at 1, and a message's number at 0.
                let mut frame =
                    json!({"id": number + 1, "msgType": "Text", "content": text_of(number)});
                match &said.target {
                    Target::Account(other) => {
                        frame["chatType"] = json!("Single");
                        let other = context.history.account(other).map_or(1_000_000, |id| id.0);
                        frame["toUserId"] = json!(other);
                    }
                    Target::Group(id) => {
                        frame["chatType"] = json!("Group");
                        frame["teamId"] = json!(id.0);
                    }
                }
                frame
            }
            6 => {
                let Some(other) = context.history.account(&some_name(context.source)) else {
                    return;
                };
                let number = self.event(context);
                json!({"id": number + 1, "toUserId": other.0, "chatType": "Single", "msgType": "Event",
                       "eventType": "Like", "content": text_of(number)})
            }
            7..11 if !self.unacknowledged.is_empty() => {
                let at = context.source.below(self.unacknowledged.len());
                let (id, _) = self.unacknowledged.swap_remove(at);
                let content = format!("{{'srcId':{id}}}");
                json!({"msgType": "Ack", "chatType": "Single", "content": content})
            }
            _ => json!({"msgType": "Heartbeat"}),
        };
        self.send_text(&frame.to_string(), context.source);
    }

    pub(super) fn call_as_app(&mut self, context: &mut Context<'_>) {
        let Some(user) = self.user else {
            self.register();
            return;
        };
        match context.source.below(20) {
            0..4 => {
                let body = json!({"userId": user});
                self.post("/im/message/offline", &body, Asked::Rising);
            }
            4..7 => {
                let body = json!({"userId": user, "pageSize": 20});
                self.post("/im/message/user/get/page", &body, Asked::Falling);
            }
            7..9 => {
                if let Some(group) = some_group(context) {
                    let body = json!({"userId": user, "teamId": group.id.0});
                    self.post("/im/message/user/get/page", &body, Asked::Falling);
                }
            }
            9..12 => {
                let since = context.published;
                let body = json!({"userId": user});
                self.post("/im/user/chat/unread/count", &body, Asked::Unread(since));
            }
            12..14 => {
                let body = json!({"fromUserId": user});
                self.post("/im/user/chat/list", &body, Asked::Anything);
            }
            14..17 => {
                if let Some(other) = context.history.account(&some_name(context.source)) {
                    let body = json!({"fromUserId": user, "toUserId": other.0});
                    self.post("/im/user/chat/clear/unread2", &body, Asked::Anything);
                }
            }
            17 => self.post("/im/message/get/id", &json!({}), Asked::Anything),
            18 => {
                let count = context.history.groups().len();
                let other = context.history.account(&some_name(context.source));
                if let Some(other) = other.filter(|_| count < 4) {
                    let members = json!([{"userId": user}, {"userId": other.0}]);
                    let body = json!({"name": format!("g{count}"), "members": members});
                    self.post("/im/team/add", &body, Asked::Anything);
                }
            }
            _ => {
                let other = context.history.account(&some_name(context.source));
                if let (Some(group), Some(other)) = (some_group(context), other) {
                    let op = *context.source.pick(&["insert", "delete"]);
                    let members = json!([{"userId": other.0, "op": op}]);
                    let body = json!({"id": group.id.0, "members": members});
                    self.post("/im/team/update", &body, Asked::Anything);
                }
            }
        }
    }

    pub(super) fn check_call(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        context: &mut Context<'_>,
    ) -> Kept {
        let json = answer.json();
        match asked {
            Asked::Login if answer.status == 200 => {
                self.user = json["userId"].as_u64();
                self.token = json["token"].as_str().map(str::to_owned);
                hold(self.user.is_some() && self.token.is_some(), || {
                    format!("{json}")
                })?;
                if self.kind == Kind::Chat {
                    self.upgrade("/ws");
                }
                Ok(())
            }
            Asked::Unread(since) if answer.status == 200 => {
                self.check_unread(*since, &json["count"], context)
            }
            _ => Ok(()),
        }
    }

    /// Says who it is, once it has a socket.
    pub(super) fn greet(&mut self, context: &mut Context<'_>) {
        if let (Kind::Chat, Some(user), Some(token)) = (self.kind, self.user, self.token.clone()) {
            let frame =
                json!({"msgType": "Auth", "fromUserId": user, "content": format!("{{'{token}'}}")});
            self.send_text(&frame.to_string(), context.source);
            self.has_logged_in = true;
        }
    }

    pub(super) fn receive_message(&mut self, text: &[u8], context: &mut Context<'_>) -> Kept {
        let frame: Value = serde_json::from_slice(text)
            .map_err(|error| Broken(format!("{error}: {}", String::from_utf8_lossy(text))))?;
        hold(
            frame.as_object().is_some_and(|keys| keys.len() == 11),
            || format!("not of eleven keys: {frame}"),
        )?;
        let content: Value = frame["content"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let number = content["srcId"].as_u64().and_then(|id| id.checked_sub(1));
        match frame["msgType"].as_str() {
            Some("Ack") => match number {
                Some(number) => self.check_sent(number, Ok(()), context),
                None => Err(Broken(format!("an acknowledgement of nothing: {frame}"))),
            },
            Some("Error") => match number {
                Some(number) => self.check_sent(number, Err(Some(Refusal::Failure)), context),
                None => Ok(()),
            },
            Some("Event") if frame["fromUserId"] == 1 => Ok(()),
            _ => {
                let id = frame["id"].as_u64();
                for number in numbers_in(text) {
                    self.check_push(number, true, context)?;
                    let pair = id.map(|id| (id, number));
                    if let Some(pair) = pair.filter(|pair| !self.unacknowledged.contains(pair)) {
                        self.unacknowledged.push(pair);
                    }
                }
                Ok(())
            }
        }
    }

    /// What must have been pushed to it since it is live, and was not.
    pub fn missing(&self, context: &Context<'_>) -> Vec<u64> {
        let (Some(since), Some(account)) = (self.live_since, context.history.account(&self.name))
        else {
            return Vec::new();
        };
        let dialect = match self.kind {
            Kind::Jim => Dialect::Jim,
            _ => Dialect::Chat,
        };
        let due = context.history.pushed_since(account, since, dialect);
        due.into_iter()
            .filter(|number| !self.heard.contains(number))
            .collect()
    }
}
