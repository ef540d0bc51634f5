//! Queries and loads over every store.

use std::sync::Arc;

use crate::domain::command::{Effect, Peer, Who};
use crate::domain::conversation::Topic;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::Dialect;
use crate::domain::needs::{ClientKey, Key, Row, SingleRow};
use crate::domain::query::{Answer, MessagePage, Query, Resolved};
use crate::domain::token::TokenHash;
use crate::domain::view::Other;
use crate::limits::{ANSWER_BYTES_MAX, MESSAGE_BODY_BYTES_MAX, PAGE_ROWS_MAX};
use crate::store::load::load;
use crate::store::query::answer;
use crate::store::suite::build::*;
use crate::store::suite::{Bench, commit, over_both, see};

over_both!(
    history_is_paged_from_the_end,
    history_shows_the_time_of_membership,
    history_of_great_bodies_keeps_the_newest,
    unread_is_what_others_said_after_the_read_position,
    unread_of_great_bodies_keeps_the_oldest,
    nothing_unread_has_no_mark,
    a_page_of_nobody_is_none,
    peers_mean_accounts_before_groups,
    numbers_mean_conversations,
    a_view_has_the_active_conversations,
    a_session_has_its_account,
    rows_are_loaded_by_key,
);

/// Accounts 2 `a`, 3 `b`, 4 `c`; a single conversation 1 of 2 and 3.
fn people() -> Vec<Effect> {
    let mut effects: Vec<Effect> = [(2, "a"), (3, "b"), (4, "c")]
        .map(|(id, name)| Effect::Account(Arc::new(account(id, name))))
        .into();
    effects.push(Effect::Conversation(single(1, pair(2, 3), 0)));
    effects.push(Effect::Member(member(1, 2, 0, 0)));
    effects.push(Effect::Member(member(1, 3, 1, 0)));
    effects
}

/// One message of each of `senders`, in their order, in `conversation`.
fn said(conversation: u64, senders: &[u64]) -> Vec<Effect> {
    let said = |(index, sender): (usize, &u64)| {
        let position = index as u64 + 1;
        Effect::Append(Arc::new(message(
            conversation * 1_000 + position,
            conversation,
            position,
            *sender,
        )))
    };
    senders.iter().enumerate().map(said).collect()
}

fn named(name: &str) -> Peer {
    Peer::Account(Who::Name(Arc::from(name)))
}

fn numbered(id: u64) -> Peer {
    Peer::Account(Who::Id(AccountId(id)))
}

fn shown(name: &str) -> Peer {
    Peer::Shown(Arc::from(name))
}

fn in_conversation(id: u64) -> Peer {
    Peer::Conversation(ConversationId(id))
}

fn ask(bench: &mut dyn Bench, query: Query) -> Answer {
    see(bench, |snapshot| {
        let answered = answer(snapshot, &query).unwrap();
        assert_eq!(answered.commit, snapshot.commit().unwrap());
        answered.answer
    })
}

fn history(
    bench: &mut dyn Bench,
    account: u64,
    peer: Peer,
    page: u64,
    size: usize,
) -> Option<MessagePage> {
    let account = AccountId(account);
    match ask(
        bench,
        Query::History {
            account,
            peer,
            page,
            size,
        },
    ) {
        Answer::History(page) => page.map(|page| *page),
        other => panic!("{other:?}"),
    }
}

fn unread(bench: &mut dyn Bench, account: u64, peer: Peer, rows_max: usize) -> Option<MessagePage> {
    let account = AccountId(account);
    match ask(
        bench,
        Query::Unread {
            account,
            peer,
            rows_max,
        },
    ) {
        Answer::Unread(page) => page.map(|page| *page),
        other => panic!("{other:?}"),
    }
}

fn resolve(bench: &mut dyn Bench, account: u64, peer: Peer) -> Option<Resolved> {
    let account = AccountId(account);
    match ask(bench, Query::Resolve { account, peer }) {
        Answer::Resolved(resolved) => resolved,
        other => panic!("{other:?}"),
    }
}

fn positions(page: &MessagePage) -> Vec<u64> {
    page.messages
        .iter()
        .map(|message| message.position.0)
        .collect()
}

fn account_ids(page: &MessagePage) -> Vec<u64> {
    page.accounts.iter().map(|account| account.id.0).collect()
}

