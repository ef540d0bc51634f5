//! The command line: what is wrong is named, with exit code 2.

use crate::harness::{Client, Server, exit_of};
use std::fs;
use std::net::TcpListener;
use tempfile::TempDir;

/// Asserts exit code 2 and a line on standard error that names `named`.
#[track_caller]
fn check_wrong(args: &[&str], env: &[(&str, &str)], named: &str) {
    let base = ["--memory", "--listen", "127.0.0.1:0"];
    let exit = exit_of(&[&base, args].concat(), env);
    assert_eq!(exit.status.code(), Some(2), "{args:?} {env:?}: {exit:?}");
    assert!(
        exit.stderr.lines().any(|line| line.contains(named)),
        "{named} is not named: {exit:?}"
    );
}

#[test]
fn a_wrong_option_or_value_is_named_with_exit_code_2() {
    for (args, named) in [
        (&["--no-such-option"][..], "--no-such-option"),
        (&["--shards", "0"], "shards"),
        (&["--shards", "many"], "shards"),
        (&["--shards"], "shards"),
        (&["--listen", "nowhere"], "listen"),
        (&["--listen", "127.0.0.1:65536"], "listen"),
        (&["--durability", "sometimes"], "durability"),
        (&["--timezone", "Mars/Olympus"], "timezone"),
        (&["--auth", "maybe"], "auth"),
        (&["--open-directory", "perhaps"], "open-directory"),
        (&["--public-url", "not a url"], "public-url"),
        (&["--header-timeout-s", "soon"], "header-timeout-s"),
        (&["--auth", "signed", "--app-key", "no-secret"], "app-key"),
        (&["--config", "/nobody/imd.toml"], "/nobody/imd.toml"),
        (&["stray"], "stray"),
    ] {
        check_wrong(args, &[], named);
    }
}

#[test]
fn a_wrong_value_says_what_is_right() {
    let exit = exit_of(
        &[
            "--memory",
            "--listen",
            "127.0.0.1:0",
            "--durability",
            "sometimes",
        ],
        &[],
    );
    assert!(
        exit.stderr.contains("full") && exit.stderr.contains("process"),
        "{exit:?}"
    );
    let exit = exit_of(
        &["--memory", "--listen", "127.0.0.1:0", "--auth", "maybe"],
        &[],
    );
    assert!(
        exit.stderr.contains("open") && exit.stderr.contains("signed"),
        "{exit:?}"
    );
}

#[test]
fn a_wrong_value_in_the_environment_or_the_file_is_named_too() {
    check_wrong(&[], &[("IMD_DURABILITY", "sometimes")], "sometimes");
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("imd.toml");
    let config = format!("--config={}", file.display());
    for (text, named) in [
        ("durability = \"sometimes\"", "durability"),
        ("nobody = 1", "nobody"),
        ("shards = 0", "shards"),
        ("shards = ", "imd.toml"),
    ] {
        fs::write(&file, text).expect("the file can be written");
        check_wrong(&[&config], &[], named);
    }
}

#[test]
fn every_listening_address_has_its_ready_line_and_serves_the_same() {
    let server = Server::memory(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let [first, second, third] = server.addrs() else {
        panic!("three addresses: {:?}", server.addrs())
    };
    assert!(first != second && second != third && first != third);
    let mut buyer = server.buyer("chaogai");
    for addr in server.addrs() {
        let mut http = Client::connect(*addr);
        let request = buyer.request(
            "sendMsg",
            &[("shopname", "sunsanniang"), ("content", "wowo")],
        );
        assert_eq!(http.call(&request).status, 200);
    }
    assert_eq!(buyer.history("sunsanniang").len(), 3);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("an address").to_string();
    let exit = exit_of(&["--memory", "--listen", &addr], &[]);
    assert!(exit.status.code().is_some_and(|code| code != 0), "{exit:?}");
    assert!(exit.stderr.contains(&addr), "{exit:?}");
}

#[test]
fn help_lists_the_options_and_version_is_one_line() {
    let help = exit_of(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    for option in [
        "--listen",
        "--data",
        "--shards",
        "--durability",
        "--timezone",
        "--config",
        "--auth",
        "--insecure",
    ] {
        assert!(
            help.stdout.iter().any(|line| line.contains(option)),
            "{option} is not in {help:?}"
        );
    }
    let version = exit_of(&["--version"], &[]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        version.stdout,
        [format!("imd {}", env!("CARGO_PKG_VERSION"))]
    );
}
