//! What is measured, and with how much.

use std::path::PathBuf;

use imd::store::sqlite::Durability;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::world::Extras;

/// What takes the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// A table without an index, a row for each message.
    Bare,
    /// The same, with an id of the client's in each row.
    BareNamed,
    /// The store.
    Plain,
    /// With a row of the recipient, who acknowledges, for each message.
    Acknowledged,
    /// With an id of the client's for each message.
    Named,
    /// With both.
    Both,
}

impl Variant {
    /// All of them; the bare logs stand first.
    pub const ALL: [Variant; 6] = [
        Variant::Bare,
        Variant::BareNamed,
        Variant::Plain,
        Variant::Acknowledged,
        Variant::Named,
        Variant::Both,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Bare => "bare",
            Variant::BareNamed => "bare-ids",
            Variant::Plain => "plain",
            Variant::Acknowledged => "acks",
            Variant::Named => "ids",
            Variant::Both => "both",
        }
    }

    /// What stands in the tables.
    pub fn title(self) -> &'static str {
        match self {
            Variant::Bare => "bare log",
            Variant::BareNamed => "bare log with client ids",
            Variant::Plain => "this store",
            Variant::Acknowledged => "… with acknowledgements",
            Variant::Named => "… with client ids",
            Variant::Both => "… with both",
        }
    }

    /// What its messages bring with them.
    pub fn extras(self) -> Extras {
        Extras {
            acknowledged: matches!(self, Variant::Acknowledged | Variant::Both),
            named: matches!(self, Variant::BareNamed | Variant::Named | Variant::Both),
        }
    }

    /// The log that it is held to, which appends the same messages.
    pub fn bare(self) -> Variant {
        match self.extras().named {
            true => Variant::BareNamed,
            false => Variant::Bare,
        }
    }

    /// Whether it is such a log itself.
    pub fn is_bare(self) -> bool {
        self == self.bare()
    }
}

/// The command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages that each variant stores.
    pub messages: usize,
    /// Conversations among which they are spread at random.
    pub conversations: usize,
    /// Messages in a commit.
    pub batch: usize,
    /// Bytes of each body.
    pub body_bytes: usize,
    /// Whether commits are synced.
    pub durability: Durability,
    /// Where the stores are made.
    pub directory: PathBuf,
    /// What is measured beside the bare log.
    pub variants: Vec<Variant>,
    /// Where what was found is written for programs.
    pub json: Option<PathBuf>,
    /// The part of a worker process, if this is one.
    pub worker: Option<String>,
}

impl Options {
    /// Reads the command line; a wrong one ends the process.
    pub fn read() -> Options {
        let matches = command().get_matches();
        let number = |name: &str| *matches.get_one::<u64>(name).expect("it has a default") as usize;
        let test = matches.get_flag("test");
        let scale = |name: &str, test_value: usize| match test && !typed(&matches, name) {
            true => test_value,
            false => number(name),
        };
        let chosen: Vec<&String> = matches.get_many("variant").into_iter().flatten().collect();
        let is_chosen = |variant: &Variant| {
            !variant.is_bare()
                && (chosen.is_empty() || chosen.iter().any(|name| *name == variant.name()))
        };
        let variants = Variant::ALL.into_iter().filter(|variant| {
            let mut others = Variant::ALL.into_iter().filter(is_chosen);
            is_chosen(variant) || others.any(|other| other.bare() == *variant)
        });
        Options {
            messages: scale("messages", 5_000),
            conversations: scale("conversations", 1_000),
            batch: number("batch"),
            body_bytes: number("body"),
            durability: match matches.get_one::<String>("durability").map(String::as_str) {
                Some("process") => Durability::Process,
                _ => Durability::Full,
            },
            directory: matches
                .get_one::<PathBuf>("dir")
                .cloned()
                .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into()),
            variants: variants.collect(),
            json: matches.get_one::<PathBuf>("json").cloned(),
            worker: matches.get_one::<String>("worker").cloned(),
        }
    }
}

impl Options {
    /// The durability as it is typed.
    pub fn durability_name(&self) -> &'static str {
        match self.durability {
            Durability::Full => "full",
            Durability::Process => "process",
        }
    }
}

fn typed(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
}

fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let positive = value_parser!(u64).range(1..);
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value(default)
            .value_parser(positive)
            .help(help)
    };
    Command::new("store")
        .about("Measures the store as it grows, against a log without an index in the same minutes")
        .arg(number(
            "messages",
            "1000000",
            "Messages that each variant stores",
        ))
        .arg(number(
            "conversations",
            "100000",
            "Conversations among which they are spread at random",
        ))
        .arg(number("batch", "64", "Messages in a commit"))
        .arg(number("body", "100", "Bytes of each body"))
        .arg(
            Arg::new("variant")
                .long("variant")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(["plain", "acks", "ids", "both"])
                .help(
                    "Measure this one beside a bare log; can be given several times [default: all]",
                ),
        )
        .arg(
            Arg::new("durability")
                .long("durability")
                .value_name("WHAT")
                .value_parser(["full", "process"])
                .default_value("full")
                .help("Sync every commit (full), or only checkpoints (process): what is left is the processor's work"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help(
                    "Make the stores in here, on the disk to be measured [default: below target]",
                ),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write what was found as JSON, slice by slice, too"),
        )
        .arg(
            Arg::new("test")
                .long("test")
                .action(ArgAction::SetTrue)
                .help("A small run that shows that all of it works"),
        )
        // What cargo gives to every benchmark.
        .arg(
            Arg::new("bench")
                .long("bench")
                .action(ArgAction::SetTrue)
                .hide(true),
        )
        .arg(Arg::new("worker").long("worker").hide(true))
}
