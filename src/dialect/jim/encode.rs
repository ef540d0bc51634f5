//! The frames: answers, pushes and notices, byte for byte as the contract prints them.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::dialect::Settings;
use crate::dialect::jim::message::{Said, group_id, put_id, put_message};
use crate::dialect::jim::status::{self, Status};
use crate::dialect::json::{put_number, put_string};
use crate::domain::account::Account;
use crate::domain::conversation::ConversationKind;
use crate::domain::event::{Announcement, Delivery, Recalled};
use crate::domain::ids::TimeMs;
use crate::domain::message::Message;
use crate::domain::query::{Contact, MessagePage};
use crate::domain::view::Other;
use crate::limits::ANSWER_BYTES_MAX;

/// What an answer needs besides its rows: names are at most 255 bytes, each escaped to at most twice that.
const FRAME_BYTES_MAX: usize = 4 * 1024;
/// What the rows of an answer may take.
const ROWS_BYTES_MAX: usize = ANSWER_BYTES_MAX - FRAME_BYTES_MAX;

/// An answer without data.
pub(super) fn put_status(out: &mut Vec<u8>, status: Status, command: u8) {
    begin(out, status, command);
    end(out, status);
}

fn begin(out: &mut Vec<u8>, status: Status, command: u8) {
    out.extend_from_slice(b"{\"code\":");
    put_number(out, status.code);
    out.extend_from_slice(b",\"command\":");
    put_number(out, command);
}

fn end(out: &mut Vec<u8>, status: Status) {
    out.extend_from_slice(b",\"msg\":");
    put_string(out, status.text);
    out.push(b'}');
}

/// The answer to a heartbeat. There are many of them: it stays on the stack.
pub(super) fn beat(now: TimeMs) -> SmallVec<[u8; 96]> {
    let mut out = SmallVec::new();
    out.extend_from_slice(b"{\"command\":13,\"data\":{\"createTime\":");
    out.extend_from_slice(itoa::Buffer::new().format(now.0).as_bytes());
    out.extend_from_slice(b",\"hbbyte\":-128}}");
    out
}

/// The answer to who joined a group or is a member of it.
pub(super) fn put_joined(out: &mut Vec<u8>, group: &str) {
    begin(out, status::JOINED, 8);
    out.extend_from_slice(b",\"data\":{\"group\":");
    put_string(out, group);
    out.extend_from_slice(b",\"result\":1}");
    end(out, status::JOINED);
}

/// A message as its receivers are pushed it.
pub(super) fn put_push(out: &mut Vec<u8>, settings: &Settings, delivery: &Delivery) {
    out.extend_from_slice(b"{\"command\":11,\"data\":");
    let group;
    let said = match &delivery.recipient {
        Some((recipient, _)) => Said::To(&recipient.name),
        None => {
            group = group_id(&delivery.conversation);
            Said::In(&group)
        }
    };
    put_message(
        out,
        settings,
        &delivery.message,
        &delivery.sender.name,
        said,
    );
    out.push(b'}');
}

/// The notice that somebody joins or leaves a group.
pub(super) fn put_announcement(out: &mut Vec<u8>, announcement: &Announcement) {
    out.extend_from_slice(b"{\"command\":");
    put_number(out, if announcement.joins { 9 } else { 10 });
    out.extend_from_slice(b",\"data\":{\"group\":");
    put_string(out, &group_id(&announcement.conversation));
    out.extend_from_slice(b",\"user\":{\"id\":");
    put_string(out, &announcement.account.name);
    put_nick(out, &announcement.account);
    out.extend_from_slice(b"}}}");
}

/// The notice that a message was taken back.
pub(super) fn put_recalled(out: &mut Vec<u8>, recalled: &Recalled) {
    out.extend_from_slice(b"{\"command\":15,\"data\":{\"from\":");
    put_string(out, &recalled.sender.name);
    out.extend_from_slice(b",\"id\":");
    put_id(out, &recalled.message);
    out.extend_from_slice(b"}}");
}

fn put_nick(out: &mut Vec<u8>, account: &Account) {
    if !account.profile.nick.is_empty() {
        out.extend_from_slice(b",\"nick\":");
        put_string(out, &account.profile.nick);
    }
}

/// The contacts with their nicknames.
pub(super) fn put_contacts<'a>(out: &mut Vec<u8>, contacts: impl Iterator<Item = &'a Contact>) {
    begin(out, status::FOUND, 18);
    out.extend_from_slice(b",\"data\":[");
    let mut is_first = true;
    for contact in contacts {
        let Other::Account(account) = &contact.row.other else {
            continue;
        };
        let start = out.len();
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        out.extend_from_slice(b"{\"id\":");
        put_string(out, &account.name);
        put_nick(out, account);
        out.extend_from_slice(b",\"terminal\":\"ws\"}");
        if out.len() > ROWS_BYTES_MAX {
            out.truncate(start);
            break;
        }
    }
    out.push(b']');
    end(out, status::FOUND);
}

/// The contacts with their newest messages.
pub(super) fn put_details(
    out: &mut Vec<u8>,
    settings: &Settings,
    own: &Account,
    contacts: &[Contact],
) {
    begin(out, status::FOUND, 18);
    out.extend_from_slice(b",\"data\":{\"avatar\":");
    put_string(out, &own.profile.avatar);
    out.extend_from_slice(b",\"friends\":[");
    let mut is_first = true;
    for contact in contacts {
        let Other::Account(other) = &contact.row.other else {
            continue;
        };
        let start = out.len();
        if !is_first {
            out.push(b',');
        }
        put_detail(out, settings, own, other, contact);
        if out.len() > ROWS_BYTES_MAX && !is_first {
            out.truncate(start);
            break;
        }
        is_first = false;
    }
    out.extend_from_slice(b"],\"nickname\":");
    put_string(out, &own.profile.nick);
    out.extend_from_slice(b",\"userId\":");
    put_string(out, &own.name);
    out.push(b'}');
    end(out, status::FOUND);
}

