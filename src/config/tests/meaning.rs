//! What right values mean, and which cannot stand together.

use super::*;

const SECRET: &str = "correct-horse-battery";

#[test]
fn addresses() {
    let listen = |args: &[&str]| -> Vec<String> {
        let config = flags(&[args, &["--insecure"]].concat());
        config.listen.iter().map(ToString::to_string).collect()
    };
    assert_eq!(listen(&["--listen", "localhost:0"]), ["127.0.0.1:0"]);
    assert_eq!(
        listen(&[
            "--listen",
            "[::]:1",
            "--listen",
            "0.0.0.0:1",
            "--listen",
            "[::]:1"
        ]),
        ["[::]:1", "0.0.0.0:1"]
    );
    assert_eq!(
        listen(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]),
        ["127.0.0.1:0", "127.0.0.1:0"]
    );
    let env = [("IMD_LISTEN", "127.0.0.1:1,[::1]:2")];
    assert_eq!(config(&[], &env, None).listen.len(), 2);
}

#[test]
fn legacy_ports_are_added_once_for_each_address() {
    let listen = |args: &[&str]| -> Vec<String> {
        let config = flags(&[args, &["--legacy-ports"]].concat());
        config.listen.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        listen(&[]),
        [
            "127.0.0.1:8080",
            "127.0.0.1:8070",
            "127.0.0.1:8082",
            "127.0.0.1:8889",
            "127.0.0.1:8093",
            "127.0.0.1:6666"
        ]
    );
    let two = listen(&[
        "--listen=127.0.0.1:9000",
        "--listen=127.0.0.1:6666",
        "--listen=[::1]:0",
    ]);
    assert_eq!(two[..3], ["127.0.0.1:9000", "127.0.0.1:6666", "[::1]:0"]);
    assert_eq!(two.len(), 3 + 5 + 6);
    assert!(two.contains(&"[::1]:8889".to_owned()));
}

#[test]
fn open_to_other_machines_only_when_insecure() {
    for open in [
        "0.0.0.0:80",
        "[::]:80",
        "192.168.1.4:80",
        "[::ffff:8.8.8.8]:80",
    ] {
        let line = error(&["--listen", "127.0.0.1:1", "--listen", open], &[], None);
        assert_eq!(
            line,
            format!(
                "--listen: {open} can be reached by other machines, and --auth open lets everybody act as anybody; \
                 give --auth signed, a loopback address, or --insecure"
            )
        );
        let line = error(&[], &[], Some(&format!("listen = {open:?}")));
        assert!(line.starts_with("imd.toml: listen: "), "{line}");
        let insecure = flags(&["--listen", open, "--insecure"]);
        assert_eq!((insecure.auth, insecure.insecure), (Auth::Open, true));
        let key = format!("shop:{SECRET}");
        let signed = flags(&["--listen", open, "--auth", "signed", "--app-key", &key]);
        assert_eq!(signed.listen, [open.parse().unwrap()]);
    }
    for closed in ["127.0.0.2:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert_eq!(
            flags(&["--listen", closed]).listen,
            [closed.parse().unwrap()]
        );
    }
}

#[test]
fn keys_and_signed_need_each_other_and_secrets_stay_secret() {
    let key = format!("shop:{SECRET}");
    let second = format!("app.2:{SECRET}:with:colons");
    let config = flags(&["--auth=signed", "--app-key", &key, "--app-key", &second]);
    let Auth::Signed(keys) = &config.auth else {
        panic!("{:?}", config.auth);
    };
    assert_eq!(keys[0].secret.as_bytes(), SECRET.as_bytes());
    assert_eq!(keys[1].id, "app.2");
    assert_eq!(
        keys[1].secret.as_bytes(),
        format!("{SECRET}:with:colons").as_bytes()
    );
    let shown = format!("{config:?} {config:#?}");
    assert!(
        shown.contains("app.2") && !shown.contains("horse"),
        "{shown}"
    );

    assert_eq!(
        error(&["--auth", "signed"], &[], None),
        "--auth: signed needs at least one key: give --app-key ID:SECRET"
    );
    assert_eq!(
        error(&[], &[("IMD_APP_KEY", &key)], None),
        "IMD_APP_KEY: keys do nothing with --auth open; give --auth signed"
    );
    let file = format!("auth = \"signed\"\napp_key = [{key:?}, {key:?}]");
    assert_eq!(
        error(&[], &[], Some(&file)),
        "imd.toml: app_key: the id \"shop\" has two keys; give each its own id"
    );
    for bad in [
        SECRET.to_owned(),
        format!("a b:{SECRET}"),
        format!("shop:{SECRET}é"),
    ] {
        for source in SOURCES {
            let line = Typed::default()
                .give(source, find("app-key"), &bad)
                .with(error);
            assert!(!line.contains("horse"), "{line}");
        }
    }
}