fn history_is_paged_from_the_end(bench: &mut dyn Bench) {
    commit(bench, &people());
    commit(bench, &said(1, &[2, 3, 2, 3, 2, 3, 2]));
    let mut page = |number, size| history(bench, 2, named("b"), number, size).unwrap();
    assert_eq!(positions(&page(1, 3)), [5, 6, 7]);
    assert_eq!(positions(&page(2, 3)), [2, 3, 4]);
    assert_eq!(positions(&page(3, 3)), [1]);
    for beyond in [4, 5, u64::MAX] {
        assert_eq!(positions(&page(beyond, 3)), [0; 0]);
    }
    assert_eq!(positions(&page(1, 100)), [1, 2, 3, 4, 5, 6, 7]);
    let whole = page(1, 7);
    assert_eq!(whole.mark, None);
    assert_eq!(account_ids(&whole), [2, 3]);
    assert_eq!(whole.conversation.unwrap().head.position, Position(7));
    assert_eq!(whole.member, Some(member(1, 2, 0, 0)));
}

fn history_shows_the_time_of_membership(bench: &mut dyn Bench) {
    commit(bench, &people());
    let mut former = member(5, 3, 1, 2);
    former.left_after = Some(Position(5));
    commit(
        bench,
        &[
            Effect::Conversation(group(5, 2, "g", 0)),
            Effect::Member(member(5, 2, 0, 0)),
            Effect::Member(former),
        ],
    );
    commit(bench, &said(5, &[2, 4, 2, 4, 4, 2, 2]));
    let page = history(bench, 3, in_conversation(5), 1, 2).unwrap();
    assert_eq!(
        (positions(&page), account_ids(&page)),
        (vec![4, 5], vec![4])
    );
    let page = history(bench, 3, in_conversation(5), 2, 2).unwrap();
    assert_eq!((positions(&page), account_ids(&page)), (vec![3], vec![2]));
    assert_eq!(
        positions(&history(bench, 3, in_conversation(5), 3, 2).unwrap()),
        [0; 0]
    );
    let unread = unread(bench, 3, in_conversation(5), 9).unwrap();
    assert_eq!(positions(&unread), [3, 4, 5]);
    assert_eq!(
        unread.mark,
        Some(ReadMark {
            position: Position(5),
            own: 0
        })
    );

    let stranger = history(bench, 4, in_conversation(5), 1, 9).unwrap();
    assert_eq!(
        (stranger.member.as_ref(), positions(&stranger)),
        (None, vec![])
    );
}

/// Messages of the greatest size, one more than an answer holds.
fn too_many_great_messages() -> (Vec<Effect>, u64) {
    let count = (ANSWER_BYTES_MAX / MESSAGE_BODY_BYTES_MAX) as u64 + 1;
    assert!(count <= PAGE_ROWS_MAX as u64);
    let body: Arc<str> = Arc::from("x".repeat(MESSAGE_BODY_BYTES_MAX));
    let great = |position| {
        let mut great = message(position, 1, position, 3);
        great.body = Arc::clone(&body);
        Effect::Append(Arc::new(great))
    };
    ((1..=count).map(great).collect(), count)
}

fn history_of_great_bodies_keeps_the_newest(bench: &mut dyn Bench) {
    let (messages, count) = too_many_great_messages();
    commit(bench, &people());
    commit(bench, &messages);
    let page = history(bench, 2, named("b"), 1, PAGE_ROWS_MAX).unwrap();
    assert_eq!(positions(&page), (2..=count).collect::<Vec<u64>>());
}

fn unread_of_great_bodies_keeps_the_oldest(bench: &mut dyn Bench) {
    let (messages, count) = too_many_great_messages();
    commit(bench, &people());
    commit(bench, &messages);
    let page = unread(bench, 2, named("b"), PAGE_ROWS_MAX).unwrap();
    assert_eq!(positions(&page), (1..count).collect::<Vec<u64>>());
    assert_eq!(
        page.mark,
        Some(ReadMark {
            position: Position(count - 1),
            own: 0
        })
    );
}

fn unread_is_what_others_said_after_the_read_position(bench: &mut dyn Bench) {
    commit(bench, &people());
    commit(bench, &said(1, &[2, 3, 2, 3, 3, 2, 3, 2, 2]));
    let mut reader = member(1, 2, 0, 0);
    reader.sent = 5;
    reader.apply_read(ReadMark {
        position: Position(3),
        own: 2,
    });
    commit(bench, &[Effect::Member(reader)]);

    let cases: [(usize, &[u64], ReadMark); 4] = [
        (
            1,
            &[4],
            ReadMark {
                position: Position(4),
                own: 2,
            },
        ),
        (
            2,
            &[4, 5],
            ReadMark {
                position: Position(5),
                own: 2,
            },
        ),
        (
            3,
            &[4, 5, 7],
            ReadMark {
                position: Position(9),
                own: 5,
            },
        ),
        (
            200,
            &[4, 5, 7],
            ReadMark {
                position: Position(9),
                own: 5,
            },
        ),
    ];
    for (rows_max, expected, mark) in cases {
        for peer in [named("b"), numbered(3), shown("b"), in_conversation(1)] {
            let page = unread(bench, 2, peer, rows_max).unwrap();
            assert_eq!(
                (positions(&page).as_slice(), page.mark),
                (expected, Some(mark))
            );
            assert_eq!(account_ids(&page), [2, 3]);
        }
    }
}

