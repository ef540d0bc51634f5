//! The table of options, and what is made of it alone: the `clap` command and the reference.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::thread;

use clap::{Arg, ArgAction, Command, value_parser};

use super::syntax::{parse_bytes, parse_count, parse_seconds, show_bytes, show_seconds};
use super::tasks::{Entry, TASKS};
use crate::limits;

/// One option: everything about it but what its value does, which stands in `check`.
pub(super) struct Opt {
    /// The flag without `--`. The variable and the key in the file are derived from it.
    pub name: &'static str,
    /// The group in `--help`.
    pub heading: &'static str,
    /// What stands for the value in `--help`.
    pub value: &'static str,
    /// How the value is read.
    pub kind: Kind,
    /// A right value that is not the default, for error messages.
    pub example: &'static str,
    /// One or two sentences; the default and the bounds are appended.
    pub help: &'static str,
}

/// How the value of an option is read, its default and its bounds.
pub(super) enum Kind {
    /// Two states; as a flag, the value may be left out and means true.
    Switch { default: bool },
    /// A number in a unit, `min` to `max`.
    Number {
        unit: Unit,
        default: usize,
        min: usize,
        max: usize,
    },
    /// A number, 1 to `max`, or `auto`, the default: one for each core.
    Cores { max: usize },
    /// One of these words.
    Choice {
        default: &'static str,
        of: &'static [&'static str],
    },
    /// A path, which need not be UTF-8.
    Path { default: &'static str },
    /// The path of a file, without a default. Where it is the configuration file, that cannot name itself.
    File,
    /// A text with a syntax of its own.
    Text { default: Option<&'static str> },
    /// Any number of texts. The highest source that gives one gives them all. `secret`: errors never show them.
    List {
        default: &'static [&'static str],
        secret: bool,
    },
}

/// What a number counts.
pub(super) enum Unit {
    /// Things: no suffix.
    Count,
    /// Bytes: suffixes `k`, `KiB`, `m`, `MiB`.
    Bytes,
    /// Seconds: suffixes `s`, `m`, `h`, `d`.
    Seconds,
}

const ADDRESSES: &str = "Addresses";
const STORAGE: &str = "Storage";
const ACCESS: &str = "Access";
const APIS: &str = "APIs";
const THREADS: &str = "Threads";
const LIMITS: &str = "Limits";
const TIMEOUTS: &str = "Timeouts";
const GENERAL: &str = "General";

const fn seconds(default: u64, min: u64, max: u64) -> Kind {
    Kind::Number {
        unit: Unit::Seconds,
        default: default as usize,
        min: min as usize,
        max: max as usize,
    }
}

const fn bytes(default: usize, min: usize, max: usize) -> Kind {
    Kind::Number {
        unit: Unit::Bytes,
        default,
        min,
        max,
    }
}

const fn count(default: usize, min: usize, max: usize) -> Kind {
    Kind::Number {
        unit: Unit::Count,
        default,
        min,
        max,
    }
}

const OFF: Kind = Kind::Switch { default: false };