fn put_detail(
    out: &mut Vec<u8>,
    settings: &Settings,
    own: &Account,
    other: &Account,
    contact: &Contact,
) {
    out.extend_from_slice(b"{\"avatar\":");
    put_string(out, &other.profile.avatar);
    out.extend_from_slice(b",\"historyMessage\":[");
    // The newest stay where not all find room.
    let rows: Vec<Vec<u8>> = contact
        .messages
        .iter()
        .map(|message| {
            let (from, to) = match message.sender == own.id {
                true => (own, other),
                false => (other, own),
            };
            let mut row = Vec::new();
            put_message(&mut row, settings, message, &from.name, Said::To(&to.name));
            row
        })
        .collect();
    let mut bytes = 0;
    let fitting = rows
        .iter()
        .rev()
        .take_while(|row| (bytes += row.len() + 1, bytes <= ROWS_BYTES_MAX / 2).1)
        .count();
    join(out, rows.iter().skip(rows.len() - fitting));
    out.extend_from_slice(b"],\"nickname\":");
    put_string(out, &other.profile.nick);
    out.extend_from_slice(b",\"unReadNum\":");
    put_number(out, contact.row.unread());
    out.extend_from_slice(b",\"userId\":");
    put_string(out, &other.name);
    out.push(b'}');
}

fn join<'a>(out: &mut Vec<u8>, rows: impl Iterator<Item = &'a Vec<u8>>) {
    for (index, row) in rows.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(row);
    }
}

/// Which messages are given when not all find room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The oldest.
    Oldest,
    /// The newest.
    Newest,
}

/// The messages of some conversations, by the other party or the group; `pages` are cut down to what is given.
pub(super) fn put_messages(
    out: &mut Vec<u8>,
    settings: &Settings,
    own: &Account,
    pages: &mut [MessagePage],
    keep: Keep,
) {
    let keys: Vec<(bool, String)> = pages.iter().map(|page| key(page, own)).collect();
    let mut order: Vec<(usize, usize)> = pages
        .iter()
        .enumerate()
        .flat_map(|(place, page)| (0..page.messages.len()).map(move |index| (place, index)))
        .collect();
    let id = |&(place, index): &(usize, usize)| {
        let message: Option<&Arc<Message>> =
            pages.get(place).and_then(|page| page.messages.get(index));
        message.map(|message| message.id)
    };
    order.sort_unstable_by_key(id);
    if keep == Keep::Newest {
        order.reverse();
    }
    let mut rows: Vec<Vec<Vec<u8>>> = vec![Vec::new(); pages.len()];
    let mut bytes = 0;
    for (place, index) in order {
        let (Some(page), Some((is_group, key)), Some(rows)) =
            (pages.get(place), keys.get(place), rows.get_mut(place))
        else {
            continue;
        };
        let Some(message) = page.messages.get(index) else {
            continue;
        };
        let mut row = Vec::new();
        put_row(&mut row, settings, own, page, message, *is_group, key);
        bytes += row.len() + 1;
        if rows.is_empty() {
            bytes += 2 * key.len() + 8;
        }
        if bytes > ROWS_BYTES_MAX {
            break;
        }
        rows.push(row);
    }
    for (page, rows) in pages.iter_mut().zip(&mut rows) {
        match keep {
            Keep::Oldest => page.cut(rows.len()),
            Keep::Newest => rows.reverse(),
        }
    }
    begin(out, status::MESSAGES, 20);
    for (name, groups) in [("\"data\":{\"friends\":{", false), ("\"groups\":{", true)] {
        out.push(b',');
        out.extend_from_slice(name.as_bytes());
        let mut shown: BTreeMap<&str, &Vec<Vec<u8>>> = BTreeMap::new();
        for ((is_group, key), rows) in keys.iter().zip(&rows) {
            if *is_group == groups && !rows.is_empty() {
                shown.insert(key, rows);
            }
        }
        for (index, (key, rows)) in shown.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_string(out, key);
            out.extend_from_slice(b":[");
            join(out, rows.iter());
            out.push(b']');
        }
        out.push(b'}');
    }
    out.extend_from_slice(b",\"userid\":");
    put_string(out, &own.name);
    out.push(b'}');
    end(out, status::MESSAGES);
}

/// Whether a page is of a group, and under which key its messages stand.
fn key(page: &MessagePage, own: &Account) -> (bool, String) {
    match &page.conversation {
        None => (false, String::new()),
        Some(conversation) => match conversation.kind {
            ConversationKind::Group(_) => (true, group_id(conversation)),
            ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
                (false, page.name_of(pair.other(own.id)).to_owned())
            }
        },
    }
}

fn put_row(
    out: &mut Vec<u8>,
    settings: &Settings,
    own: &Account,
    page: &MessagePage,
    message: &Message,
    is_group: bool,
    key: &str,
) {
    let is_own = message.sender == own.id;
    let (from, said) = match (is_group, is_own) {
        (true, _) => (page.name_of(message.sender), Said::In(key)),
        (false, true) => (&*own.name, Said::To(key)),
        (false, false) => (key, Said::To(&own.name)),
    };
    put_message(out, settings, message, from, said);
}
