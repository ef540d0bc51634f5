//! A back end: chats for a user over HTTP.

use imd::dialect::conversation_id;
use imd::domain::command::Refusal;
use serde_json::json;

use crate::clients::http::Answer;
use crate::clients::{Asked, Client, Context, Target, some_group, some_name};
use crate::history::{Kept, text_of};

impl Client {
    pub(super) fn act_as_back_end(&mut self, context: &mut Context<'_>) {
        let name = self.name.clone();
        match context.source.below(20) {
            0..8 => {
                let (number, said) = self.message(context);
                let mut body = json!({"from_id": name, "msg": text_of(number)});
                match &said.target {
                    Target::Account(other) => body["to_id"] = json!(other),
                    Target::Group(id) => body["conv_id"] = json!(conversation_id::encode(*id)),
                }
                if said.has_id {
                    body["client_id"] = json!(format!("c{number}"));
                }
                self.post("/im/send/msg", &body, Asked::Send(number));
            }
            8..11 => self.post("/im/conv/list", &json!({"from_id": name}), Asked::Anything),
            11..14 => {
                let body = json!({"from_id": name, "to_id": some_name(context.source)});
                self.post("/im/from/to", &body, Asked::Falling);
            }
            14..17 => {
                if let Some(group) = some_group(context) {
                    let path = format!("/im/conv/{}", conversation_id::encode(group.id));
                    self.post(&path, &json!({"from_id": name}), Asked::Falling);
                }
            }
            17 => {
                let count = context.history.groups().len();
                if count < 4 {
                    let members: Vec<String> = (0..3).map(|_| some_name(context.source)).collect();
                    let body =
                        json!({"owner_id": name, "name": format!("g{count}"), "member": members});
                    self.post("/im/creat/group", &body, Asked::Anything);
                }
            }
            18 => {
                if let Some(group) = some_group(context) {
                    let id = conversation_id::encode(group.id);
                    let body = json!({"conv_id": id, "member": [some_name(context.source)]});
                    self.post("/im/add/group/merber", &body, Asked::Anything);
                }
            }
            _ => {
                let body = json!({"id": name, "name": "nick", "img": ""});
                self.post("/im/user/profile", &body, Asked::Anything);
            }
        }
    }

    pub(super) fn check_back_end(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        context: &mut Context<'_>,
    ) -> Kept {
        let Asked::Send(number) = asked else {
            return Ok(());
        };
        let result = match answer.status {
            200 => Ok(()),
            429 | 503 => Err(Some(Refusal::Busy)),
            _ => Err(None),
        };
        self.check_sent(*number, result, context)
    }
}