/// All options, in the order of `--help`.
pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "config",
        heading: GENERAL,
        value: "FILE",
        kind: Kind::File,
        example: "/etc/imd.toml",
        help: "Read options from this TOML file.",
    },
    Opt {
        name: "log",
        heading: GENERAL,
        value: "LEVEL",
        kind: Kind::Choice {
            default: "info",
            of: &["error", "warn", "info", "debug"],
        },
        example: "debug",
        help: "How much to log on standard error.",
    },
    Opt {
        name: "listen",
        heading: ADDRESSES,
        value: "ADDR:PORT",
        kind: Kind::List {
            default: &["127.0.0.1:8080"],
            secret: false,
        },
        example: "[::1]:8080",
        help: "Listen here; all APIs answer on every address. Port 0 lets the system choose. Host names other than localhost are not resolved.",
    },
    Opt {
        name: "legacy-ports",
        heading: ADDRESSES,
        value: "true|false",
        kind: OFF,
        example: "true",
        help: "Listen on ports 8070, 8080, 8082, 8889, 8093 and 6666 of each address as well.",
    },
    Opt {
        name: "public-url",
        heading: ADDRESSES,
        value: "URL",
        kind: Kind::Text { default: None },
        example: "https://chat.example.com/im",
        help: "What the URLs of uploads start with; else the Host of the request.",
    },
    Opt {
        name: "data",
        heading: STORAGE,
        value: "DIR",
        kind: Kind::Path {
            default: "./imd-data",
        },
        example: "/var/lib/imd",
        help: "Keep messages and uploads in this directory.",
    },
    Opt {
        name: "memory",
        heading: STORAGE,
        value: "true|false",
        kind: OFF,
        example: "true",
        help: "Keep messages in memory and uploads in a temporary directory: all is gone when the server stops.",
    },
    Opt {
        name: "durability",
        heading: STORAGE,
        value: "WHAT",
        kind: Kind::Choice {
            default: "full",
            of: &["full", "process"],
        },
        example: "process",
        help: "What an acknowledged message survives: loss of power (full), or only the end of the process (process).",
    },
    Opt {
        name: "shards",
        heading: THREADS,
        value: "N",
        kind: Kind::Cores {
            max: limits::SHARDS_MAX,
        },
        example: "63",
        help: "Threads that serve connections; auto is one for each core.",
    },
    Opt {
        name: "readers",
        heading: THREADS,
        value: "N",
        kind: count(limits::READERS, 1, limits::READERS_MAX),
        example: "4",
        help: "Threads that read history from the store.",
    },
    Opt {
        name: "pin",
        heading: THREADS,
        value: "true|false",
        kind: OFF,
        example: "true",
        help: "Pin each serving thread to a core, the first to the first, and the writer to the next.",
    },
    Opt {
        name: "busy-poll",
        heading: THREADS,
        value: "MICROS",
        kind: count(0, 0, limits::BUSY_POLL_US_MAX),
        example: "50",
        help: "Serving threads and the writer look for work for so many microseconds before they sleep: less latency where each has a core.",
    },
    Opt {
        name: "auth",
        heading: ACCESS,
        value: "WHO",
        kind: Kind::Choice {
            default: "open",
            of: &["open", "signed"],
        },
        example: "signed",
        help: "Who may ask for an identity: everybody (open), or those with an app key or a signature (signed).",
    },
    Opt {
        name: "app-key",
        heading: ACCESS,
        value: "ID:SECRET",
        kind: Kind::List {
            default: &[],
            secret: true,
        },
        example: "shop:at-least-16-bytes",
        help: "An application's key for --auth signed. Other users of the machine see command lines: prefer the file.",
    },
    Opt {
        name: "insecure",
        heading: ACCESS,
        value: "true|false",
        kind: OFF,
        example: "true",
        help: "Allow --auth open on addresses that other machines can reach.",
    },
    Opt {
        name: "open-directory",
        heading: ACCESS,
        value: "true|false",
        kind: Kind::Switch { default: true },
        example: "false",
        help: "Whether a message to a name that nobody has used yet creates the account.",
    },
    Opt {
        name: "cors-origin",
        heading: ACCESS,
        value: "ORIGIN",
        kind: Kind::List {
            default: &[],
            secret: false,
        },
        example: "https://shop.example.com",
        help: "Let browsers call from pages of this origin, or of all with *; else only from the server's own.",
    },
    Opt {
        name: "timezone",
        heading: APIS,
        value: "+HH:MM|UTC|NAME",
        kind: Kind::Text {
            default: Some("+08:00"),
        },
        example: "+05:30",
        help: "The zone of times that are shown as text: an offset, UTC or a name such as Asia/Tokyo.",
    },
    Opt {
        name: "jim-text-field",
        heading: APIS,
        value: "NAME",
        kind: Kind::Text { default: None },
        example: "text",
        help: "Wrap plain text for jim clients in a JSON object with this field; else it is sent as it is.",
    },
    Opt {
        name: "deflate",
        heading: APIS,
        value: "true|false",
        kind: OFF,
        example: "true",
        help: "Offer compression on WebSockets (permessage-deflate).",
    },
    Opt {
        name: "diagnostics",
        heading: APIS,
        value: "true|false",
        kind: OFF,
        example: "true",
        help: "Serve /echo, a WebSocket that sends back what it gets.",
    },
    Opt {
        name: "message-bytes-max",
        heading: LIMITS,
        value: "SIZE",
        kind: bytes(
            limits::MESSAGE_BODY_BYTES_MAX,
            1,
            limits::MESSAGE_BODY_BYTES_MAX,
        ),
        example: "8 KiB",
        help: "Longest message body.",
    },
    Opt {
        name: "upload-bytes-max",
        heading: LIMITS,
        value: "SIZE",
        kind: bytes(limits::UPLOAD_BYTES_MAX, 1, limits::UPLOAD_BYTES_CEILING),
        example: "20m",
        help: "Longest uploaded file.",
    },
    Opt {
        name: "group-members-max",
        heading: LIMITS,
        value: "N",
        kind: count(limits::GROUP_MEMBERS_MAX, 2, limits::GROUP_MEMBERS_CEILING),
        example: "500",
        help: "Most members of a group.",
    },
    Opt {
        name: "connections-max",
        heading: LIMITS,
        value: "N",
        kind: count(0, 0, limits::CONNECTIONS_CEILING),
        example: "10000",
        help: "Most connections at a time; 0 is as many as the limit on descriptors allows.",
    },
    Opt {
        name: "outbox-bytes-max",
        heading: LIMITS,
        value: "SIZE",
        kind: bytes(
            limits::OUTBOX_BYTES_MAX,
            limits::OUTBOX_BYTES_MIN,
            limits::OUTBOX_BYTES_CEILING,
        ),
        example: "8 MiB",
        help: "Most that waits to be sent on one connection; at least 64 times the longest message body.",
    },
    Opt {
        name: "body-rate-min",
        heading: LIMITS,
        value: "SIZE",
        kind: bytes(limits::BODY_RATE_MIN, 1, limits::BODY_RATE_CEILING),
        example: "4 KiB",
        help: "Bytes per second that the sender of a request body has to reach.",
    },
    Opt {
        name: "token-idle-ttl-s",
        heading: TIMEOUTS,
        value: "TIME",
        kind: seconds(
            limits::TOKEN_IDLE_TTL_S,
            60,
            limits::TOKEN_IDLE_TTL_S_CEILING,
        ),
        example: "30d",
        help: "A token that is not used for so long expires.",
    },
    Opt {
        name: "idle-timeout-s",
        heading: TIMEOUTS,
        value: "TIME",
        kind: seconds(limits::IDLE_TIMEOUT_S, 1, limits::TIMEOUT_S_CEILING),
        example: "2m",
        help: "An HTTP connection without a request for so long is closed.",
    },
    Opt {
        name: "header-timeout-s",
        heading: TIMEOUTS,
        value: "TIME",
        kind: seconds(limits::HEADER_TIMEOUT_S, 1, limits::TIMEOUT_S_CEILING),
        example: "5",
        help: "The header of a request has to be complete after so long.",
    },
    Opt {
        name: "ws-ping-after-s",
        heading: TIMEOUTS,
        value: "TIME",
        kind: seconds(limits::WS_PING_AFTER_S, 1, limits::TIMEOUT_S_CEILING),
        example: "30s",
        help: "A WebSocket that is silent for so long is sent a ping.",
    },
    Opt {
        name: "ws-idle-timeout-s",
        heading: TIMEOUTS,
        value: "TIME",
        kind: seconds(limits::WS_IDLE_TIMEOUT_S, 2, 2 * limits::TIMEOUT_S_CEILING),
        example: "1h",
        help: "A WebSocket that is silent for so long is closed; longer than --ws-ping-after-s.",
    },
    Opt {
        name: "drain-timeout-s",
        heading: TIMEOUTS,
        value: "TIME",
        kind: seconds(limits::DRAIN_TIMEOUT_S, 0, limits::TIMEOUT_S_CEILING),
        example: "30",
        help: "How long connections have for their last answers when the server stops.",
    },
];

