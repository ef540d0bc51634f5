//! What is outstanding, beside a plain list of it.

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::message::{Dialect, MessageKind};

/// Where doubles leave whole numbers out.
const LARGE: u64 = 1 << 62;

#[derive(Clone, Debug)]
enum Step {
    /// So many messages are pushed under ids of which some are the same, and some the same as doubles.
    Push(u64, usize),
    /// The client acknowledges what is shown under an id, exactly or as a double.
    Acknowledge(u64, bool),
    /// So much time passes.
    Wait(u64),
    /// What is due is pushed again.
    Repeat,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = prop_oneof![0..20_u64, LARGE..LARGE + 3_000];
    let step = prop_oneof![
        4 => (id.clone(), 1..40_usize).prop_map(|(id, count)| Step::Push(id, count)),
        8 => (id, any::<bool>()).prop_map(|(id, exact)| Step::Acknowledge(id, exact)),
        2 => (0..2 * CHAT_REPEAT_MS).prop_map(Step::Wait),
        1 => Just(Step::Repeat),
    ];
    prop::collection::vec(step, 1..120)
}

fn message(shown: u64, id: u64) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(id),
        conversation: ConversationId(1),
        position: Position(id),
        sender: AccountId(2),
        at: TimeMs(0),
        kind: MessageKind::Text,
        body: Arc::from(""),
        origin: Dialect::Chat,
        client_id: Some(Arc::from(shown.to_string())),
        attributes: None,
        recalled: false,
    })
}

struct Entry {
    message: Arc<Message>,
    shown: u64,
    /// If it is pushed again: when it is due, which of those due then comes first, and how often it was repeated.
    again: Option<(u64, u64, u8)>,
}

impl Entry {
    fn spot(&self) -> Spot {
        (self.message.conversation, self.message.position)
    }
}

proptest! {
    #[test]
    fn it_is_as_a_list_of_what_was_pushed(steps in steps()) {
        let place = Place::Single(AccountId(3));
        let mut outstanding = Outstanding::default();
        let mut list: Vec<Entry> = Vec::new();
        let (mut id, mut order, mut now_ms) = (0, 0, 1);
        for step in steps {
            match step {
                Step::Push(shown, count) => {
                    for shown in (shown..).take(count) {
                        id += 1;
                        order += 1;
                        let message = message(shown, id);
                        outstanding.push(&message, place);
                        let repeated = list.iter().filter(|entry| entry.again.is_some()).count();
                        let again = (repeated < CHAT_OUTSTANDING_MAX).then_some((now_ms + CHAT_REPEAT_MS, order, 0));
                        if again.is_some() || list.len() - repeated < CHAT_PUSHED_FURTHER_MAX {
                            list.push(Entry { message, shown, again });
                        }
                    }
                }
                Step::Acknowledge(shown, exact) => {
                    let same = |entry: &&Entry| match exact {
                        true => entry.shown == shown,
                        false => entry.shown as f64 == shown as f64,
                    };
                    let mut meant = list.iter().filter(same);
                    let oldest = meant.next().map(Entry::spot);
                    let found = match exact {
                        true => outstanding.find(shown),
                        false => outstanding.find_rounded(shown),
                    };
                    let is_one_of_many = !exact && meant.next().is_some();
                    prop_assert_eq!(found, oldest.filter(|_| !is_one_of_many));
                    if let Some(spot) = found {
                        outstanding.acknowledge(spot);
                        list.retain(|entry| entry.spot() != spot);
                    }
                }
                Step::Wait(time_ms) => now_ms += time_ms,
                Step::Repeat => {
                    while let Some((again, _)) = outstanding.repeat(now_ms) {
                        let due = |entry: &&mut Entry| entry.again.is_some_and(|(due_ms, ..)| due_ms <= now_ms);
                        let next = list.iter_mut().filter(due).min_by_key(|entry| entry.again);
                        let next = next.expect("nothing is due");
                        prop_assert_eq!(again.id, next.message.id);
                        let repeats = next.again.map_or(0, |(.., repeats)| repeats) + 1;
                        order += 1;
                        next.again = Some((now_ms + CHAT_REPEAT_MS, order, repeats));
                        list.retain(|entry| entry.again.is_none_or(|(.., repeats)| repeats < CHAT_REPEATS_MAX));
                    }
                    let late = |entry: &Entry| entry.again.is_some_and(|(due_ms, ..)| due_ms <= now_ms);
                    prop_assert!(!list.iter().any(late));
                }
            }
            let due_ms = outstanding.due_ms(now_ms);
            let next_ms = list.iter().filter_map(|entry| entry.again).map(|(due_ms, ..)| due_ms).min();
            prop_assert_eq!(due_ms, next_ms.unwrap_or(u64::MAX));
            prop_assert_eq!(outstanding.is_empty(), list.is_empty());
            prop_assert!(outstanding.due.len() <= 2 * list.len() + DUE_SLACK);
        }
    }
}
