//! A segment beside plain maps of what each commit brought.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{MessageId, Position, Slot};
use crate::domain::member::Member;
use crate::store::sqlite::journal::{put_key, put_row};

const CONVERSATIONS: u64 = 3;
const ACCOUNTS: u64 = 8;
/// The commit and the message before the first.
const BASE: (u64, u64) = (40, 7_000);

/// What a commit brings: conversations with a new message and its client's id, and members with a row.
type Brought = (Vec<(u64, u64)>, Vec<(u64, u64)>);

fn commits() -> impl Strategy<Value = Vec<Brought>> {
    let message = (1..=CONVERSATIONS, 0..4_u64);
    let member = (1..=ACCOUNTS, 1..=CONVERSATIONS);
    let commit = (
        prop::collection::vec(message, 0..4),
        prop::collection::vec(member, 0..6),
    );
    prop::collection::vec(commit, 1..40)
}

/// What is known after each commit.
#[derive(Clone, Default)]
struct Model {
    /// By conversation, from the first position on.
    messages: BTreeMap<u64, Vec<ListEntry>>,
    members: BTreeMap<(u64, u64), Member>,
    keys: Vec<(u64, u64)>,
}

/// Appends `commits` and gives what there is before the first and after each.
fn fill(segment: &Segment, commits: &[Brought]) -> Vec<Model> {
    let mut models = vec![Model::default()];
    let mut model = Model::default();
    let (mut commit, mut id) = BASE;
    for (messages, members) in commits {
        commit += 1;
        let mut appended = Vec::new();
        for (conversation, key) in messages {
            id += 1;
            let list = model.messages.entry(*conversation).or_default();
            let entry = ListEntry {
                list: *conversation,
                place: 11 + list.len() as u64,
                message: id,
                sender: 1 + id % ACCOUNTS,
            };
            list.push(entry);
            let key = (*key > 0).then_some(*key << 40);
            model.keys.extend(key.map(|key| (key, id)));
            appended.push(Appended {
                entry,
                at: TimeMs(id as i64 * 10),
                key,
            });
        }
        let (mut rows, mut rows_at) = (Vec::new(), Vec::new());
        // A commit brings each row once.
        let distinct: BTreeMap<(u64, u64), ()> = members.iter().map(|key| (*key, ())).collect();
        for (account, conversation) in distinct.into_keys() {
            let mut member = Member::new(
                ConversationId(conversation),
                AccountId(account),
                Slot(account as u32),
                Position(commit),
                TimeMs(5),
            );
            member.sent = commit * 1_000;
            put_key(&mut rows, &member);
            let start = rows.len();
            put_row(&mut rows, &member);
            rows_at.push(RowAt {
                account: member.account,
                conversation: member.conversation,
                row: start..rows.len(),
            });
            model.members.insert((account, conversation), member);
        }
        segment.append(commit, &appended, &rows, &rows_at).unwrap();
        models.push(model.clone());
    }
    models
}

/// Holds `segment` to what `models` say of the state before the first commit and after each.
fn check(segment: &Segment, models: &[Model]) -> std::result::Result<(), TestCaseError> {
    let data = segment.read();
    prop_assert_eq!(data.tag_at(BASE.0 - 1), None);
    for (commit, model) in (BASE.0..).zip(models) {
        let tag = data.tag_at(commit).unwrap();
        for conversation in 1..=CONVERSATIONS {
            let id = ConversationId(conversation);
            let list = model.messages.get(&conversation);
            let list = list.map_or(&[][..], Vec::as_slice);
            let head = data.head(id, tag).map(|head| (head.position, head.message));
            let newest = list.last();
            prop_assert_eq!(
                head,
                newest.map(|entry| (Position(entry.place), MessageId(entry.message)))
            );
            for rows_max in [1, 2, 100] {
                let mut found = Vec::new();
                data.newest_first(id, &(12..=14), tag, rows_max, &mut found);
                let meant = list
                    .iter()
                    .rev()
                    .filter(|entry| (12..=14).contains(&entry.place));
                let meant: Vec<ListEntry> = meant.take(rows_max).copied().collect();
                prop_assert_eq!(found, meant);
            }
            let mut found = BTreeMap::new();
            data.members_of(id, tag, &mut found).unwrap();
            let meant = model
                .members
                .iter()
                .filter(|((_, of), _)| *of == conversation);
            let meant: BTreeMap<AccountId, Member> = meant
                .map(|(key, member)| (AccountId(key.0), member.clone()))
                .collect();
            prop_assert_eq!(found, meant);
            for account in 1..=ACCOUNTS {
                let found = data.member(id, AccountId(account), tag).unwrap();
                let meant = model.members.get(&(account, conversation));
                prop_assert_eq!(found.as_ref(), meant);
            }
        }
        for account in 1..=ACCOUNTS {
            let mut found = BTreeMap::new();
            data.memberships_of(AccountId(account), tag, &mut found)
                .unwrap();
            let meant = model.members.range((account, 0)..(account + 1, 0));
            let meant: BTreeMap<ConversationId, Member> = meant
                .map(|(key, member)| (ConversationId(key.1), member.clone()))
                .collect();
            prop_assert_eq!(found, meant);
        }
    }
    let newest = models.last().cloned().unwrap_or_default();
    prop_assert_eq!(data.keys().collect::<Vec<_>>(), newest.keys);
    let mut rows: Vec<(u64, u64)> = data.members().map(|(key, _)| key).collect();
    rows.sort_unstable();
    prop_assert_eq!(rows, newest.members.into_keys().collect::<Vec<_>>());
    let mut lists = BTreeMap::new();
    for (conversation, at) in data.conversations() {
        let mut entries = Vec::new();
        data.entries(conversation, at, &mut entries);
        lists.insert(conversation, entries);
    }
    prop_assert_eq!(lists, newest.messages);
    Ok(())
}

proptest! {
    #[test]
    fn every_snapshot_sees_what_was_there_at_its_commit(first in commits(), second in commits()) {
        // With fewer buckets than there are accounts.
        let room = Room { messages: 2, member_bytes: 64 };
        let mut segment = Segment::new(BASE.0, BASE.1, room);
        let models = fill(&segment, &first);
        check(&segment, &models)?;
        // In the memory of what was there nothing of it is left.
        segment.clear(BASE.0, BASE.1);
        prop_assert!(segment.read().is_empty());
        let models = fill(&segment, &second);
        check(&segment, &models)?;
    }
}

#[test]
fn a_message_that_leaves_a_place_out_is_refused() {
    let segment = Segment::new(
        0,
        0,
        Room {
            messages: 1,
            member_bytes: 1,
        },
    );
    let message = |place, message| Appended {
        entry: ListEntry {
            list: 1,
            place,
            message,
            sender: 2,
        },
        at: TimeMs(1),
        key: None,
    };
    segment.append(1, &[message(1, 1)], &[], &[]).unwrap();
    assert!(segment.append(2, &[message(3, 2)], &[], &[]).is_err());
    // What was there before is still to be seen.
    let data = segment.read();
    let head = data.head(ConversationId(1), 1).unwrap();
    assert_eq!(head.position, Position(1));
}