/// What follows the options in `--help`.
const EPILOGUE: &str = "\
Every option can also be given as a variable of the environment (--shards as IMD_SHARDS, lists with commas between) and, but for --config, \
in the file (shards = 4, lists as [\"a\", \"b\"]). A flag goes before the environment, the environment before the file.

SIZE is in bytes, or with k or KiB, m or MiB. TIME is in seconds, or with s, m, h or d.

Without a command the server starts. Exit codes: 0 stopped by a signal after a clean shutdown, 1 failure while starting or serving, 2 wrong configuration.";

impl Opt {
    /// `--shards`
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// `IMD_SHARDS`
    pub fn variable(&self) -> String {
        format!("IMD_{}", self.key().to_ascii_uppercase())
    }

    /// `shards`: the key in the file, which is also found with `-` for `_`.
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The values that stand if nobody gives any, as they would be typed.
    pub fn default_texts(&self) -> Vec<OsString> {
        let texts: Vec<String> = match self.kind {
            Kind::Switch { default } => vec![default.to_string()],
            Kind::Number { default, .. } => vec![default.to_string()],
            Kind::Cores { .. } => vec!["auto".to_owned()],
            Kind::Choice { default, .. } | Kind::Path { default } => vec![default.to_owned()],
            Kind::File => vec![],
            Kind::Text { default } => default.iter().map(|&text| text.to_owned()).collect(),
            Kind::List { default, .. } => default.iter().map(|&text| text.to_owned()).collect(),
        };
        texts.into_iter().map(OsString::from).collect()
    }

