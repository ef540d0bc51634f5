//! Unread messages, history and counts against a plain list of what was said.

use proptest::prelude::*;

use crate::dialect::jim::tests::host::{Host, Socket};

const NAMES: [&str; 3] = ["a", "b", "c"];
const GROUP: usize = NAMES.len();

#[derive(Clone, Debug)]
enum Step {
    /// One says something to another or, past the names, in the group.
    Say(usize, usize),
    /// One reads what another said, or everything.
    Read(usize, Option<usize>),
    /// The same without marking.
    Peek(usize, Option<usize>),
    History(usize, usize, Option<(usize, usize)>),
    Counts(usize, usize, bool),
    Recall(usize),
}

struct Said {
    from: usize,
    to: usize,
    text: String,
    read_by: Vec<usize>,
}

impl Said {
    /// The key under which `reader` finds it: the other party or the group.
    fn place(&self, reader: usize) -> Option<usize> {
        match (self.from, self.to) {
            (_, GROUP) => Some(GROUP),
            (from, to) if from == reader => Some(to),
            (from, to) if to == reader => Some(from),
            _ => None,
        }
    }

    fn is_unread(&self, reader: usize) -> bool {
        self.from != reader && self.place(reader).is_some() && !self.read_by.contains(&reader)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..NAMES.len();
    let place = || 0..=GROUP;
    let step = prop_oneof![
        6 => (who(), place()).prop_map(|(from, to)| Step::Say(from, to)),
        2 => (who(), prop::option::of(place())).prop_map(|(reader, place)| Step::Read(reader, place)),
        2 => (who(), prop::option::of(place())).prop_map(|(reader, place)| Step::Peek(reader, place)),
        2 => (who(), place(), prop::option::of((0..5_usize, 0..5_usize)))
            .prop_map(|(reader, place, slice)| Step::History(reader, place, slice)),
        2 => (who(), who(), any::<bool>()).prop_map(|(owner, peer, mark)| Step::Counts(owner, peer, mark)),
        1 => who().prop_map(Step::Recall),
    ];
    prop::collection::vec(step, 1..60)
}

fn peer(place: Option<usize>) -> String {
    match place {
        None => String::new(),
        Some(GROUP) => r#","groupId":"G""#.to_owned(),
        Some(other) => format!(r#","fromUserId":"{}""#, NAMES[other]),
    }
}

/// What an answer of cmd 19 holds: key and text of each message.
fn rows(answer: &str) -> Vec<(String, String)> {
    let json: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    assert_eq!(json["code"], 10018, "{answer}");
    let mut rows = Vec::new();
    for kind in ["friends", "groups"] {
        for (key, messages) in json["data"][kind].as_object().expect("an object") {
            for message in messages.as_array().expect("a list") {
                let text = message["content"].as_str().expect("a text");
                rows.push((key.clone(), text.to_owned()));
            }
        }
    }
    rows
}

fn expected<'a>(said: impl Iterator<Item = &'a Said>, reader: usize) -> Vec<(String, String)> {
    let mut rows: Vec<(bool, String, String)> = said
        .map(|said| match said.place(reader) {
            Some(GROUP) | None => (true, "G".to_owned(), said.text.clone()),
            Some(other) => (false, NAMES[other].to_owned(), said.text.clone()),
        })
        .collect();
    rows.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    rows.into_iter().map(|(_, key, text)| (key, text)).collect()
}

fn check(steps: Vec<Step>) {
    let mut host = Host::new();
    let sockets: Vec<Socket> = NAMES.iter().map(|name| host.log_in(name)).collect();
    for socket in &sockets {
        host.send(*socket, r#"{"cmd":7,"group":"G"}"#);
    }
    let mut log: Vec<Said> = Vec::new();
    for step in steps {
        sockets.iter().for_each(|socket| drop(host.take(*socket)));
        host.now.0 += 1_000;
        match step {
            Step::Say(from, to) if from != to => {
                let id = log.len();
                let to_field = match to {
                    GROUP => r#""chatType":1,"groupId":"G""#.to_owned(),
                    to => format!(r#""chatType":2,"to":"{}""#, NAMES[to]),
                };
                let frame = format!(r#"{{"cmd":11,{to_field},"content":"m{id}","id":"{id}"}}"#);
                let told = host.send(sockets[from], &frame);
                assert!(
                    told.last().is_some_and(|told| told.contains("10000")),
                    "{told:?}"
                );
                log.push(Said {
                    from,
                    to,
                    text: format!("m{id}"),
                    read_by: Vec::new(),
                });
            }
            Step::Read(reader, place) | Step::Peek(reader, place) if place != Some(reader) => {
                let kind = if matches!(step, Step::Read(..)) { 0 } else { 2 };
                let frame = format!(r#"{{"cmd":19,"type":{kind}{}}}"#, peer(place));
                let answer = host.ask(sockets[reader], &frame);
                let is_meant = |said: &&Said| {
                    said.is_unread(reader)
                        && place.is_none_or(|place| said.place(reader) == Some(place))
                };
                assert_eq!(rows(&answer), expected(log.iter().filter(is_meant), reader));
                for said in log
                    .iter_mut()
                    .filter(|said| is_meant(&&**said) && kind == 0)
                {
                    said.read_by.push(reader);
                }
            }
            Step::History(reader, place, slice) if place != reader => {
                let rest = slice.map_or(String::new(), |(offset, count)| {
                    format!(r#","offset":{offset},"count":{count}"#)
                });
                let frame = format!(r#"{{"cmd":19,"type":1{}{rest}}}"#, peer(Some(place)));
                let answer = host.ask(sockets[reader], &frame);
                let (offset, count) = slice.unwrap_or((0, usize::MAX));
                let found = log.iter().filter(|said| said.place(reader) == Some(place));
                assert_eq!(
                    rows(&answer),
                    expected(found.skip(offset).take(count), reader)
                );
            }
            Step::Counts(owner, other, mark) if owner != other => {
                let op = if mark { 2 } else { 1 };
                let (to, from) = (NAMES[owner], NAMES[other]);
                let answer = host.post(
                    "chatInfo",
                    &format!(r#"{{"to":"{to}","from":"{from}","op":{op}}}"#),
                );
                if mark {
                    for said in &mut log {
                        if said.is_unread(owner) && said.place(owner) == Some(other) {
                            said.read_by.push(owner);
                        }
                    }
                }
                let with = |of: &dyn Fn(&Said) -> bool, peer: usize| {
                    log.iter()
                        .filter(|said| said.place(owner) == Some(peer) && of(said))
                        .count()
                };
                let contacts =
                    (0..GROUP).filter(|peer| *peer != owner && with(&|_| true, *peer) > 0);
                let all = contacts.clone().count();
                let unread = |said: &Said| said.is_unread(owner);
                let pending = contacts.filter(|peer| with(&unread, *peer) > 0).count();
                let unread = with(&unread, other);
                assert_eq!(
                    answer,
                    format!(
                        r#"{{"code":200,"msg":"success","data":{{"to":"{to}","from":"{from}","pendingReplyNum":{pending},"lastedContactsNum":{all},"allContactsNum":{all},"unReadNum":{unread}}}}}"#
                    )
                );
            }
            Step::Recall(who) => {
                let last = log.iter().rposition(|said| said.from == who);
                let Some(id) = last.filter(|_| log.len() < 50) else {
                    continue;
                };
                host.send(sockets[who], &format!(r#"{{"cmd":15,"id":"{id}"}}"#));
                log[id].text = String::new();
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn unread_history_and_counts_are_what_was_said(steps in steps()) {
        check(steps);
    }
}
