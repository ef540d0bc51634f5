//! Times as text: the server's clock in the configured zone.

use crate::harness::{Server, exit_of};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::fs;
use tempfile::TempDir;

/// Asserts that a message sent now is shown with the present time at `offset_seconds` from UTC.
#[track_caller]
fn check_offset(server: &Server, offset_seconds: i64) {
    let mut buyer = server.buyer("chaogai");
    let before = Timestamp::now().as_second();
    let sent = buyer.data(
        "sendMsg",
        &[("shopname", "sunsanniang"), ("content", "wowo")],
    );
    let after = Timestamp::now().as_second();

    let text = sent["msg"]["time"].as_str().expect("a string");
    let local = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).expect("yyyy-MM-dd HH:mm:ss");
    let as_if_utc = local
        .to_zoned(TimeZone::UTC)
        .expect("in range")
        .timestamp()
        .as_second();
    let shown = as_if_utc - offset_seconds;
    assert!(
        (before..=after).contains(&shown),
        "{text} is {}s off",
        shown - before
    );

    let history = buyer.data("getHistoryMsg", &[("shopname", "sunsanniang")]);
    assert_eq!(history["detailList"][0]["time"], sent["msg"]["time"]);
    let read = server
        .buyer("sunsanniang")
        .data("getMsg", &[("shopname", "chaogai")]);
    assert_eq!(read["msgList"][0]["time"], sent["msg"]["time"]);
}

#[test]
fn the_zone_is_plus_8_hours_unless_configured() {
    check_offset(&Server::memory(&[]), 8 * 3600);
    check_offset(&Server::memory(&["--timezone=+00:00"]), 0);
    check_offset(&Server::memory(&["--timezone=-03:30"]), -(3 * 3600 + 1800));
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("imd.toml");
    fs::write(&file, "timezone = \"+05:00\"\n").expect("the file can be written");
    let config = format!("--config={}", file.display());
    let env = [("IMD_TIMEZONE", "+09:00")];
    check_offset(&Server::memory(&[&config]), 5 * 3600);
    check_offset(&Server::memory_with_env(&[&config], &env), 9 * 3600);
    check_offset(
        &Server::memory_with_env(&[&config, "--timezone=+01:00"], &env),
        3600,
    );
}

#[test]
fn a_wrong_zone_is_named_wherever_it_stands() {
    let exit = exit_of(
        &["--memory", "--listen", "127.0.0.1:0"],
        &[("IMD_TIMEZONE", "Mars/Olympus")],
    );
    assert_eq!(exit.status.code(), Some(2), "{exit:?}");
    assert!(
        exit.stderr.contains("IMD_TIMEZONE") || exit.stderr.contains("timezone"),
        "{exit:?}"
    );
    assert!(exit.stderr.contains("Mars/Olympus"), "{exit:?}");
}
