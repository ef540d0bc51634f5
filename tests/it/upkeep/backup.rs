//! `imd backup`: a copy that a server can start from, made while another one writes.

use super::{lines, refused, texts};
use crate::harness::Server;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use tempfile::TempDir;

/// Copies the database of `server` into the new directory `to`.
fn back_up(server: &Server, to: &Path) -> Vec<String> {
    fs::create_dir_all(to).expect("it can be made");
    let file = to.join("imd.sqlite").display().to_string();
    lines("backup", server.data(), &["--to", &file])
}

#[test]
fn copies_made_under_writes_hold_all_that_was_acknowledged_before_and_nothing_odd() {
    let server = Server::durable(&[]);
    let dir = TempDir::new().expect("a temporary directory");
    let mut buyer = server.buyer("chaogai");
    let (sent, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let acknowledged = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                let first = sent.load(SeqCst);
                let texts: Vec<String> = (first..first + 50).map(|n| n.to_string()).collect();
                buyer.send_all("sunsanniang", &texts);
                sent.store(first + 50, SeqCst);
            }
        });
        let counts: Vec<usize> = (0..5)
            .map(|round| {
                // Each copy is made while more is written than when the one before was.
                let before = sent.load(SeqCst);
                while sent.load(SeqCst) == before {
                    thread::yield_now();
                }
                let acknowledged = sent.load(SeqCst);
                back_up(&server, &dir.path().join(round.to_string()));
                acknowledged
            })
            .collect();
        stop.store(true, SeqCst);
        counts
    });
    let total = sent.load(SeqCst);
    for (round, least) in acknowledged.into_iter().enumerate() {
        let copy = dir.path().join(round.to_string());
        lines("check", &copy, &[]);
        let copied = texts(&copy, "sunsanniang");
        assert!((least..=total).contains(&copied.len()));
        assert!(
            copied
                .iter()
                .map(|text| text.parse())
                .eq((0..copied.len()).map(Ok))
        );
    }
    assert_eq!(server.buyer("sunsanniang").unread(), total as u64);
}

#[test]
fn a_server_starts_from_the_copy_with_tokens_and_uploads() {
    let mut server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "kept");
    fs::create_dir_all(server.data().join("uploads")).expect("it can be made");
    let dir = TempDir::new().expect("a temporary directory");
    let printed = back_up(&server, dir.path());
    assert!(printed[0].contains("imd.sqlite: ") && printed[0].contains(" bytes"));
    assert!(printed[1].contains("uploads"), "{printed:?}");
    buyer.send("sunsanniang", "after the backup");
    server.terminate();

    let copy = dir.path().join("imd.sqlite");
    let mode = fs::metadata(&copy)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::copy(&copy, server.data().join("imd.sqlite")).expect("it can be put in place");
    server.start_again();
    buyer.http = server.client();
    assert_eq!(buyer.history("sunsanniang").len(), 1);
    buyer.send("sunsanniang", "goes on");
    assert_eq!(
        server.buyer("sunsanniang").read("chaogai"),
        ["kept", "goes on"]
    );
}

#[test]
fn what_a_killed_server_left_is_copied_whole() {
    let mut server = Server::durable(&[]);
    let texts_sent: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    server.buyer("chaogai").send_all("sunsanniang", &texts_sent);
    server.kill();
    assert_eq!(texts(server.data(), "chaogai"), texts_sent);
    let dir = TempDir::new().expect("a temporary directory");
    back_up(&server, dir.path());
    assert_eq!(texts(dir.path(), "chaogai"), texts_sent);
    server.start_again();
    assert_eq!(server.buyer("sunsanniang").unread(), 300);
}

#[test]
fn nothing_is_overwritten_and_nothing_half_done_is_left() {
    let server = Server::durable(&[]);
    let dir = TempDir::new().expect("a temporary directory");
    let there = dir.path().join("there");
    fs::write(&there, "mine").expect("it can be written");
    let path = there.to_str().expect("a path in UTF-8");
    refused("backup", server.data(), &["--to", path], 1, path);
    assert_eq!(fs::read_to_string(&there).expect("it is there"), "mine");

    let partial = dir.path().join("copy.partial");
    fs::write(&partial, "cut off").expect("it can be written");
    let path = dir.path().join("copy").display().to_string();
    let named = partial.to_str().expect("a path in UTF-8");
    refused("backup", server.data(), &["--to", &path], 1, named);

    for (to, named) in [("none/copy", "none/copy"), ("..", "..")] {
        let path = dir.path().join(to).display().to_string();
        refused("backup", server.data(), &["--to", &path], 1, named);
    }
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .expect("it is readable")
        .map(|entry| entry.expect("it is readable").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["copy.partial", "there"]);
}
