//! The configuration from its outside: arguments, variables and a file in, a [`Config`] or one line out.

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;

use super::options::{Kind, OPTIONS, Opt};
use super::*;

mod meaning;
mod refused;
mod task;

fn outcome(
    args: &[&str],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Outcome, ConfigError> {
    let mut args: Vec<OsString> = args.iter().map(OsString::from).collect();
    if file.is_some() {
        args.extend(["--config".into(), "imd.toml".into()]);
    }
    let env = env.iter().map(|(name, value)| (name.into(), value.into()));
    parse(args, env, |path| match (file, path.to_str()) {
        (Some(text), Some("imd.toml")) => Ok(text.to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

fn config(args: &[&str], env: &[(&str, &str)], file: Option<&str>) -> Config {
    match outcome(args, env, file) {
        Ok(Outcome::Run(config)) => *config,
        Ok(other) => panic!("{other:?}"),
        Err(error) => panic!("{error}"),
    }
}

fn flags(args: &[&str]) -> Config {
    config(args, &[], None)
}

fn error(args: &[&str], env: &[(&str, &str)], file: Option<&str>) -> String {
    let line = outcome(args, env, file)
        .map(|_| format!("{args:?} {env:?} {file:?} is accepted"))
        .unwrap_err()
        .to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
    line
}

/// The three sources, each with a way to give an option a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Flag,
    Env,
    File,
}

const SOURCES: [Source; 3] = [Source::Flag, Source::Env, Source::File];

/// Arguments, variables and a file that together give options their texts.
#[derive(Default)]
struct Typed {
    args: Vec<String>,
    env: Vec<(String, String)>,
    file: Option<String>,
}

impl Typed {
    fn give(mut self, source: Source, option: &Opt, text: &str) -> Typed {
        match source {
            Source::Flag => self.args.push(format!("{}={text}", option.flag())),
            Source::Env => self.env.push((option.variable(), text.to_owned())),
            Source::File => {
                let plain = text.parse::<u32>().is_ok() || text.parse::<bool>().is_ok();
                let value = match option.kind {
                    Kind::List { .. } => format!("[{}]", toml::Value::from(text)),
                    _ if plain => text.to_owned(),
                    _ => toml::Value::from(text).to_string(),
                };
                let file = self.file.get_or_insert_default();
                file.push_str(&format!("{} = {value}\n", option.key()));
            }
        }
        self
    }

    fn place(source: Source, option: &Opt) -> String {
        match source {
            Source::Flag => option.flag(),
            Source::Env => option.variable(),
            Source::File => format!("imd.toml: {}", option.key()),
        }
    }

    fn with<T>(&self, run: impl Fn(&[&str], &[(&str, &str)], Option<&str>) -> T) -> T {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let env: Vec<(&str, &str)> = self
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        run(&args, &env, self.file.as_deref())
    }
}

fn find(name: &str) -> &'static Opt {
    OPTIONS.iter().find(|option| option.name == name).unwrap()
}

fn in_file() -> impl Iterator<Item = &'static Opt> {
    OPTIONS
        .iter()
        .filter(|option| !matches!(option.kind, Kind::File))
}

/// What has to be given with an option for it to mean anything.
fn companion(option: &Opt) -> Option<(&'static Opt, &'static str)> {
    match option.name {
        "auth" => Some((find("app-key"), find("app-key").example)),
        "app-key" => Some((find("auth"), "signed")),
        _ => None,
    }
}

#[test]
fn nothing_gives_the_documented_defaults() {
    let cores = std::thread::available_parallelism().unwrap().get().min(64);
    let expected = Config {
        listen: vec!["127.0.0.1:8080".parse().unwrap()],
        storage: Storage::Directory("./imd-data".into()),
        shards: cores,
        readers: 2,
        pin: false,
        busy_poll: Duration::ZERO,
        durability: Durability::Full,
        timezone: TimeZone::fixed(Offset::constant(8)),
        public_url: None,
        auth: Auth::Open,
        insecure: false,
        open_directory: true,
        cors_origins: CorsOrigins::SameOrigin,
        diagnostics: false,
        deflate: false,
        jim_text_field: None,
        message_bytes_max: 65_536,
        upload_bytes_max: 10 * 1024 * 1024,
        group_members_max: 2_000,
        connections_max: None,
        outbox_bytes_max: 4 * 1024 * 1024,
        token_idle_ttl: Duration::from_secs(604_800),
        idle_timeout: Duration::from_secs(75),
        header_timeout: Duration::from_secs(10),
        body_rate_min: 1_024,
        ws_ping_after: Duration::from_secs(60),
        ws_idle_timeout: Duration::from_secs(120),
        drain_timeout: Duration::from_secs(10),
        log: LogLevel::Info,
    };
    assert_eq!(flags(&[]), expected);
    assert_eq!(Config::default(), expected);
    assert_eq!(config(&[], &[], Some("# nothing\n")), expected);
}

#[test]
fn every_option_works_from_every_source() {
    let default = Config::default();
    for option in in_file() {
        let from = |source| {
            let mut typed = Typed::default().give(source, option, option.example);
            if let Some((with, text)) = companion(option) {
                typed = typed.give(source, with, text);
            }
            typed.with(config)
        };
        let by_flag = from(Source::Flag);
        assert_ne!(by_flag, default, "{} changes nothing", option.name);
        assert_eq!(from(Source::Env), by_flag, "{}", option.name);
        assert_eq!(from(Source::File), by_flag, "{}", option.name);
    }
}

#[test]
fn keys_of_the_file_take_hyphens_and_lists_take_one_text() {
    for option in in_file() {
        let value = toml::Value::from(option.example);
        let mut file = format!("{} = {value}\n", option.name);
        let mut typed = Typed::default().give(Source::Flag, option, option.example);
        if let Some((with, text)) = companion(option) {
            typed = typed.give(Source::Flag, with, text);
            file.push_str(&format!("{} = {text:?}\n", with.name));
        }
        assert_eq!(
            config(&[], &[], Some(&file)),
            typed.with(config),
            "{}",
            option.name
        );
    }
}

#[test]
fn every_word_of_a_choice_is_understood_and_means_something_else() {
    for option in in_file() {
        let Kind::Choice { of, .. } = option.kind else {
            continue;
        };
        let mut seen: Vec<Config> = Vec::new();
        for word in of {
            let mut typed = Typed::default().give(Source::Flag, option, word);
            if *word == "signed" {
                typed = typed.give(Source::Flag, find("app-key"), "a:0123456789abcdef");
            }
            let config = typed.with(config);
            assert!(!seen.contains(&config), "{} {word}", option.name);
            seen.push(config);
        }
    }
}

#[test]
fn numbers_reach_their_bounds_and_stop_there() {
    for option in in_file() {
        let (min, max) = match option.kind {
            Kind::Number { min, max, .. } => (min, max),
            Kind::Cores { max } => (1, max),
            _ => continue,
        };
        let with = |number: usize| {
            let mut typed = Typed::default().give(Source::Flag, option, &number.to_string());
            typed = match option.name {
                "outbox-bytes-max" => typed.give(Source::Flag, find("message-bytes-max"), "1"),
                "ws-ping-after-s" => typed.give(Source::Flag, find("ws-idle-timeout-s"), "2d"),
                "ws-idle-timeout-s" => typed.give(Source::Flag, find("ws-ping-after-s"), "1"),
                _ => typed,
            };
            typed.with(|args, env, file| outcome(args, env, file).map_err(|e| e.to_string()))
        };
        assert!(with(min).is_ok(), "{} {min}", option.name);
        assert!(with(max).is_ok(), "{} {max}", option.name);
        for beyond in [min.checked_sub(1), Some(max + 1)].into_iter().flatten() {
            let line = with(beyond).unwrap_err();
            let expected = format!("{}: \"{beyond}\" is not {}", option.flag(), option.wanted());
            assert_eq!(line, expected);
        }
    }
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    // One option of each kind, and a right text of its own for each source.
    let matrix = [
        ("shards", ["1", "2", "3"]),
        ("readers", ["3", "4", "5"]),
        ("idle-timeout-s", ["1m", "2m", "3m"]),
        ("upload-bytes-max", ["1m", "2m", "3m"]),
        ("log", ["error", "warn", "debug"]),
        ("data", ["/a", "/b", "/c"]),
        ("timezone", ["-05:00", "UTC", "+09:30"]),
        ("cors-origin", ["http://a", "http://b", "http://c"]),
        ("deflate", ["true", "false", "true"]),
        ("deflate", ["false", "true", "false"]),
        ("open-directory", ["true", "false", "false"]),
    ];
    for (name, texts) in matrix {
        let option = find(name);
        for present in 1..8_u32 {
            let given: Vec<(Source, &str)> = (0..3)
                .filter(|bit| present & (1 << bit) != 0)
                .map(|bit| (SOURCES[bit], texts[bit]))
                .collect();
            let typed = given
                .iter()
                .fold(Typed::default(), |typed, (source, text)| {
                    typed.give(*source, option, text)
                });
            let alone = Typed::default().give(given[0].0, option, given[0].1);
            assert_eq!(typed.with(config), alone.with(config), "{name} {given:?}");
        }
    }
}

#[test]
fn the_highest_source_of_a_list_gives_it_all() {
    let file = "cors_origin = [\"https://a.example\", \"https://b.example\"]";
    let listed = |origins: &[&str]| {
        CorsOrigins::Listed(origins.iter().map(|&origin| origin.to_owned()).collect())
    };
    let by_file = config(&[], &[], Some(file)).cors_origins;
    assert_eq!(by_file, listed(&["https://a.example", "https://b.example"]));
    let env = [("IMD_CORS_ORIGIN", "https://c.example, https://d.example")];
    let by_env = config(&[], &env, Some(file)).cors_origins;
    assert_eq!(by_env, listed(&["https://c.example", "https://d.example"]));
    let args = [
        "--cors-origin",
        "https://e.example",
        "--cors-origin=https://f.example",
    ];
    let by_flags = config(&args, &env, Some(file)).cors_origins;
    assert_eq!(
        by_flags,
        listed(&["https://e.example", "https://f.example"])
    );
}

#[test]
fn the_file_is_named_by_a_flag_or_a_variable() {
    let read = |args: &[&str], env: &[(&str, &str)]| {
        let reads = Cell::new(0);
        let args = args.iter().map(OsString::from);
        let env = env.iter().map(|(name, value)| (name.into(), value.into()));
        let outcome = parse(args, env, |path: &Path| {
            reads.set(reads.get() + 1);
            match path.to_str() {
                Some("a.toml") => Ok("readers = 3".to_owned()),
                Some("b.toml") => Ok("readers = 4".to_owned()),
                _ => Err(io::Error::other("no such file")),
            }
        });
        (outcome.map_err(|error| error.to_string()), reads.get())
    };
    let readers = |args: &[&str], env: &[(&str, &str)]| match read(args, env) {
        (Ok(Outcome::Run(config)), reads) => (config.readers, reads),
        other => panic!("{other:?}"),
    };
    assert_eq!(readers(&["--config", "a.toml"], &[]), (3, 1));
    assert_eq!(readers(&[], &[("IMD_CONFIG", "b.toml")]), (4, 1));
    assert_eq!(
        readers(&["--config=a.toml"], &[("IMD_CONFIG", "b.toml")]),
        (3, 1)
    );
    assert_eq!(readers(&[], &[]), (2, 0));
    let missing = "\"c.toml\": no such file";
    let (line, _) = read(&["--config", "c.toml"], &[]);
    assert_eq!(
        line.unwrap_err(),
        format!("--config: cannot read {missing}")
    );
    let (line, _) = read(&[], &[("IMD_CONFIG", "c.toml")]);
    assert_eq!(
        line.unwrap_err(),
        format!("IMD_CONFIG: cannot read {missing}")
    );
}

#[test]
fn help_version_and_reference_name_every_option() {
    let shown = |arg: &str| match outcome(&[arg], &[("IMD_SHARDS", "nope")], None) {
        Ok(Outcome::Show(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        shown("--version"),
        format!("imd {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = shown("--help");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let reference = reference();
    for option in OPTIONS {
        assert!(
            help.contains(&format!("{} ", option.flag())),
            "{}",
            option.name
        );
        assert!(help.contains(option.help), "{}", option.name);
        let row = format!("| `{} ", option.flag());
        let row = reference
            .lines()
            .find(|line| line.starts_with(&row))
            .unwrap();
        assert!(
            row.contains(&option.variable()) && row.contains(option.help),
            "{row}"
        );
    }
    assert!(help.contains("[default: 10 MiB] [1 to 1024 MiB]"), "{help}");
    assert!(help.contains("[default: 7d] [60s to 3650d]"), "{help}");
    assert!(help.contains("Exit codes: 0 stopped by a signal after a clean shutdown, 1 "));
    assert_eq!(reference.lines().count(), OPTIONS.len() + 2);
}

proptest! {
    /// Whatever is typed, the answer is a configuration or one line that starts with the place.
    #[test]
    fn any_text_is_understood_or_refused_in_one_line(
        index in 0..OPTIONS.len(),
        source in 0..3_usize,
        text in "\\PC*|[0-9kmKMiBshd :+-]{0,8}|(https?://)?[a-z0-9.:@/\\[\\]]{0,16}",
    ) {
        let (option, source) = (&OPTIONS[index], SOURCES[source]);
        prop_assume!(!matches!(option.kind, Kind::File));
        let typed = Typed::default().give(source, option, &text);
        let outcome = typed.with(|args, env, file| outcome(args, env, file).map(|_| ()));
        if let Err(error) = outcome {
            let line = error.to_string();
            prop_assert!(line.starts_with(&Typed::place(source, option)), "{}", line);
            prop_assert!(!line.contains(char::is_control), "{}", line);
        }
    }

    /// A file that is not even TOML, or names what it likes, never panics and never breaks the line.
    #[test]
    fn any_file_is_understood_or_refused_in_one_line(text in "([a-z_-]{0,12}( = |\\.|\")?[\\PC\n\"\\[\\]]{0,12}\n?){0,4}") {
        if let Err(error) = outcome(&[], &[], Some(&text)) {
            let line = error.to_string();
            prop_assert!(line.starts_with("imd.toml: "), "{}", line);
            prop_assert!(!line.contains(char::is_control), "{}", line);
        }
    }
}