    /// What a right value is, to follow "is not".
    pub fn wanted(&self) -> String {
        let bounds = || self.bounds().unwrap_or_default();
        match self.kind {
            Kind::Switch { .. } => "true or false".to_owned(),
            Kind::Number { ref unit, .. } => match unit {
                Unit::Count => format!("a whole number, {}", bounds()),
                Unit::Bytes => {
                    format!("a size, {} (in bytes, or with k, KiB, m or MiB)", bounds())
                }
                Unit::Seconds => format!("a time, {} (in seconds, or with s, m, h or d)", bounds()),
            },
            Kind::Cores { .. } => format!("a whole number, {}", bounds()),
            Kind::Choice { of, .. } => match of {
                [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
                [] => String::new(),
            },
            Kind::Path { .. } | Kind::File | Kind::Text { .. } | Kind::List { .. } => {
                format!("{}, such as {}", self.value, self.example)
            }
        }
    }

    /// The meaning of a number, if it is one and within its bounds.
    pub fn parse_number(&self, text: &str) -> Option<usize> {
        let (number, min, max) = match self.kind {
            Kind::Number {
                ref unit, min, max, ..
            } => {
                let number = match unit {
                    Unit::Count => parse_count(text),
                    Unit::Bytes => parse_bytes(text),
                    Unit::Seconds => parse_seconds(text),
                };
                (number, min, max)
            }
            Kind::Cores { max } if text == "auto" => {
                let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
                return Some(cores.min(max));
            }
            Kind::Cores { max } => (parse_count(text), 1, max),
            _ => return None,
        };
        let number = usize::try_from(number?).ok()?;
        (min..=max).contains(&number).then_some(number)
    }

    /// The default as it is shown, if there is one.
    fn shown_default(&self) -> Option<String> {
        match self.kind {
            Kind::Number {
                ref unit, default, ..
            } => Some(unit.show(default)),
            _ => {
                let texts = self.default_texts();
                let shown: Vec<_> = texts.iter().map(|text| text.to_string_lossy()).collect();
                (!shown.is_empty()).then(|| shown.join(","))
            }
        }
    }

    /// The bounds as they are shown, if there are any.
    fn bounds(&self) -> Option<String> {
        match self.kind {
            Kind::Number {
                ref unit, min, max, ..
            } => Some(format!("{} to {}", unit.show(min), unit.show(max))),
            Kind::Cores { max } => Some(format!("1 to {max} or auto")),
            Kind::Choice { of, .. } => Some(of.join(", ")),
            _ => None,
        }
    }

    /// The help with default and bounds.
    fn full_help(&self) -> String {
        let mut help = self.help.to_owned();
        if let Kind::List { .. } = self.kind {
            help.push_str(" Can be given several times.");
        }
        if let Some(default) = self.shown_default() {
            help.push_str(&format!(" [default: {default}]"));
        }
        if let Some(bounds) = self.bounds() {
            help.push_str(&format!(" [{bounds}]"));
        }
        help
    }
}

impl Unit {
    fn show(&self, number: usize) -> String {
        match self {
            Unit::Count => number.to_string(),
            Unit::Bytes => show_bytes(number as u64),
            Unit::Seconds => show_seconds(number as u64),
        }
    }
}

/// An option as `clap` reads it: under its name it holds what was typed, and nothing is checked yet.
pub(super) fn arg(option: &Opt) -> Arg {
    let arg = Arg::new(option.name)
        .long(option.name)
        .value_name(option.value)
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Append)
        .help_heading(option.heading)
        .help(option.full_help());
    match option.kind {
        Kind::Switch { .. } => arg.num_args(0..=1).default_missing_value("true"),
        // A zone may start with a hyphen.
        Kind::Text { .. } => arg.allow_hyphen_values(true),
        _ => arg,
    }
}

/// The command line: the options of the server, or a task with its own.
pub(super) fn command() -> Command {
    Command::new("imd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(EPILOGUE)
        .no_binary_name(true)
        .max_term_width(110)
        .args_conflicts_with_subcommands(true)
        .args(OPTIONS.iter().map(arg))
        .subcommands(TASKS.iter().map(Entry::command))
}

/// The options as a table in Markdown: flag, variable, key in the file, default, bounds, meaning.
pub fn reference() -> String {
    let mut table = String::from(
        "| flag | variable | key | default | bounds | meaning |\n|---|---|---|---|---|---|\n",
    );
    for option in OPTIONS {
        let code = |text: String| format!("`{}`", text.replace('|', "\\|"));
        let key = match option.kind {
            Kind::File => String::new(),
            _ => code(option.key()),
        };
        let cells = [
            code(format!("--{} {}", option.name, option.value)),
            code(option.variable()),
            key,
            option.shown_default().map(code).unwrap_or_default(),
            option.bounds().unwrap_or_default(),
            option.help.to_owned(),
        ];
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}
