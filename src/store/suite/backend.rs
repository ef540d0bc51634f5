//! What a back end asks, over every store.

use std::sync::Arc;

use crate::domain::backend::{BackendAnswer, BackendQuery, OverviewRow, Talk};
use crate::domain::command::{Effect, Refusal};
use crate::domain::ids::{AccountId, ConversationId, Position, TimeMs};
use crate::domain::member::{Member, ReadMark};
use crate::domain::query::{Answer, MessagePage, Query};
use crate::limits::{ANSWER_BYTES_MAX, MESSAGE_BODY_BYTES_MAX};
use crate::store::query::answer;
use crate::store::suite::build::*;
use crate::store::suite::{Bench, commit, over_both, see};

over_both!(
    own_messages_are_counted_in_a_range,
    an_overview_has_the_newest_message_that_may_be_seen,
    an_overview_is_bounded,
    members_come_in_the_order_in_which_they_joined,
    a_mark_counts_own_messages_from_either_end,
    a_transcript_shows_what_its_reader_may_see,
    what_cannot_be_asked_is_refused,
);

fn accounts() -> Vec<Effect> {
    [(2, "a"), (3, "b"), (4, "c")]
        .map(|(id, name)| Effect::Account(Arc::new(account(id, name))))
        .into()
}

/// One message of each of `senders`, in their order, in `conversation`.
fn said(conversation: u64, senders: &[u64]) -> Vec<Effect> {
    let said = |(sender, position): (&u64, u64)| {
        let id = conversation * 1_000 + position;
        Effect::Append(Arc::new(message(id, conversation, position, *sender)))
    };
    senders.iter().zip(1..).map(said).collect()
}

