//! A guest's reading side while the store goes on under it.

use std::sync::Arc;

use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, MessageId, Position, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::store::Store;
use crate::store::export::export;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::backup::backup;
use crate::store::sqlite::check::check;

const FOLD_MESSAGES: usize = 10;
const CONVERSATIONS: u64 = 3;

/// Account 2 with each of the next accounts.
fn pair(conversation: u64) -> Pair {
    Pair::new(AccountId(2), AccountId(2 + conversation)).unwrap()
}

fn rows() -> Vec<Effect> {
    let accounts = (2..=2 + CONVERSATIONS).map(|id| {
        Effect::Account(Arc::new(Account {
            id: AccountId(id),
            name: Arc::from(format!("user {id}")),
            created_at: TimeMs(0),
            profile: Profile::default(),
        }))
    });
    let conversations = (1..=CONVERSATIONS).flat_map(|id| {
        let conversation = Effect::Conversation(Conversation {
            id: ConversationId(id),
            created_at: TimeMs(0),
            kind: ConversationKind::Single(pair(id)),
            head: Head::default(),
        });
        let members = [2, 2 + id].map(|account| Effect::Member(member(id, account, 0)));
        std::iter::once(conversation).chain(members)
    });
    accounts.chain(conversations).collect()
}

fn member(conversation: u64, account: u64, sent: u64) -> Member {
    let (id, account) = (ConversationId(conversation), AccountId(account));
    let slot = pair(conversation).slot(account);
    let mut member = Member::new(id, account, slot, Position(0), TimeMs(0));
    member.sent = sent;
    member
}

/// Message `number`, from 1, whose conversation comes in turn, with its sender's row.
fn say(number: u64) -> [Effect; 2] {
    let conversation = 1 + number % CONVERSATIONS;
    let position = number.div_ceil(CONVERSATIONS);
    let message = Message {
        id: MessageId(number),
        conversation: ConversationId(conversation),
        position: Position(position),
        sender: AccountId(2),
        at: TimeMs(number as i64),
        kind: MessageKind::Text,
        body: Arc::from(number.to_string()),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
        recalled: false,
    };
    let member = member(conversation, 2, position);
    [Effect::Append(Arc::new(message)), Effect::Member(member)]
}

/// The lines that begin with `{"type":"message"`, of account 2.
fn exported(reader: &mut dyn Reader) -> usize {
    let mut out = Vec::new();
    export(reader, "user 2", &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let messages = lines
        .lines()
        .filter(|line| line.starts_with(r#"{"type":"message""#));
    messages.count()
}

#[test]
fn folds_and_merges_after_it_was_opened_hide_nothing_from_a_guest() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::busy(dir.path(), FOLD_MESSAGES);
    store.open().unwrap();
    store.commit(CommitNumber(1), &rows()).unwrap();
    let mut guests = Vec::new();
    for number in 1..=400_u64 {
        store
            .commit(CommitNumber(number + 1), &say(number))
            .unwrap();
        if number.is_multiple_of(7) {
            guests.push((number, reader(dir.path()).unwrap()));
        }
        if number.is_multiple_of(50) {
            for (seen, guest) in &mut guests {
                let exported = exported(&mut **guest) as u64;
                assert!(
                    (*seen..=number).contains(&exported),
                    "{seen} {exported} {number}"
                );
            }
            guests.clear();
            let copy = tempfile::tempdir().unwrap();
            backup(dir.path(), &copy.path().join(FILE_NAME)).unwrap();
            let report = check(copy.path()).unwrap();
            assert_eq!((report.messages, report.faults), (number, vec![]));
            let mut guest = reader(copy.path()).unwrap();
            assert_eq!(exported(&mut *guest) as u64, number);
        }
    }
    store.close().unwrap();
}
