//! What is wrong, and the line that says so.

use super::*;

#[test]
fn every_bad_value_is_one_line_that_names_its_place_and_what_is_right() {
    for option in in_file() {
        let mut bad = vec!["", "\u{1b}[31m\nnope", "5 apples"];
        match &option.kind {
            Kind::Path { .. } => bad = vec![""],
            Kind::Number { .. } => bad.extend(["-1", "1.5", "99999999999999999999", "10MB", "1w"]),
            Kind::Cores { .. } => bad.extend(["0", "65", "auto "]),
            Kind::Switch { .. } => bad.extend(["yes", "1", "True"]),
            Kind::Choice { .. } => bad.extend(["Full", "op"]),
            _ => {}
        }
        bad.extend(match option.name {
            "listen" => &[
                ":80",
                "8080",
                "127.0.0.1",
                "example.com:80",
                "1.2.3.4:65536",
            ][..],
            "public-url" => &[
                "example.com",
                "ftp://a",
                "http://",
                "http://a/?q",
                "http://u@a/",
            ],
            "cors-origin" => &[
                "null",
                "https://a/",
                "https://*.a",
                "https://a:0",
                "https://a:x",
            ],
            "app-key" => &[
                "shop",
                "shop:short",
                ":0123456789abcdef",
                "s p:0123456789abcdef",
            ],
            "timezone" => &[
                "+8",
                "+24:00",
                "+08:60",
                "+٠٨:00",
                "8",
                "Nowhere/Atall",
                "+08:00:00",
            ],
            "jim-text-field" => &["a b", "a\"b"],
            _ => &[],
        });
        for text in bad {
            for source in SOURCES {
                let line = Typed::default().give(source, option, text).with(error);
                let place = format!("{}: ", Typed::place(source, option));
                assert!(line.starts_with(&place), "{line}");
                assert!(line.contains(&option.wanted()), "{line}");
                let named = [&format!("{text:?}"), "entry 1", "is of the type"]
                    .iter()
                    .any(|name| line.contains(*name));
                assert!(named, "{line}");
            }
        }
    }
}

#[test]
fn values_of_the_wrong_type_in_the_file_are_refused() {
    for (file, expected) in [
        (
            "shards = [1]",
            "imd.toml: shards: is of the type array, not a whole number, 1 to 64 or auto",
        ),
        (
            "shards = 1.0",
            "imd.toml: shards: is of the type float, not a whole number, 1 to 64 or auto",
        ),
        (
            "shards = true",
            "imd.toml: shards: is of the type boolean, not a whole number, 1 to 64 or auto",
        ),
        (
            "deflate = 1",
            "imd.toml: deflate: is of the type integer, not true or false",
        ),
        (
            "data = 5",
            "imd.toml: data: is of the type integer, not DIR, such as /var/lib/imd",
        ),
        (
            "listen = [8080]",
            "imd.toml: listen: is of the type integer, not ADDR:PORT, such as [::1]:8080",
        ),
        (
            "[listen]\nport = 1",
            "imd.toml: listen: is of the type table, not ADDR:PORT, such as [::1]:8080",
        ),
        (
            "listen = []",
            "imd.toml: listen: has no address; give at least one ADDR:PORT",
        ),
        (
            "idle_timeout_s = 5\nidle-timeout-s = 6",
            "imd.toml: idle_timeout_s: is the same option as imd.toml: idle-timeout-s; give one of them",
        ),
    ] {
        assert_eq!(error(&[], &[], Some(file)), expected);
    }
    let line = error(
        &[],
        &[],
        Some("shards = 1\napp_key = [\"a:0123456789abcdef"),
    );
    assert!(
        line.starts_with("imd.toml: line 2: is not TOML: "),
        "{line}"
    );
    assert!(!line.contains("0123"), "{line}");
}

#[test]
fn unknown_names_are_refused_with_the_nearest_right_one() {
    for (typed, expected) in [
        (
            "--shard",
            "--shard: is not an option; the nearest is \"--shards\"",
        ),
        (
            "--shrads=3",
            "--shrads: is not an option; the nearest is \"--shards\"",
        ),
        (
            "--upload_bytes_max",
            "--upload_bytes_max: is not an option; the nearest is \"--upload-bytes-max\"",
        ),
        (
            "--message",
            "--message: is not an option; the nearest is \"--message-bytes-max\"",
        ),
        (
            "--xyzzy",
            "--xyzzy: is not an option; imd --help lists them",
        ),
        ("serve", "serve: is not a command; imd --help lists them"),
        ("-x", "-x: is not an option; imd --help lists them"),
    ] {
        assert_eq!(error(&[typed], &[], None), expected);
    }
    for (typed, expected) in [
        (
            "IMD_SHARD",
            "IMD_SHARD: is not a variable of imd; the nearest is \"IMD_SHARDS\"",
        ),
        (
            "IMD_shards",
            "IMD_shards: is not a variable of imd; the nearest is \"IMD_SHARDS\"",
        ),
        (
            "IMD_IDLE_TIMEOUT",
            "IMD_IDLE_TIMEOUT: is not a variable of imd; the nearest is \"IMD_IDLE_TIMEOUT_S\"",
        ),
    ] {
        assert_eq!(error(&[], &[(typed, "1")], None), expected);
    }
    for (typed, expected) in [
        (
            "shard = 1",
            "imd.toml: shard: is not an option of the file; the nearest is \"shards\"",
        ),
        (
            "colour = 1",
            "imd.toml: colour: is not an option of the file; imd --help lists them",
        ),
        (
            "config = \"x\"",
            "imd.toml: config: is not an option of the file; ",
        ),
    ] {
        let line = error(&[], &[], Some(typed));
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    let kubernetes = [
        ("PATH", "/bin"),
        ("SHARDS", "nope"),
        ("imd_shards", "nope"),
        ("IMD_SERVICE_HOST", "10.0.0.1"),
        ("IMD_SERVICE_PORT_HTTP", "80"),
        ("IMD_PORT", "tcp://10.0.0.1:80"),
        ("IMD_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(config(&[], &kubernetes, None), Config::default());
    let line = error(&[], &[("IMD_PORT", "80")], None);
    assert!(
        line.starts_with("IMD_PORT: is not a variable of imd"),
        "{line}"
    );
}

#[test]
fn flags_need_their_values_once() {
    assert_eq!(
        error(&["--readers"], &[], None),
        "--readers: needs a value: a whole number, 1 to 16"
    );
    assert_eq!(
        error(&["--readers", "--pin"], &[], None),
        "--readers: needs a value: a whole number, 1 to 16"
    );
    assert_eq!(
        error(&["--readers=1", "--readers=2"], &[], None),
        "--readers: is given 2 times; give it once"
    );
    assert!(flags(&["--pin", "--readers", "1"]).pin);
    assert!(!flags(&["--pin", "false"]).pin);
    assert!(!flags(&["--open-directory", "false"]).open_directory);
    assert_eq!(
        flags(&["--timezone", "-05:00"]).timezone,
        TimeZone::fixed(Offset::constant(-5))
    );
}
