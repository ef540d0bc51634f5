//! A buyer: polls over HTTP.

use imd::domain::command::Refusal;

use crate::clients::http::Answer;
use crate::clients::{Asked, Client, Context, Target, form, group_name, some_group, some_name};
use crate::history::{Kept, hold, text_of};

impl Client {
    pub(super) fn act_as_buyer(&mut self, context: &mut Context<'_>) {
        let Some(token) = self.token.clone() else {
            self.get_buyer("registerAndLogin", &[], Asked::Login);
            return;
        };
        let token = ("token", &*token);
        match context.source.below(20) {
            0..8 => {
                let (number, said) = self.message(context);
                let target = match &said.target {
                    Target::Account(name) => name.clone(),
                    Target::Group(id) => {
                        let groups = context.history.groups();
                        let group = groups.iter().find(|group| group.id == *id);
                        group.map(group_name).unwrap_or_default()
                    }
                };
                let (text, id) = (text_of(number), format!("b{number}"));
                let mut params = vec![token, ("shopname", &target), ("content", &text)];
                if said.has_id {
                    params.push(("client_id", &id));
                }
                self.get_buyer("sendMsg", &params, Asked::Send(number));
            }
            8..11 => {
                let since = context.published;
                self.get_buyer("getUnreadMsgCount", &[token], Asked::Unread(since));
            }
            11..15 => {
                let peer = some_peer(context);
                self.get_buyer("getMsg", &[token, ("shopname", &peer)], Asked::Rising);
            }
            15..17 => {
                let peer = some_peer(context);
                let page = (1 + context.source.below(2)).to_string();
                let params = [token, ("shopname", &*peer), ("page_no", &page)];
                self.get_buyer("getHistoryMsg", &params, Asked::Rising);
            }
            17 => self.get_buyer("getCurrentChatList", &[token], Asked::Anything),
            18 => self.get_buyer("getFirstShowChatList", &[token], Asked::Anything),
            _ if context.source.once_in(4) => {
                self.get_buyer("logout", &[token], Asked::Anything);
                self.token = None;
            }
            _ => self.get_buyer("registerAndLogin", &[], Asked::Login),
        }
    }

    fn get_buyer(&mut self, call: &str, params: &[(&str, &str)], asked: Asked) {
        let name = self.name.clone();
        let mut all = vec![("buyer_name", &*name)];
        all.extend(params);
        self.get(&format!("/soa-im/buyer/{call}?{}", form(&all)), asked);
    }

    pub(super) fn check_envelope(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        context: &mut Context<'_>,
    ) -> Kept {
        let json = answer.json();
        hold(answer.status == 200, || format!("{answer:?}"))?;
        let is_success = json["success"] == true;
        if json["state"] == 0 {
            self.token = None;
        }
        match asked {
            Asked::Login => {
                let token = json["data"]["token"].as_str();
                self.token = token.map(str::to_owned).or(self.token.take());
                Ok(())
            }
            Asked::Send(number) => {
                let result = match (is_success, json["state"].as_i64()) {
                    (true, _) => Ok(()),
                    (false, Some(-1)) => Err(Some(Refusal::Busy)),
                    _ => Err(None),
                };
                self.check_sent(*number, result, context)
            }
            Asked::Unread(since) if is_success => {
                self.check_unread(*since, &json["data"]["unReadMsgCount"], context)
            }
            _ => Ok(()),
        }
    }
}

/// Somebody's or some group's name.
fn some_peer(context: &mut Context<'_>) -> String {
    match context
        .source
        .once_in(4)
        .then(|| some_group(context))
        .flatten()
    {
        Some(group) => group_name(&group),
        None => some_name(context.source),
    }
}
