//! The readers' queue, by what comes out of it.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};

use super::*;
use crate::domain::ids::AccountId;
use crate::domain::query::Query;
use crate::runtime::inbox::Purpose;
use crate::runtime::slab::Key;

fn question(number: u64) -> Question {
    Question {
        shard: 0,
        purpose: Purpose::View(AccountId(number)),
        query: Query::View(AccountId(number)),
    }
}

fn push_question(queue: &WorkQueue, number: u64) {
    assert!(queue.try_push_question(question(number), usize::MAX));
}

fn file(number: u64) -> Heavy {
    let conn = Key {
        slot: 0,
        generation: 0,
    };
    Heavy::Save {
        shard: 0,
        call: CallKey { conn, call: 0 },
        upload: Upload {
            name: number.to_string(),
            bytes: Vec::new(),
        },
    }
}

fn loads(number: u64) -> Vec<LoadRequest> {
    vec![LoadRequest {
        id: number,
        keys: Vec::new(),
    }]
}

/// What was taken, in short: `l` and `h` for loads and heavy work, `q` for questions; and the numbers.
fn name(work: &Work) -> String {
    match work {
        Work::Loads(requests) => format!("l{}", requests[0].id),
        Work::Questions(questions) => questions.iter().fold("q".to_owned(), |name, question| {
            let Purpose::View(account) = question.purpose else {
                panic!("{question:?}");
            };
            format!("{name}{}", account.0)
        }),
        Work::Heavy(Heavy::Save { upload, .. }) => format!("h{}", upload.name),
        Work::Heavy(other) => panic!("{other:?}"),
    }
}

/// What a reader takes until there is nothing for it.
fn taken(queue: &WorkQueue, takes_heavy: bool, questions_max: usize) -> Vec<String> {
    std::iter::from_fn(|| queue.try_take(takes_heavy, questions_max))
        .map(|work| name(&work))
        .collect()
}

#[test]
fn loads_go_first_and_heavy_work_is_passed_over_once() {
    let queue = WorkQueue::default();
    for number in 1..=2 {
        assert!(queue.try_push_heavy(file(number)));
    }
    for number in 1..=4 {
        push_question(&queue, number);
    }
    for number in 1..=2 {
        queue.push_loads(loads(number));
    }
    assert_eq!(
        taken(&queue, true, 1),
        ["l1", "l2", "q1", "h1", "q2", "h2", "q3", "q4"]
    );
}

#[test]
fn only_readers_that_take_heavy_work_pass_it_over() {
    let queue = WorkQueue::default();
    assert!(queue.try_push_heavy(file(1)));
    for number in 1..=3 {
        push_question(&queue, number);
    }
    assert_eq!(
        queue.try_take(false, 1).map(|work| name(&work)).unwrap(),
        "q1"
    );
    assert_eq!(taken(&queue, true, 1), ["q2", "h1", "q3"]);

    assert!(queue.try_push_heavy(file(2)));
    push_question(&queue, 4);
    assert_eq!(taken(&queue, false, 1), ["q4"]);
    assert_eq!(queue.heavy(), 1);
}

#[test]
fn half_of_the_questions_behind_are_left_to_the_others() {
    let queue = WorkQueue::default();
    for number in 1..=8 {
        push_question(&queue, number);
    }
    assert_eq!(taken(&queue, false, 3), ["q123", "q456", "q7", "q8"]);
    for number in 1..=6 {
        push_question(&queue, number);
    }
    assert_eq!(taken(&queue, false, 100), ["q123", "q45", "q6"]);
    assert_eq!(queue.questions(), 0);
}

#[test]
fn every_bound_holds() {
    let queue = WorkQueue::default();
    for number in 0..3 {
        assert_eq!(queue.try_push_question(question(number), 2), number < 2);
    }
    assert!(queue.try_push_question(question(3), 3));
    assert_eq!(queue.questions(), 3);

    for number in 0..FILES_WAITING_MAX as u64 + 1 {
        let has_room = number < FILES_WAITING_MAX as u64;
        assert_eq!(queue.try_push_heavy(file(number)), has_room);
    }
    assert_eq!(queue.heavy(), FILES_WAITING_MAX);
    assert_eq!(taken(&queue, true, 1).len(), 3 + FILES_WAITING_MAX);
    assert!(queue.try_push_heavy(file(0)));
}