#[test]
fn memory_and_a_directory_exclude_each_other() {
    assert_eq!(flags(&["--memory"]).storage, Storage::Memory);
    assert_eq!(
        flags(&["--memory=false", "--data=x"]).storage,
        Storage::Directory("x".into())
    );
    assert_eq!(
        error(&["--memory"], &[("IMD_DATA", "/x")], None),
        "--memory: keeps nothing in a directory, but IMD_DATA names one; give one of them"
    );
    let bytes = OsString::from_vec(b"/data/\xff".to_vec());
    let outcome = parse(["--data".into(), bytes.clone()], [], |_| unreachable!());
    let Ok(Outcome::Run(config)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(config.storage, Storage::Directory(PathBuf::from(bytes)));
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    let origins = |args: &[&str]| flags(args).cors_origins;
    assert_eq!(origins(&["--cors-origin", "*"]), CorsOrigins::Any);
    for (typed, origin) in [
        ("HTTPS://Shop.Example.COM:443", "https://shop.example.com"),
        ("http://a:80", "http://a"),
        ("http://a:443", "http://a:443"),
        ("http://[0:0::1]:8080", "http://[::1]:8080"),
        ("http://[::1]", "http://[::1]"),
        ("capacitor://localhost", "capacitor://localhost"),
    ] {
        let expected = CorsOrigins::Listed(vec![origin.to_owned()]);
        assert_eq!(origins(&["--cors-origin", typed]), expected);
    }
    assert_eq!(
        error(&["--cors-origin=*", "--cors-origin=http://a"], &[], None),
        "--cors-origin: * allows all origins; give it alone, or only the origins to allow"
    );
    for (typed, url) in [
        ("https://chat.example.com/", "https://chat.example.com"),
        ("http://10.0.0.1:8080/im//", "http://10.0.0.1:8080/im"),
        ("http://a/%E5%9C%A8", "http://a/%E5%9C%A8"),
    ] {
        assert_eq!(
            flags(&["--public-url", typed]).public_url.as_deref(),
            Some(url)
        );
    }
}

#[test]
fn sizes_times_and_zones() {
    let bytes = |text: &str| flags(&["--upload-bytes-max", text]).upload_bytes_max;
    assert_eq!(
        ["7", "2k", "2KiB", "2 kib"].map(bytes),
        [7, 2048, 2048, 2048]
    );
    assert_eq!(["3m", "3M", "3 MiB"].map(bytes), [3 << 20; 3]);
    let seconds = |text: &str| {
        flags(&["--token-idle-ttl-s", text])
            .token_idle_ttl
            .as_secs()
    };
    assert_eq!(
        ["90", "90s", "2m", "3h", "4d"].map(seconds),
        [90, 90, 120, 10_800, 345_600]
    );
    assert_eq!(
        flags(&["--drain-timeout-s", "0"]).drain_timeout,
        Duration::ZERO
    );
    assert_eq!(flags(&["--connections-max", "9"]).connections_max, Some(9));
    assert_eq!(
        flags(&["--shards", "auto"]).shards,
        Config::default().shards
    );
    let zone = |text: &str| flags(&["--timezone", text]).timezone;
    assert_eq!(zone("utc"), TimeZone::UTC);
    let minutes = |minutes: i32| TimeZone::fixed(Offset::from_seconds(minutes * 60).unwrap());
    assert_eq!(zone("-09:30"), minutes(-570));
    assert_eq!(zone("+14:00"), minutes(840));
    // Only where the system has a zone database.
    if let Ok(tokyo) = TimeZone::get("Asia/Tokyo") {
        assert_eq!(zone("Asia/Tokyo"), tokyo);
    }
}

#[test]
fn limits_that_depend_on_each_other() {
    assert_eq!(
        error(&["--outbox-bytes-max", "2m"], &[], None),
        "--outbox-bytes-max: 2 MiB is too little for messages of 64 KiB; give at least 4 MiB, or a smaller --message-bytes-max"
    );
    let smaller = flags(&["--outbox-bytes-max=2m", "--message-bytes-max=32k"]);
    assert_eq!(smaller.outbox_bytes_max, 2 << 20);
    assert_eq!(
        error(&["--ws-ping-after-s", "120"], &[], None),
        "--ws-ping-after-s: a WebSocket would be closed after 120s, not later than its ping after 120s; \
         give a --ws-idle-timeout-s that is longer than --ws-ping-after-s"
    );
    let line = error(&[], &[("IMD_WS_IDLE_TIMEOUT_S", "1m")], None);
    assert!(
        line.starts_with("IMD_WS_IDLE_TIMEOUT_S: a WebSocket would"),
        "{line}"
    );
}
