//! What has reached whom, how lists stand, and ids that are handed out.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Bench, commit, over_both, see};
use crate::domain::chat::{ChatAnswer, ChatQuery, NotPushed};
use crate::domain::command::Effect;
use crate::domain::conversation::ConversationKind;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, Slot};
use crate::domain::member::Member;
use crate::domain::message::{EventKind, MessageKind};
use crate::domain::pushed::Pushed;
use crate::domain::query::{Answer, Query};
use crate::limits::LIST_ROWS_MAX;
use crate::store::Order;
use crate::store::query::answer;
use crate::store::suite::build::*;

over_both!(
    delivery_and_arrangement_come_back,
    an_id_that_was_handed_out_is_used,
    what_waits_is_what_others_said_and_is_not_acknowledged,
    everything_of_an_account_is_merged_from_the_newest_on,
    events_wait_and_stand_nowhere_else,
);

fn ask(bench: &mut dyn Bench, query: ChatQuery) -> ChatAnswer {
    let query = Query::Chat(query);
    let found = see(bench, |snapshot| answer(snapshot, &query).unwrap().answer);
    match found {
        Answer::Chat(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn ids(bench: &mut dyn Bench, query: ChatQuery) -> Vec<u64> {
    match ask(bench, query) {
        ChatAnswer::Rows(Some(rows)) => rows.iter().map(|row| row.message.id.0).collect(),
        other => panic!("{other:?}"),
    }
}

fn delivery_and_arrangement_come_back(bench: &mut dyn Bench) {
    let mut part = member(1, 3, 1, 0);
    for position in [9, 2, 5, 6] {
        assert!(part.apply_acknowledged(Position(position)));
    }
    part.hidden_at = Some(Position(4));
    part.pinned = true;
    let mut whole = member(1, 2, 0, 0);
    whole.apply_acknowledged(Position(1));
    let rows = [part, whole];
    commit(bench, &rows.clone().map(Effect::Member));
    for _ in 0..2 {
        for row in &rows {
            let found = see(bench, |snapshot| {
                snapshot.member(row.conversation, row.account).unwrap()
            });
            assert_eq!(found.as_ref(), Some(row));
        }
        bench.restart();
    }
    // Filling the holes leaves none behind.
    let mut part: Member = rows[0].clone();
    part.holes.fill_up_to(9);
    commit(bench, &[Effect::Member(part.clone())]);
    let found = see(bench, |snapshot| {
        snapshot.member(part.conversation, part.account).unwrap()
    });
    assert_eq!(found, Some(part));
}

fn an_id_that_was_handed_out_is_used(bench: &mut dyn Bench) {
    commit(bench, &[Effect::ReserveId(MessageId(50))]);
    assert_eq!(bench.restart().message, MessageId(50));
    let later = Effect::Append(Arc::new(message(70, 1, 1, 2)));
    commit(bench, &[Effect::ReserveId(MessageId(60)), later]);
    assert_eq!(bench.restart().message, MessageId(70));
    commit(
        bench,
        &[
            Effect::ReserveId(MessageId(90)),
            Effect::ReserveId(MessageId(80)),
        ],
    );
    assert_eq!(bench.restart().message, MessageId(90));
}

/// Accounts 2, 3 and 4; 2 and 3 share conversation 1, all of them group 5.
fn people(bench: &mut dyn Bench) {
    let accounts = [(2, "a"), (3, "b"), (4, "c")];
    let mut effects: Vec<Effect> = accounts
        .map(|(id, name)| Effect::Account(Arc::new(account(id, name))))
        .into();
    effects.push(Effect::Conversation(single(1, pair(2, 3), 0)));
    effects.push(Effect::Conversation(group(5, 2, "g", 0)));
    let parts = [(1, 2, 0), (1, 3, 1), (5, 2, 0), (5, 3, 1), (5, 4, 2)];
    effects.extend(parts.map(|(id, account, slot)| Effect::Member(member(id, account, slot, 0))));
    let said = [
        (1, 1, 2),
        (5, 1, 3),
        (1, 2, 3),
        (5, 2, 2),
        (1, 3, 2),
        (5, 3, 4),
    ];
    effects.extend(
        said.iter()
            .zip(101..)
            .map(|((conversation, position, sender), id)| {
                Effect::Append(Arc::new(message(id, *conversation, *position, *sender)))
            }),
    );
    commit(bench, &effects);
}

fn not_pushed((id, positions, count): (u64, RangeInclusive<u64>, u64)) -> NotPushed {
    NotPushed {
        conversation: ConversationId(id),
        positions,
        count,
    }
}

fn what_waits_is_what_others_said_and_is_not_acknowledged(bench: &mut dyn Bench) {
    people(bench);
    let has_sent = |mut part: Member| {
        part.sent = 1;
        part
    };
    let parts = [member(1, 3, 1, 0), member(5, 3, 1, 0), member(5, 4, 2, 0)];
    commit(bench, &parts.map(|part| Effect::Member(has_sent(part))));
    let waiting = |account: u64, rows_max| ChatQuery::Undelivered {
        account: AccountId(account),
        rows_max,
    };
    assert_eq!(ids(bench, waiting(3, LIST_ROWS_MAX)), [101, 104, 105, 106]);
    assert_eq!(ids(bench, waiting(3, 2)), [101, 104]);
    assert_eq!(ids(bench, waiting(4, LIST_ROWS_MAX)), [102, 104]);
    let mut part = has_sent(member(1, 3, 1, 0));
    part.apply_acknowledged(Position(3));
    part.apply_acknowledged(Position(2));
    commit(bench, &[Effect::Member(part)]);
    assert_eq!(ids(bench, waiting(3, LIST_ROWS_MAX)), [101, 104, 106]);
    let mut pushed = Pushed::default();
    for (id, position) in [(1, 2), (1, 3), (5, 1), (5, 3), (9, 1)] {
        pushed.insert(ConversationId(id), Position(position));
    }
    for (rows_max, again) in [(LIST_ROWS_MAX, vec![104, 106]), (1, vec![104])] {
        let query = ChatQuery::Waiting {
            account: AccountId(3),
            pushed: Pushed::default(),
            rows_max,
        };
        let everything = [(1, 1..=1, 1), (5, 1..=3, 2)].map(not_pushed);
        match ask(bench, query) {
            ChatAnswer::Waiting { pushed, others } => {
                assert_eq!((pushed, others), (vec![], everything.into()));
            }
            other => panic!("{other:?}"),
        }
        let mut pushed = pushed.clone();
        pushed.insert(ConversationId(5), Position(2));
        let query = ChatQuery::Waiting {
            account: AccountId(3),
            pushed,
            rows_max,
        };
        match ask(bench, query) {
            ChatAnswer::Waiting { pushed, others } => {
                let ids: Vec<u64> = pushed.iter().map(|row| row.message.id.0).collect();
                assert_eq!((ids, others), (again, vec![not_pushed((1, 1..=1, 1))]));
            }
            other => panic!("{other:?}"),
        }
    }
    let query = ChatQuery::Waiting {
        account: AccountId(4),
        pushed,
        rows_max: LIST_ROWS_MAX,
    };
    match ask(bench, query) {
        ChatAnswer::Waiting { pushed, others } => {
            let ids: Vec<u64> = pushed.iter().map(|row| row.message.id.0).collect();
            assert_eq!((ids, others), (vec![102], vec![not_pushed((5, 2..=2, 1))]));
        }
        other => panic!("{other:?}"),
    }
    match ask(bench, ChatQuery::Part(ConversationId(1), Slot(1))) {
        ChatAnswer::Part(Some(found)) => assert_eq!(found.1.account, AccountId(3)),
        other => panic!("{other:?}"),
    }
    for (id, slot) in [(1, 2), (9, 0), (u64::MAX, 0)] {
        let found = ask(bench, ChatQuery::Part(ConversationId(id), Slot(slot)));
        assert!(matches!(found, ChatAnswer::Part(None)));
    }
}

fn everything_of_an_account_is_merged_from_the_newest_on(bench: &mut dyn Bench) {
    people(bench);
    let page = |account: u64, page, size| ChatQuery::Everything {
        account: AccountId(account),
        page,
        size,
    };
    assert_eq!(ids(bench, page(2, 1, 4)), [106, 105, 104, 103]);
    assert_eq!(ids(bench, page(2, 2, 4)), [102, 101]);
    assert_eq!(ids(bench, page(2, 3, 4)), [0; 0]);
    assert_eq!(ids(bench, page(4, 1, 9)), [106, 104, 102]);
    let mut former = member(5, 4, 2, 1);
    former.left_after = Some(Position(2));
    commit(bench, &[Effect::Member(former)]);
    assert_eq!(ids(bench, page(4, 1, 9)), [104]);
}

fn events_wait_and_stand_nowhere_else(bench: &mut dyn Bench) {
    people(bench);
    let everything = ChatQuery::Everything {
        account: AccountId(3),
        page: 1,
        size: 9,
    };
    let before = ids(bench, everything.clone());
    let events = ConversationKind::Events(pair(2, 3));
    let mut said = message(107, 9, 1, 2);
    said.kind = MessageKind::Event(EventKind::Follow);
    let effects = [
        Effect::Conversation(events_of(9, pair(2, 3), 0)),
        Effect::Member(member(9, 2, 0, 0)),
        Effect::Member(member(9, 3, 1, 0)),
        Effect::Append(Arc::new(said.clone())),
    ];
    commit(bench, &effects);
    for _ in 0..2 {
        let (of_pair, kind, log) = see(bench, |snapshot| {
            let pair = pair(2, 3);
            let of_pair = (
                snapshot.single(pair).unwrap(),
                snapshot.events(pair).unwrap(),
            );
            let found = snapshot.conversation(ConversationId(9)).unwrap();
            let log = snapshot.messages(ConversationId(9), 1..=9, Order::OldestFirst, 9);
            (of_pair, found.map(|found| found.kind), log.unwrap())
        });
        assert_eq!(of_pair, (Some(ConversationId(1)), Some(ConversationId(9))));
        assert_eq!((kind, &*log[0]), (Some(events.clone()), &said));
        let waiting = ChatQuery::Undelivered {
            account: AccountId(3),
            rows_max: LIST_ROWS_MAX,
        };
        assert_eq!(ids(bench, waiting), [101, 104, 105, 106, 107]);
        assert_eq!(ids(bench, everything.clone()), before);
        match ask(bench, ChatQuery::Unread(AccountId(3))) {
            ChatAnswer::Count(count) => assert_eq!(count, 6),
            other => panic!("{other:?}"),
        }
        match ask(bench, ChatQuery::Part(ConversationId(9), Slot(1))) {
            ChatAnswer::Part(part) => assert_eq!(part, None),
            other => panic!("{other:?}"),
        }
        bench.restart();
    }
}
