//! The data directory: one server at a time, and no file that is newer than the program.

use crate::harness::{Server, exit_of};
use rusqlite::Connection;
use std::fs;
use tempfile::TempDir;

#[test]
fn a_second_server_on_a_directory_is_refused_while_the_first_goes_on() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "before");
    let data = server.data().to_str().expect("a path in UTF-8");
    let exit = exit_of(&["--listen", "127.0.0.1:0", "--data", data], &[]);
    assert!(exit.status.code().is_some_and(|code| code != 0), "{exit:?}");
    assert!(
        exit.stderr.contains(data),
        "the directory is not named: {exit:?}"
    );
    buyer.send("sunsanniang", "after");
    assert_eq!(
        server.buyer("sunsanniang").read("chaogai"),
        ["before", "after"]
    );
}

#[test]
fn a_file_of_a_newer_program_is_refused_and_left_as_it_is() {
    let mut server = Server::durable(&[]);
    server.buyer("chaogai").send("sunsanniang", "wowo");
    server.terminate();

    let file = server.data().join("imd.sqlite");
    let sql = |statement: &str| {
        let rows = Connection::open(&file).and_then(|db| db.execute(statement, []));
        assert_eq!(rows.expect("the statement runs"), 1, "{statement}");
    };
    sql("INSERT INTO migration (version, applied_at) VALUES (1000000, 0)");
    let exit = server.refusal_to_start_again();
    assert!(exit.status.code().is_some_and(|code| code != 0), "{exit:?}");
    assert!(
        exit.stderr.contains("newer") && exit.stderr.contains("1000000"),
        "{exit:?}"
    );

    sql("DELETE FROM migration WHERE version = 1000000");
    server.start_again();
    assert_eq!(server.buyer("sunsanniang").read("chaogai"), ["wowo"]);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let mut server = Server::durable(&[]);
    server.terminate();
    let file = server.data().join("imd.sqlite");
    let text = "this is not a database, and somebody may want it back\n".repeat(100);
    fs::write(&file, &text).expect("the file can be written");
    let exit = server.refusal_to_start_again();
    assert!(exit.status.code().is_some_and(|code| code != 0), "{exit:?}");
    assert!(
        exit.stderr.contains("imd.sqlite"),
        "the file is not named: {exit:?}"
    );
    assert_eq!(fs::read_to_string(&file).expect("the file is there"), text);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("a-file");
    fs::write(&file, "").expect("the file can be written");
    let inside = file.join("data");
    let inside = inside.to_str().expect("a path in UTF-8");
    let exit = exit_of(&["--listen", "127.0.0.1:0", "--data", inside], &[]);
    assert!(exit.status.code().is_some_and(|code| code != 0), "{exit:?}");
    assert!(
        exit.stderr.contains(inside),
        "the directory is not named: {exit:?}"
    );
}

#[test]
fn nothing_is_made_for_a_command_line_that_is_wrong() {
    let dir = TempDir::new().expect("a temporary directory");
    let data = dir.path().join("data");
    let exit = exit_of(
        &[
            "--listen",
            "nowhere",
            "--data",
            data.to_str().expect("a path in UTF-8"),
        ],
        &[],
    );
    assert_eq!(exit.status.code(), Some(2), "{exit:?}");
    assert!(!data.exists());
}
