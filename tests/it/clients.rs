//! Clients of another make: the npm package `ws` and a browser. Both run `tests/clients/scenario.mjs`.
//!
//! Where Node, the package or Chromium are absent the tests say so and pass, unless `CLIENTS_REQUIRED` is set.

use crate::harness::{GUARD, Server};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A browser takes a while to start, on a machine with other work more so.
const BROWSER_GUARD: Duration = Duration::from_secs(60);

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Whether a program can be run.
fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn skip(what: &str) {
    assert!(std::env::var_os("CLIENTS_REQUIRED").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

#[test]
fn the_package_ws_logs_in_chats_and_reconnects() {
    if !is_there("node") {
        return skip("Node is not installed");
    }
    if !clients().join("node_modules/ws").exists() {
        return skip("the package ws is not installed: run `npm ci` in tests/clients");
    }
    for flags in [&[][..], &["--deflate"]] {
        let server = Server::memory(flags);
        let output = Command::new("node")
            .arg(clients().join("ws.mjs"))
            .arg(format!("http://{}", server.addr()))
            .stdin(Stdio::null())
            .output()
            .expect("Node runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "passed\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Serves the page and its script, and reports what is posted.
fn serve(listener: &TcpListener, outcome: &Sender<String>) {
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        let outcome = outcome.clone();
        // A browser opens connections that it may never use.
        thread::spawn(move || answer(&stream, &outcome));
    }
}

/// One request and one answer.
fn answer(stream: &TcpStream, outcome: &Sender<String>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let (status, content_type, body) = match path {
        "/page.html" | "/scenario.mjs" => {
            let content_type = match path {
                "/page.html" => "text/html",
                _ => "text/javascript",
            };
            let file = clients().join(&path[1..]);
            ("200 OK", content_type, std::fs::read(file)?)
        }
        "/outcome" => {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .expect("a length");
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            // Nobody waits for it any more if the test has failed.
            let _ = outcome.send(String::from_utf8_lossy(&body).into_owned());
            ("204 No Content", "text/plain", Vec::new())
        }
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(&[head.as_bytes(), &body].concat())
}

#[test]
fn a_browser_logs_in_chats_and_reconnects() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|program| is_there(program))
    else {
        return skip("Chromium is not installed");
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (outcome, outcomes) = channel();
    thread::spawn(move || serve(&listener, &outcome));
    for flags in [&[][..], &["--deflate"]] {
        let flags = [&["--cors-origin", &origin], flags].concat();
        let server = Server::memory(&flags);
        let profile = TempDir::new().expect("a temporary directory");
        let mut child = Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!(
                "{origin}/page.html?server=http://{}",
                server.addr()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let outcome = outcomes.recv_timeout(BROWSER_GUARD + GUARD);
        // It has no end of its own.
        child.kill().expect("the browser still runs");
        child.wait().expect("the browser can be waited for");
        assert_eq!(outcome.as_deref(), Ok("passed"));
    }
}
