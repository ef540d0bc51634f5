//! Subcommands on a data directory: what they do, beside a running server too, and what they refuse.

mod backup;
mod check;
mod export;

use crate::harness::{Exit, Server, exit_of};
use rusqlite::Connection;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Runs a subcommand on the directory `data`.
fn run(task: &str, data: &Path, rest: &[&str]) -> Exit {
    let data = data.to_str().expect("a path in UTF-8");
    exit_of(&[&[task, "--data", data], rest].concat(), &[])
}

/// Runs one that must succeed and gives the lines that it printed.
#[track_caller]
fn lines(task: &str, data: &Path, rest: &[&str]) -> Vec<String> {
    let exit = run(task, data, rest);
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert_eq!(exit.stderr, "");
    exit.stdout
}

/// Runs one that must be refused with `code`, with one line on standard error that names `named` and nothing printed.
#[track_caller]
fn refused(task: &str, data: &Path, rest: &[&str], code: i32, named: &str) {
    let exit = run(task, data, rest);
    assert_eq!(exit.status.code(), Some(code), "{exit:?}");
    assert!(exit.stdout.is_empty(), "{exit:?}");
    assert_eq!(exit.stderr.lines().count(), 1, "{exit:?}");
    assert!(exit.stderr.contains(named), "{named}: {exit:?}");
}

/// The texts of all messages that an account may see.
#[track_caller]
fn texts(data: &Path, account: &str) -> Vec<String> {
    let objects = lines("export", data, &["--account", account]);
    let objects = objects.iter().map(|line| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    objects
        .filter(|object| object["type"] == "message")
        .map(|message| message["body"].as_str().expect("a text").to_owned())
        .collect()
}

/// Every task with what it needs, its files in `dir`.
fn all(dir: &Path) -> [(&'static str, Vec<String>); 3] {
    let copy = dir.join("copy").display().to_string();
    [
        ("check", vec![]),
        ("backup", vec!["--to".to_owned(), copy]),
        ("export", vec!["--account".to_owned(), "a".to_owned()]),
    ]
}

/// Asserts that every task refuses the directory `data` with `code` and names `named`, and makes nothing.
#[track_caller]
fn all_refuse(data: &Path, code: i32, named: &str) {
    let dir = TempDir::new().expect("a temporary directory");
    for (task, rest) in all(dir.path()) {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        refused(task, data, &rest, code, named);
    }
    let made = fs::read_dir(dir.path()).expect("it is readable").count();
    assert_eq!(made, 0);
}

#[test]
fn a_directory_that_is_missing_or_holds_no_database_is_wrong_usage() {
    let dir = TempDir::new().expect("a temporary directory");
    all_refuse(&dir.path().join("none"), 2, "--data: ");
    all_refuse(dir.path(), 2, &dir.path().display().to_string());
    let made = fs::read_dir(dir.path()).expect("it is readable").count();
    assert_eq!(made, 0);
}

#[test]
fn wrong_usage_is_named_with_exit_code_2() {
    for (args, named) in [
        (&["backup"][..], "--to"),
        (&["export"], "--account"),
        (&["check", "--data"], "--data"),
        (&["export", "--account"], "--account"),
        (&["backup", "--too", "x"], "--to"),
        (&["backup", "--to", "x", "--shards", "1"], "--shards"),
        (&["--memory", "backup", "--to", "x"], "imd backup"),
        (&["bakcup"], "backup"),
    ] {
        let exit = exit_of(args, &[]);
        assert_eq!(exit.status.code(), Some(2), "{exit:?}");
        assert!(exit.stderr.contains(named), "{named}: {exit:?}");
    }
}

#[test]
fn a_file_of_a_newer_program_or_of_another_is_refused() {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("imd.sqlite");
    let sql = |statements: &str| {
        let done = Connection::open(&file).and_then(|db| db.execute_batch(statements));
        done.expect("the statements run");
    };
    sql("CREATE TABLE notes (text TEXT)");
    all_refuse(dir.path(), 1, "was not made by imd");
    sql(
        "CREATE TABLE migration (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL);
        INSERT INTO migration VALUES (1000000, 0)",
    );
    all_refuse(dir.path(), 1, "1000000");
    fs::write(&file, "this is not a database\n".repeat(1000)).expect("it can be written");
    all_refuse(dir.path(), 1, "imd.sqlite");
}

#[test]
fn what_cannot_be_printed_is_a_failure_and_no_panic() {
    let mut server = Server::durable(&[]);
    server.buyer("a");
    server.terminate();
    let dir = TempDir::new().expect("a temporary directory");
    let data = server.data().to_str().expect("a path in UTF-8");
    let mut commands = vec![vec!["--help".to_owned()]];
    for (task, rest) in all(dir.path()) {
        let head = [task, "--data", data].map(str::to_owned);
        commands.push([&head[..], &rest].concat());
    }
    for args in commands {
        let full = File::options().write(true).open("/dev/full");
        let output = Command::new(env!("CARGO_BIN_EXE_imd"))
            .args(&args)
            .stdout(full.expect("a device that takes nothing"))
            .output()
            .expect("the imd binary starts");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("standard output"), "{stderr}");
    }
}
