//! A user of `jim`: a profile over HTTP, then a socket.

use imd::dialect::conversation_id;
use imd::domain::command::Refusal;
use imd::domain::conversation::Conversation;
use serde_json::{Value, json};

use crate::clients::http::Answer;
use crate::clients::{Asked, Client, Context, Stage, Target, some_group, some_name};
use crate::history::{Broken, Kept, hold, numbers_in, text_of};

/// What `jim` calls a group.
fn jim_name(group: &Conversation) -> String {
    let own = group.group().and_then(|group| group.jim_name.as_deref());
    own.map_or_else(|| conversation_id::encode(group.id), str::to_owned)
}

impl Client {
    pub(super) fn act_as_jim(&mut self, context: &mut Context<'_>) {
        if self.stage == Stage::Http {
            if self.asked.is_empty() {
                let body = json!({"senderId": self.name, "token": self.jim_token(), "type": 0});
                self.post("/im/vanke/initUser", &body, Asked::Login);
            }
            return;
        }
        if !self.has_logged_in {
            return;
        }
        let name = self.name.clone();
        let command = match context.source.below(20) {
            0..9 => {
                let (number, said) = self.message(context);
                let mut command =
                    json!({"cmd": 11, "from": name, "content": text_of(number), "msgType": 0});
                match &said.target {
                    Target::Account(other) => {
                        command["chatType"] = json!(2);
                        command["to"] = json!(other);
                    }
                    Target::Group(id) => {
                        let groups = context.history.groups();
                        let group = groups.iter().find(|group| group.id == *id);
                        command["chatType"] = json!(1);
                        command["groupId"] = json!(group.map(jim_name));
                    }
                }
                if said.has_id {
                    command["id"] = json!(format!("j{number}"));
                }
                self.asked.push_back(Asked::Send(number));
                command
            }
            9..14 => {
                let mut command =
                    json!({"cmd": 19, "userId": name, "type": context.source.below(3)});
                match context.source.below(3) {
                    0 => command["fromUserId"] = json!(some_name(context.source)),
                    1 => command["groupId"] = json!(some_group(context).as_ref().map(jim_name)),
                    _ => {}
                }
                self.asked.push_back(Asked::Rising);
                command
            }
            14 => {
                json!({"cmd": 17, "userId": name, "type": context.source.below(3).to_string(), "extras": {"pullType": 1}})
            }
            15 => json!({"cmd": 7, "groupId": format!("j{}", context.source.below(2))}),
            16 => json!({"cmd": 10, "groupId": format!("j{}", context.source.below(2))}),
            17 => {
                let number = context.source.below(context.said.len() + 1);
                json!({"cmd": 15, "id": format!("j{number}")})
            }
            18 => json!({"cmd": 13, "hbbyte": "-127"}),
            _ if context.source.once_in(4) => json!({"cmd": 14}),
            _ => json!({"cmd": 99}),
        };
        self.send_text(&command.to_string(), context.source);
    }

    fn jim_token(&self) -> String {
        format!("t-{}", self.name)
    }

    pub(super) fn check_vanke(&mut self, answer: &Answer) -> Kept {
        hold(answer.status == 200, || format!("{answer:?}"))?;
        if answer.json()["code"] == 200 {
            self.upgrade(&format!("/?token={}", self.jim_token()));
        }
        Ok(())
    }

    pub(super) fn receive_command(&mut self, text: &[u8], context: &mut Context<'_>) -> Kept {
        let frame: Value = serde_json::from_slice(text)
            .map_err(|error| Broken(format!("{error}: {}", String::from_utf8_lossy(text))))?;
        let code = frame["code"].as_u64();
        match (frame["command"].as_u64(), code) {
            (Some(6), Some(10007)) => {
                self.has_logged_in = true;
                self.live_since = Some(context.history.commit);
                Ok(())
            }
            (Some(11), None) => numbers_in(text)
                .into_iter()
                .try_for_each(|number| self.check_push(number, false, context)),
            (Some(12), Some(code)) => self.check_said(code, context),
            (Some(20), Some(code)) => {
                self.pop(|asked| *asked == Asked::Rising)?;
                if code != 10018 {
                    return Ok(());
                }
                // One list for each conversation.
                let lists = ["friends", "groups"];
                let lists = lists
                    .iter()
                    .filter_map(|kind| frame["data"][kind].as_object());
                for list in lists.flat_map(|lists| lists.values()) {
                    super::check_order(&numbers_in(list.to_string().as_bytes()), true, context)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_said(&mut self, code: u64, context: &Context<'_>) -> Kept {
        let asked = self.pop(|asked| matches!(asked, Asked::Send(_)))?;
        let Asked::Send(number) = asked else {
            return Ok(());
        };
        let result = match code {
            10000 | 10001 => Ok(()),
            10022 => Err(Some(Refusal::Busy)),
            // Whether it was refused or has failed is not said.
            _ => Err(Some(Refusal::Failure)),
        };
        self.check_sent(number, result, context)
    }

    /// Answers come in the order of the commands.
    fn pop(&mut self, is_right: impl Fn(&Asked) -> bool) -> Kept<Asked> {
        match self.asked.pop_front() {
            Some(asked) if is_right(&asked) => Ok(asked),
            other => Err(Broken(format!("answered out of order: {other:?}"))),
        }
    }
}
