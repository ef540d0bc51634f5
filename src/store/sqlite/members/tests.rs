//! Pages against a plain map, while they fill and split.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{Position, Slot, TimeMs};
use crate::store::sqlite::journal::put_row;

/// The tables, with groups from conversation 1,000 on.
fn tables() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE conversation (id INTEGER PRIMARY KEY, owner INTEGER)")
        .unwrap();
    connection
        .execute_batch(include_str!("../schema/6.sql"))
        .unwrap();
    connection
}

fn put_conversation(connection: &Connection, id: u64) {
    let put = "INSERT INTO conversation (id, owner) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let owner = (id >= 1_000).then_some(1);
    connection.execute(put, params![int(id), owner]).unwrap();
}

fn row(key: Key, sent: u64, alias: &str) -> Member {
    let (account, conversation) = (AccountId(key.0), ConversationId(key.1));
    let mut member = Member::new(conversation, account, Slot(0), Position(0), TimeMs(5));
    member.sent = sent;
    member.alias = Arc::from(alias);
    member
}

/// Puts rows in as a fold does; says how many were new, and the most pages that were written at once.
fn put_all(connection: &Connection, rows: &BTreeMap<Key, Member>) -> (usize, usize) {
    let mut change = PageChange::default();
    let (mut joined, mut most) = (0, 0);
    let mut rows = rows.iter().peekable();
    while let Some((first, _)) = rows.peek() {
        change.begin(connection, **first).unwrap();
        while let Some((key, member)) = rows.next_if(|(key, _)| change.covers(**key)) {
            let mut bytes = Vec::new();
            put_row(&mut bytes, member);
            change.put(*key, &bytes);
        }
        let changed = change.store(connection).unwrap();
        joined += changed.joined;
        most = most.max(changed.pages);
    }
    (joined, most)
}

/// Holds all that can be read to what it should be.
fn compare(connection: &Connection, model: &BTreeMap<Key, Member>) {
    let mut all = Vec::new();
    let mut last_page = None;
    let mut count = 0;
    pages(connection, |first, data| {
        assert!(last_page.replace(first).is_none_or(|last| last < first));
        let rows = Rows::new(data).collect::<Result<Vec<_>>>()?;
        assert!(data.len() <= DATA_BYTES_MAX || rows.len() == 1);
        assert!(rows.iter().all(|(key, _)| *key >= first));
        all.extend(
            rows.iter()
                .map(|(key, row)| (*key, unpack(*key, row).unwrap())),
        );
        count += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(page_count(connection).unwrap(), count);
    assert!(all.iter().map(|(key, member)| (key, member)).eq(model));
    let mut accounts: Vec<u64> = model.keys().map(|key| key.0).collect();
    accounts.dedup();
    for account in accounts {
        let mut found = Vec::new();
        memberships(connection, AccountId(account), |member| found.push(member)).unwrap();
        let expected = model.range((account, 0)..=(account, u64::MAX));
        assert!(found.iter().eq(expected.map(|(_, member)| member)));
        let mut none = Vec::new();
        memberships(connection, AccountId(account + 1_000_000), |member| {
            none.push(member)
        })
        .unwrap();
        assert_eq!(none, []);
    }
    let mut groups: BTreeMap<u64, Vec<AccountId>> = BTreeMap::new();
    for (account, conversation) in model.keys() {
        let member = member(
            connection,
            ConversationId(*conversation),
            AccountId(*account),
        );
        assert_eq!(
            member.unwrap().as_ref(),
            model.get(&(*account, *conversation))
        );
        if *conversation >= 1_000 {
            groups
                .entry(*conversation)
                .or_default()
                .push(AccountId(*account));
        }
    }
    for (group, accounts) in groups {
        assert_eq!(
            of_group(connection, ConversationId(group)).unwrap(),
            accounts
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pages_are_a_map(
        batches in prop::collection::vec(
            prop::collection::btree_map(
                (2u64..60, 990u64..1_030),
                (any::<u32>(), prop_oneof![8 => Just(0usize), 2 => 0usize..200, 1 => 8_000usize..20_000]),
                1..400,
            ),
            1..6,
        ),
        missing in (60u64..90, 990u64..1_030),
    ) {
        let connection = tables();
        let mut model = BTreeMap::new();
        for batch in batches {
            let rows: BTreeMap<Key, Member> = batch
                .iter()
                .map(|(key, (sent, alias))| (*key, row(*key, u64::from(*sent), &"a".repeat(*alias))))
                .collect();
            rows.keys().for_each(|key| put_conversation(&connection, key.1));
            let new = rows.keys().filter(|key| !model.contains_key(*key)).count();
            prop_assert_eq!(put_all(&connection, &rows).0, new);
            model.extend(rows);
            compare(&connection, &model);
        }
        let absent = member(&connection, ConversationId(missing.1), AccountId(missing.0));
        prop_assert_eq!(absent.unwrap(), None);
    }
}

#[test]
fn many_accounts_fill_pages_and_split_them_again() {
    let connection = tables();
    let mut model = BTreeMap::new();
    for step in 0..4u64 {
        let rows: BTreeMap<Key, Member> = (0..3_000u64)
            .map(|index| {
                let key = (2 + index / 3, 1 + index % 3 + (index % 7) * step);
                (key, row(key, step << 20, ""))
            })
            .collect();
        rows.keys()
            .for_each(|key| put_conversation(&connection, key.1));
        let (_, pages) = put_all(&connection, &rows);
        // No more than a commit has time for.
        assert!(pages <= 8, "{pages}");
        model.extend(rows);
        compare(&connection, &model);
    }
    assert!(page_count(&connection).unwrap() > 8);
}

#[test]
fn a_page_cut_anywhere_is_an_error_or_a_beginning() {
    let mut page = Page::default();
    let keys = [(2, 1), (2, 9), (300, 4), (300, 70_000)];
    let rows = keys.map(|key| row(key, 7, "alias"));
    for member in &rows {
        let mut bytes = Vec::new();
        put_row(&mut bytes, member);
        page.push((member.account.0, member.conversation.0), &bytes)
            .unwrap();
    }
    for cut in 0..=page.data.len() {
        let read: Vec<_> = Rows::new(page.data.get(..cut).unwrap()).collect();
        let whole = read.iter().filter_map(|row| row.as_ref().ok());
        let members: Vec<Member> = whole.map(|(key, row)| unpack(*key, row).unwrap()).collect();
        assert!(rows.starts_with(&members));
        let errors = read.iter().filter(|row| row.is_err()).count();
        assert!(errors <= 1 && (cut < page.data.len() || read.len() == rows.len()));
    }
}

#[test]
fn rows_out_of_order_are_an_error() {
    let mut page = Page::default();
    page.push((3, 5), b"row").unwrap();
    for before in [(2, 9), (3, 4)] {
        assert!(page.push(before, b"row").is_err());
    }
    page.push((3, 6), b"row").unwrap();
}
