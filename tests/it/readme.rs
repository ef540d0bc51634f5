//! What the README says of options, sources and `jim` is so.

use crate::harness::{Request, Server, Socket};
use std::fs;
use std::path::Path;

fn readme() -> (&'static Path, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).expect("a README");
    (root, text)
}

#[test]
fn the_table_of_options_is_the_one_that_the_server_reads() {
    let (_, text) = readme();
    let table: String = text
        .lines()
        .skip_while(|line| !line.starts_with("| flag |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| format!("{line}\n"))
        .collect();
    let reference = imd::config::reference();
    assert!(
        table == reference,
        "the README should have this table:\n{reference}"
    );
}

#[test]
fn the_tour_names_what_is_there_and_leaves_out_no_module() {
    let (root, text) = readme();
    let paths: Vec<&str> = text
        .split('`')
        .filter(|code| code.starts_with("src/"))
        .collect();
    for path in &paths {
        assert!(root.join(path).exists(), "{path}");
    }
    for entry in fs::read_dir(root.join("src")).expect("src is readable") {
        let entry = entry.expect("src is readable");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        assert!(
            paths
                .iter()
                .any(|path| path.trim_end_matches('/') == format!("src/{name}")),
            "the tour leaves out src/{name}"
        );
    }
}

/// `text` with `#` for each digit of times and ids.
fn without_times_and_ids(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_hexdigit() && !c.is_ascii_uppercase();
    text.split_inclusive(|c| !is_digit(c))
        .map(
            |piece| match piece.trim_end_matches(|c| !is_digit(c)).len() {
                length @ (13 | 32) => "#".repeat(length) + &piece[length..],
                _ => piece.to_owned(),
            },
        )
        .collect()
}

#[test]
fn the_session_of_jim_is_what_the_server_says() {
    let (_, text) = readme();
    let session = text
        .split("```")
        .find(|block| block.starts_with("console\n") && block.contains("/?token="))
        .expect("a session of jim");
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut socket = None;
    let mut answered = String::new();
    for line in session.lines().skip(1) {
        if let Some(command) = line.strip_prefix("$ curl http://127.0.0.1:8080") {
            let (path, body) = command.split_once(" -d '").expect("a path and a body");
            let body = body.trim_end_matches('\'');
            // What curl says of a body.
            let request = Request::post(path, "application/x-www-form-urlencoded", body);
            answered = http.call(&request).text().to_owned();
        } else if let Some(target) =
            line.strip_prefix("$ python3 -m websockets 'ws://127.0.0.1:8080")
        {
            let target = target.trim_end_matches('\'');
            socket = Some(Socket::open(server.addr(), target));
        } else if let Some(frame) = line.strip_prefix("> ") {
            socket.as_mut().expect("a socket").send(frame);
        } else if let Some(frame) = line.strip_prefix("< ") {
            let got = socket.as_mut().expect("a socket").text();
            assert_eq!(without_times_and_ids(&got), without_times_and_ids(frame));
        } else {
            assert_eq!(answered, line);
        }
    }
    assert!(socket.is_some());
}