#[test]
fn loads_can_be_taken_alone() {
    let queue = WorkQueue::default();
    push_question(&queue, 1);
    assert_eq!(queue.try_take_loads(), None);
    queue.push_loads(loads(7));
    assert_eq!(queue.try_take_loads(), Some(loads(7)));
    assert_eq!(taken(&queue, true, 1), ["q1"]);
}

#[test]
fn a_closed_queue_gives_what_it_holds_and_then_ends() {
    let queue = WorkQueue::default();
    assert!(queue.try_push_heavy(file(1)));
    push_question(&queue, 1);
    queue.close();
    queue.push_loads(loads(1));
    let next = |takes_heavy| queue.take(takes_heavy).map(|work| name(&work));
    assert_eq!(next(false).as_deref(), Some("l1"));
    assert_eq!(next(false).as_deref(), Some("q1"));
    assert_eq!(next(false), None);
    assert_eq!(next(true).as_deref(), Some("h1"));
    assert_eq!(next(true), None);
}

/// Readers that say what they have taken.
struct Readers {
    queue: Arc<WorkQueue>,
    taken: Receiver<String>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// One for each of `takes_heavy`.
    fn start(takes_heavy: &[bool]) -> Readers {
        let queue = Arc::new(WorkQueue::default());
        let (tell, taken) = unbounded();
        let threads = takes_heavy.iter().map(|&takes_heavy| {
            let (queue, tell) = (Arc::clone(&queue), tell.clone());
            thread::spawn(move || {
                while let Some(work) = queue.take(takes_heavy) {
                    assert!(takes_heavy || !matches!(work, Work::Heavy(_)));
                    tell.send(name(&work)).expect("the test listens");
                }
            })
        });
        Readers {
            threads: threads.collect(),
            queue,
            taken,
        }
    }

    /// What was taken next. A reader that nobody wakes fails the test.
    fn next(&self) -> String {
        let next = self.taken.recv_timeout(Duration::from_secs(20));
        next.expect("a reader is awake")
    }

    /// Closes the queue; every reader ends.
    fn stop(self) {
        self.queue.close();
        drop(self.queue);
        // Ends when the last reader has ended.
        let end = self.taken.recv_timeout(Duration::from_secs(20));
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        for thread in self.threads {
            thread.join().expect("a reader ends well");
        }
    }
}

/// Readers fall asleep between the pushes, or nearly so: each push must reach one that takes its class.
#[test]
fn a_push_wakes_a_reader_that_takes_it() {
    for kinds in [&[true][..], &[true, false], &[true, true, false, false]] {
        let readers = Readers::start(kinds);
        for round in 0..2_000 {
            match round % 3 {
                0 => assert!(readers.queue.try_push_heavy(file(7))),
                1 => push_question(&readers.queue, 7),
                _ => readers.queue.push_loads(loads(7)),
            }
            assert_eq!(readers.next(), ["h7", "q7", "l7"][round % 3]);
        }
        readers.stop();
    }
}

/// Several threads push several things at once, and wait for all of them before they push more.
#[test]
fn everything_pushed_is_taken_once() {
    let readers = Readers::start(&[true, false]);
    for _ in 0..500 {
        thread::scope(|scope| {
            for pusher in 0..3 {
                let queue = &readers.queue;
                scope.spawn(move || {
                    push_question(queue, pusher);
                    assert!(queue.try_push_heavy(file(pusher)));
                    queue.push_loads(loads(pusher));
                });
            }
        });
        let mut taken = Vec::new();
        while taken.len() < 9 {
            let name = readers.next();
            let (class, numbers) = name.split_at(1);
            taken.extend(numbers.chars().map(|number| format!("{class}{number}")));
        }
        taken.sort();
        let all = "h0 h1 h2 l0 l1 l2 q0 q1 q2";
        assert_eq!(taken.join(" "), all);
    }
    readers.stop();
}

#[test]
fn closing_wakes_all_who_sleep() {
    for _ in 0..200 {
        let readers = Readers::start(&[true, true, false, false]);
        push_question(&readers.queue, 1);
        assert_eq!(readers.next(), "q1");
        readers.stop();
    }
}
