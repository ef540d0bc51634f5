//! `imd check`: nothing is wrong with what a server leaves, however it ends, and what is wrong is told.

use super::{lines, refused, run};
use crate::harness::Server;
use rusqlite::Connection;

/// A stopped server whose store holds 300 messages between two accounts.
fn stopped(stop: fn(&mut Server)) -> Server {
    let mut server = Server::durable(&[]);
    let texts: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    server.buyer("chaogai").send_all("sunsanniang", &texts);
    assert_eq!(server.buyer("sunsanniang").read("chaogai").len(), 200);
    stop(&mut server);
    server
}

#[test]
fn nothing_is_wrong_after_a_stop_and_after_a_kill() {
    let expected = ["no faults in 300 messages, 1 conversations, 3 accounts"];
    let server = stopped(|server| drop(server.terminate()));
    assert_eq!(lines("check", server.data(), &[]), expected);
    let mut server = stopped(Server::kill);
    assert_eq!(lines("check", server.data(), &[]), expected);
    server.start_again();
    assert_eq!(server.buyer("sunsanniang").unread(), 100);
}

#[test]
fn what_is_wrong_is_printed_one_fault_a_line() {
    let server = stopped(|server| drop(server.terminate()));
    let file = server.data().join("imd.sqlite");
    let sql = |statement: &str| {
        let rows = Connection::open(&file).and_then(|db| db.execute(statement, []));
        assert_eq!(rows.expect("the statement runs"), 1, "{statement}");
    };
    sql("UPDATE log SET commit_number = 0 WHERE id = (SELECT max(id) FROM log)");
    sql("DELETE FROM account WHERE name = 'sunsanniang'");
    let exit = run("check", server.data(), &[]);
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.stdout.len() >= 2, "{exit:?}");
    let faults = format!("imd: {} faults in 300 messages", exit.stdout.len());
    assert!(exit.stderr.starts_with(&faults), "{exit:?}");
}

#[test]
fn a_directory_that_a_server_holds_is_refused() {
    let server = Server::durable(&[]);
    refused("check", server.data(), &[], 1, "is in use");
    server.buyer("chaogai").send("sunsanniang", "goes on");
}

#[test]
fn a_file_of_an_older_program_is_copied_but_not_read() {
    let server = stopped(|server| drop(server.terminate()));
    let file = server.data().join("imd.sqlite");
    let older = "DELETE FROM migration WHERE version = (SELECT max(version) FROM migration)";
    let rows = Connection::open(&file).and_then(|db| db.execute(older, []));
    assert_eq!(rows.expect("the statement runs"), 1);
    refused("check", server.data(), &[], 1, "schema version");
    let account = ["--account", "chaogai"];
    refused(
        "export",
        server.data(),
        &account,
        1,
        "start the server once",
    );
    let copy = server.data().join("copy").display().to_string();
    lines("backup", server.data(), &["--to", &copy]);
}