fn nothing_unread_has_no_mark(bench: &mut dyn Bench) {
    commit(bench, &people());
    let mut sender = member(1, 2, 0, 0);
    sender.sent = 2;
    commit(bench, &said(1, &[2, 2]));
    commit(bench, &[Effect::Member(sender)]);
    let own = unread(bench, 2, named("b"), 9).unwrap();
    assert_eq!((own.messages.len(), own.mark), (0, None));

    // Two who never wrote, and oneself.
    for (peer, accounts) in [(named("c"), vec![2, 4]), (named("a"), vec![2])] {
        for page in [
            unread(bench, 2, peer.clone(), 9).unwrap(),
            history(bench, 2, peer, 1, 9).unwrap(),
        ] {
            assert_eq!(account_ids(&page), accounts);
            assert_eq!(
                (
                    page.conversation,
                    page.member,
                    page.messages.len(),
                    page.mark
                ),
                (None, None, 0, None)
            );
        }
    }
}

fn a_page_of_nobody_is_none(bench: &mut dyn Bench) {
    commit(bench, &people());
    for peer in [
        named("nobody"),
        numbered(99),
        numbered(u64::MAX),
        shown("nobody"),
        in_conversation(99),
        in_conversation(u64::MAX),
    ] {
        assert_eq!(history(bench, 2, peer.clone(), 1, 9), None, "{peer:?}");
        assert_eq!(unread(bench, 2, peer.clone(), 9), None, "{peer:?}");
        assert_eq!(resolve(bench, 2, peer.clone()), None, "{peer:?}");
    }
    // Another pair's conversation.
    assert_eq!(history(bench, 4, in_conversation(1), 1, 9), None);
    assert_eq!(resolve(bench, 4, in_conversation(1)), None);
}

/// Groups of account 2: 10 `b` (an account has that name), 11 `g`, 12 `g`, 13 `g (2)`, and 14 `g`, which it has left.
fn groups() -> Vec<Effect> {
    let mut effects = Vec::new();
    for (id, name) in [(10, "b"), (11, "g"), (12, "g"), (13, "g (2)"), (14, "g")] {
        effects.push(Effect::Conversation(group(id, 2, name, 0)));
        let mut part = member(id, 2, 0, 0);
        part.left_after = (id == 14).then_some(Position(0));
        effects.push(Effect::Member(part));
    }
    effects
}

fn peers_mean_accounts_before_groups(bench: &mut dyn Bench) {
    commit(bench, &people());
    commit(bench, &groups());
    let b = || Arc::new(account(3, "b"));
    let groups = [("b (2)", 10), ("g", 11), ("g (3)", 12), ("g (2)", 13)];
    for (name, id) in groups {
        assert_eq!(
            resolve(bench, 2, shown(name)),
            Some(Resolved::Group(ConversationId(id))),
            "{name}"
        );
        assert_eq!(resolve(bench, 2, named(name)), None, "{name}");
        assert_eq!(resolve(bench, 3, shown(name)), None, "{name}");
    }
    assert_eq!(resolve(bench, 2, shown("g (4)")), None);
    for peer in [shown("b"), named("b"), numbered(3)] {
        assert_eq!(
            resolve(bench, 2, peer.clone()),
            Some(Resolved::Account(b(), Some(ConversationId(1))))
        );
        assert_eq!(
            resolve(bench, 4, peer.clone()),
            Some(Resolved::Account(b(), None))
        );
        assert_eq!(resolve(bench, 3, peer), Some(Resolved::Account(b(), None)));
    }
}

fn numbers_mean_conversations(bench: &mut dyn Bench) {
    commit(bench, &people());
    commit(bench, &groups());
    let other = Arc::new(account(2, "a"));
    assert_eq!(
        resolve(bench, 3, in_conversation(1)),
        Some(Resolved::Account(other, Some(ConversationId(1))))
    );
    assert_eq!(
        resolve(bench, 3, in_conversation(11)),
        Some(Resolved::Group(ConversationId(11)))
    );
}