fn ask(bench: &mut dyn Bench, query: BackendQuery) -> Result<BackendAnswer, Refusal> {
    let query = Query::Backend(query);
    match see(bench, |snapshot| answer(snapshot, &query).unwrap().answer) {
        Answer::Backend(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn overview(bench: &mut dyn Bench, name: &str, rows_max: usize) -> Vec<OverviewRow> {
    let query = BackendQuery::Overview {
        account: name.into(),
        rows_max,
        members_max: 2,
    };
    match ask(bench, query) {
        Ok(BackendAnswer::Overview(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

fn ids(rows: &[OverviewRow]) -> Vec<u64> {
    rows.iter().map(|row| row.conversation.id.0).collect()
}

fn transcript(
    bench: &mut dyn Bench,
    reader: Option<&str>,
    talk: Talk,
    page: u64,
    size: usize,
) -> Result<MessagePage, Refusal> {
    let query = BackendQuery::Transcript {
        reader: reader.map(Arc::from),
        talk,
        page,
        size,
    };
    match ask(bench, query)? {
        BackendAnswer::Transcript(page) => Ok(*page),
        other => panic!("{other:?}"),
    }
}

fn positions(page: &MessagePage) -> Vec<u64> {
    page.messages.iter().map(|m| m.position.0).collect()
}

fn numbered(id: u64) -> Talk {
    Talk::Number(ConversationId(id))
}

fn own_messages_are_counted_in_a_range(bench: &mut dyn Bench) {
    commit(bench, &said(1, &[2, 3, 2, 2, 3]));
    commit(bench, &said(2, &[2, 2]));
    see(bench, |snapshot| {
        let count = |account, positions| {
            snapshot
                .count_sent(ConversationId(1), AccountId(account), positions)
                .unwrap()
        };
        assert_eq!(count(2, 1..=5), 3);
        assert_eq!(count(2, 2..=3), 1);
        assert_eq!(count(3, 0..=u64::MAX), 2);
        assert_eq!(count(4, 1..=5), 0);
        assert_eq!(count(2, 6..=9), 0);
        #[expect(
            clippy::reversed_empty_ranges,
            reason = "an empty range is asked for like this"
        )]
        let empty = count(2, 3..=2);
        assert_eq!(empty, 0);
    });
}

fn an_overview_has_the_newest_message_that_may_be_seen(bench: &mut dyn Bench) {
    let mut effects = accounts();
    effects.extend([
        Effect::Conversation(single(1, pair(2, 3), 0)),
        Effect::Member(member(1, 2, 0, 0)),
        Effect::Member(member(1, 3, 1, 0)),
        Effect::Conversation(single(2, pair(2, 4), 0)),
        Effect::Member(member(2, 2, 0, 0)),
        Effect::Member(member(2, 4, 1, 0)),
        Effect::Conversation(group(3, 4, "g", 5)),
        Effect::Member(member(3, 4, 0, 0)),
        Effect::Member(member(3, 2, 1, 2)),
        Effect::Conversation(group(4, 4, "left", 5)),
    ]);
    let mut former = member(4, 2, 0, 0);
    former.left_after = Some(Position(0));
    effects.push(Effect::Member(former));
    effects.extend(said(1, &[2, 3]));
    effects.extend(said(3, &[4, 4]));
    commit(bench, &effects);
    let rows = overview(bench, "a", 9);
    assert_eq!(
        ids(&rows),
        [3, 1],
        "without one that is silent and one that was left"
    );
    let row = &rows[1];
    assert_eq!(row.unread, 2);
    let names: Vec<&str> = row.members.iter().map(|account| &*account.name).collect();
    assert_eq!(names, ["a", "b"]);
    let (last, sender) = row.last.as_ref().unwrap();
    assert_eq!((last.position, &*sender.name), (Position(2), "b"));
    assert_eq!((rows[0].unread, &rows[0].last), (0, &None), "joined after");
    let rows = overview(bench, "b", 9);
    let names: Vec<&str> = rows[0]
        .members
        .iter()
        .map(|account| &*account.name)
        .collect();
    assert_eq!(names, ["b", "a"], "the asker first");
    assert!(overview(bench, "nobody", 9).is_empty());
}

fn an_overview_is_bounded(bench: &mut dyn Bench) {
    let mut effects = accounts();
    let body: Arc<str> = "x".repeat(MESSAGE_BODY_BYTES_MAX).into();
    for id in 1..=20 {
        let mut said = message(id, id, 1, 3);
        (said.body, said.at) = (Arc::clone(&body), TimeMs(id as i64));
        effects.extend([
            Effect::Conversation(group(id, 3, "g", 0)),
            Effect::Member(member(id, 3, 0, 0)),
            Effect::Member(member(id, 2, 1, 0)),
            Effect::Member(member(id, 4, 2, 0)),
            Effect::Append(Arc::new(said)),
        ]);
    }
    commit(bench, &effects);
    assert_eq!(ids(&overview(bench, "a", 3)), [20, 19, 18]);
    let rows = overview(bench, "a", 1_000);
    let bodies = rows.len() * MESSAGE_BODY_BYTES_MAX;
    assert!(bodies <= ANSWER_BYTES_MAX && ANSWER_BYTES_MAX < bodies + 2 * MESSAGE_BODY_BYTES_MAX);
    assert_eq!(rows[0].conversation.id, ConversationId(20));
    assert_eq!(rows[0].members.len(), 2);
}

fn members_come_in_the_order_in_which_they_joined(bench: &mut dyn Bench) {
    let mut effects = accounts();
    let mut left = member(1, 9, 1, 0);
    left.left_after = Some(Position(0));
    let mut back = member(1, 4, 0, 3);
    back.alias = Arc::from("c in g");
    effects.extend([
        Effect::Conversation(group(1, 4, "g", 0)),
        Effect::Member(back.clone()),
        Effect::Member(left),
        Effect::Member(member(1, 3, 2, 0)),
        Effect::Member(member(1, 2, 3, 0)),
    ]);
    commit(bench, &effects);
    let mut members = |rows_max| {
        let group = ConversationId(1);
        match ask(bench, BackendQuery::Members { group, rows_max }) {
            Ok(BackendAnswer::Members(members)) => members,
            other => panic!("{other:?}"),
        }
    };
    let all = members(9);
    let names: Vec<&str> = all.iter().map(|(account, _)| &*account.name).collect();
    assert_eq!(names, ["b", "a", "c"]);
    assert_eq!(all[2].1, back);
    assert_eq!(members(2).len(), 2);
}

/// The mark of every page, from every read position, against a recount.
fn a_mark_counts_own_messages_from_either_end(bench: &mut dyn Bench) {
    const SENDERS: [u64; 9] = [2, 3, 3, 2, 2, 3, 2, 3, 2];
    let own = |until: u64| {
        SENDERS[..until as usize]
            .iter()
            .filter(|s| **s == 2)
            .count() as u64
    };
    let mut effects = accounts();
    effects.extend([
        Effect::Conversation(single(1, pair(2, 3), 0)),
        Effect::Member(member(1, 3, 1, 0)),
    ]);
    effects.extend(said(1, &SENDERS));
    commit(bench, &effects);
    for read in 0..=9 {
        let reader = Member {
            read: Position(read),
            sent: own(9),
            sent_read: own(read),
            ..member(1, 2, 0, 0)
        };
        commit(bench, &[Effect::Member(reader)]);
        for page in 1..=9 {
            let newest = 10 - page;
            let expected = (newest > read).then(|| ReadMark {
                position: Position(newest),
                own: own(newest),
            });
            for talk in [numbered(1), Talk::With("b".into())] {
                let found = transcript(bench, Some("a"), talk, page, 1).unwrap();
                assert_eq!((positions(&found), found.mark), (vec![newest], expected));
            }
        }
        assert_eq!(
            transcript(bench, None, numbered(1), 1, 9).unwrap().mark,
            None
        );
    }
}

fn a_transcript_shows_what_its_reader_may_see(bench: &mut dyn Bench) {
    let mut effects = accounts();
    effects.extend([
        Effect::Conversation(group(1, 3, "g", 0)),
        Effect::Member(member(1, 3, 0, 0)),
        Effect::Member(member(1, 2, 1, 2)),
    ]);
    effects.extend(said(1, &[3, 3, 3, 3, 3]));
    commit(bench, &effects);
    let mut shown = |reader, page, size| {
        positions(&transcript(bench, reader, numbered(1), page, size).unwrap())
    };
    assert_eq!(shown(None, 1, 3), [3, 4, 5]);
    assert_eq!(shown(None, 2, 3), [1, 2]);
    assert_eq!(shown(Some("a"), 1, 2), [4, 5]);
    assert_eq!(shown(Some("a"), 2, 2), [3]);
    assert_eq!(shown(Some("a"), 3, 2), [0; 0]);
    assert_eq!(shown(Some("b"), 1, 100), [1, 2, 3, 4, 5]);
    assert_eq!(shown(Some("b"), u64::MAX, 100), [0; 0]);
}

fn what_cannot_be_asked_is_refused(bench: &mut dyn Bench) {
    let mut effects = accounts();
    let mut former = member(1, 2, 1, 0);
    former.left_after = Some(Position(0));
    effects.extend([
        Effect::Conversation(group(1, 3, "g", 0)),
        Effect::Member(member(1, 3, 0, 0)),
        Effect::Member(former),
        Effect::Conversation(single(2, pair(2, 3), 0)),
        Effect::Member(member(2, 2, 0, 0)),
        Effect::Member(member(2, 3, 1, 0)),
    ]);
    commit(bench, &effects);
    let mut refusal = |reader, talk| transcript(bench, reader, talk, 1, 1).unwrap_err();
    assert_eq!(refusal(None, numbered(3)), Refusal::NoSuchConversation);
    assert_eq!(
        refusal(Some("a"), numbered(u64::MAX)),
        Refusal::NoSuchConversation
    );
    assert_eq!(refusal(Some("nobody"), numbered(1)), Refusal::NotAMember);
    assert_eq!(refusal(Some("c"), numbered(2)), Refusal::NotAMember);
    assert_eq!(refusal(Some("a"), numbered(1)), Refusal::NotAMember, "left");
    let with = |name: &str| Talk::With(name.into());
    assert_eq!(refusal(Some("a"), with("a")), Refusal::ToSelf);
    assert_eq!(refusal(Some("a"), with("nobody")), Refusal::NoSuchAccount);
    assert_eq!(refusal(Some("nobody"), with("a")), Refusal::NoSuchAccount);
    let silent = transcript(bench, Some("a"), with("c"), 1, 1).unwrap();
    assert_eq!((positions(&silent), silent.mark), (vec![], None));
    let members = |group| BackendQuery::Members {
        group: ConversationId(group),
        rows_max: 9,
    };
    let mut refusal = |group| ask(bench, members(group)).unwrap_err();
    assert_eq!(refusal(2), Refusal::NotAGroup);
    assert_eq!(refusal(3), Refusal::NoSuchConversation);
}