fn a_view_has_the_active_conversations(bench: &mut dyn Bench) {
    commit(bench, &people());
    commit(bench, &groups());
    commit(bench, &said(1, &[3, 2, 3]));
    let number = commit(bench, &said(12, &[3]));
    let mut part = member(1, 2, 0, 0);
    part.sent = 1;
    commit(bench, &[Effect::Member(part.clone())]);
    let Answer::View(view) = ask(bench, Query::View(AccountId(2))) else {
        panic!()
    };
    assert_eq!(
        (view.account(), view.commit()),
        (AccountId(2), CommitNumber(number.0 + 1))
    );
    assert_eq!(view.unread(), 3);
    let rows: Vec<(u64, u64)> = view
        .rows()
        .unwrap()
        .map(|row| (row.conversation.id.0, row.unread()))
        .collect();
    assert_eq!(rows, [(1, 2), (12, 1), (13, 0), (11, 0), (10, 0)]);
    let mut groups: Vec<u64> = view.groups().map(|id| id.0).collect();
    groups.sort_unstable();
    assert_eq!(groups, [10, 11, 12, 13]);
    assert_eq!(view.row(ConversationId(1)).unwrap().member, part);
    let other = |id| view.row(ConversationId(id)).unwrap().other.clone();
    assert_eq!(other(1), Other::Account(Arc::new(account(3, "b"))));
    assert_eq!(other(10), Other::Group { name_taken: true });
    assert_eq!(other(11), Other::Group { name_taken: false });

    let Answer::View(view) = ask(bench, Query::View(AccountId(99))) else {
        panic!()
    };
    assert_eq!((view.unread(), view.rows().unwrap().count()), (0, 0));
}

fn a_session_has_its_account(bench: &mut dyn Bench) {
    commit(bench, &people());
    let token = token(1, 3, 77);
    commit(bench, &[Effect::Token(token)]);
    let Answer::Session(Some(session)) = ask(bench, Query::Session(token.hash)) else {
        panic!()
    };
    assert_eq!(
        (session.token, &*session.account),
        (token, &account(3, "b"))
    );
    let unknown = ask(bench, Query::Session(TokenHash([9; 16])));
    assert!(matches!(unknown, Answer::Session(None)));
}

fn rows_are_loaded_by_key(bench: &mut dyn Bench) {
    commit(bench, &people());
    commit(bench, &groups());
    let token = token(1, 2, 77);
    let mut first = message(1_001, 1, 1, 2);
    first.client_id = Some(Arc::from("c"));
    let first = Arc::new(first);
    commit(
        bench,
        &[Effect::Token(token), Effect::Append(Arc::clone(&first))],
    );
    let a = Arc::new(account(2, "a"));
    let (low, high): (Member, Member) = (member(1, 2, 0, 0), member(1, 3, 1, 0));
    let conversation = with_head(&single(1, pair(2, 3), 0), &first);
    let client_key = |client_id| ClientKey {
        sender: AccountId(2),
        conversation: ConversationId(1),
        origin: Dialect::Buyer,
        client_id: Arc::from(client_id),
    };
    let (one, none) = (ConversationId(1), ConversationId(99));
    let single_row = Some(Box::new(SingleRow {
        conversation,
        low,
        high,
    }));
    let expected = [
        (Key::Account(a.id), Row::Account(a.id, Some(Arc::clone(&a)))),
        (
            Key::Account(AccountId(99)),
            Row::Account(AccountId(99), None),
        ),
        (
            Key::Name(Arc::from("a")),
            Row::Name(Arc::from("a"), Some(Arc::clone(&a))),
        ),
        (Key::Name(Arc::from("z")), Row::Name(Arc::from("z"), None)),
        (
            Key::Single(pair(3, 2), Topic::Messages),
            Row::Single(pair(2, 3), Topic::Messages, single_row.clone()),
        ),
        (
            Key::Single(pair(3, 4), Topic::Messages),
            Row::Single(pair(3, 4), Topic::Messages, None),
        ),
        (
            Key::Conversation(one),
            Row::Single(pair(2, 3), Topic::Messages, single_row),
        ),
        (Key::Conversation(none), Row::Conversation(none, None)),
        (Key::Member(none, a.id), Row::Member(none, a.id, None)),
        (
            Key::Shown(a.id, Arc::from("g (3)")),
            Row::Shown(a.id, Arc::from("g (3)"), Some(ConversationId(12))),
        ),
        (
            Key::Shown(a.id, Arc::from("b")),
            Row::Shown(a.id, Arc::from("b"), None),
        ),
        (Key::Token(token.hash), Row::Token(token.hash, Some(token))),
        (
            Key::Token(TokenHash([9; 16])),
            Row::Token(TokenHash([9; 16]), None),
        ),
        (Key::Tokens(a.id), Row::Tokens(a.id, vec![token])),
        (Key::Tokens(AccountId(3)), Row::Tokens(AccountId(3), vec![])),
        (
            Key::ClientId(client_key("c")),
            Row::ClientId(client_key("c"), Some(first)),
        ),
        (
            Key::ClientId(client_key("d")),
            Row::ClientId(client_key("d"), None),
        ),
    ];
    let (keys, rows): (Vec<Key>, Vec<Row>) = expected.into_iter().unzip();
    see(bench, |snapshot| {
        assert_eq!(load(snapshot, &keys).unwrap(), rows)
    });
}
