//! What the program can do besides serving, as subcommands: the table of them, and what was typed for one.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Command;

use super::options::{Kind, OPTIONS, Opt, arg};
use super::sources::Given;
use super::{ConfigError, check, quote};

/// Something to do with a data directory, instead of serving it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// To look for faults in what is stored.
    Check {
        /// The data directory.
        data: PathBuf,
    },
    /// To copy the database, also while a server uses it.
    Backup {
        /// The data directory.
        data: PathBuf,
        /// The file to make.
        to: PathBuf,
    },
    /// To write out what one account may see, also while a server runs.
    Export {
        /// The data directory.
        data: PathBuf,
        /// The account's name, not empty.
        account: String,
    },
}

/// A row of the table of tasks.
pub(super) struct Entry {
    /// The subcommand.
    pub name: &'static str,
    /// One line in `imd --help`.
    pub about: &'static str,
    /// What follows it in `imd NAME --help`.
    details: &'static str,
    /// The option that it needs besides the data directory. It is given as a flag only.
    pub own: Option<Opt>,
    /// The task, of the data directory and of what was typed for its own option; `None` if that cannot be meant.
    make: fn(PathBuf, OsString) -> Option<Task>,
}

/// The options of the server that every task knows as well.
const SHARED: [&str; 2] = ["config", "data"];

/// All tasks, in the order of `--help`.
pub(super) const TASKS: &[Entry] = &[
    Entry {
        name: "check",
        about: "Look for faults in what is stored, while no server uses it",
        details: "\
Faults are printed one a line. All messages are read and held against whatever is derived from them; nothing is changed. While a server \
runs, check a backup.

Exit codes: 0 no fault, 1 faults found or not able to check, 2 wrong usage.",
        own: None,
        make: |data, _| Some(Task::Check { data }),
    },
    Entry {
        name: "backup",
        about: "Copy the database to a file, also while a server uses it",
        details: "\
The copy is the state at one moment, whole and synced; a file that is there is never overwritten. The database's log grows by what is \
written meanwhile.

Only messages, accounts and tokens are in it. Uploads are plain files that never change: copy the directory uploads/ after this command, \
with cp or rsync, so that every upload of a copied message is in it. Named imd.sqlite beside uploads/ the copy is a data directory.

Exit codes: 0 copied, 1 failure, 2 wrong usage.",
        own: Some(Opt {
            name: "to",
            heading: "",
            value: "FILE",
            kind: Kind::File,
            example: "/backup/imd.sqlite",
            help: "Make this file.",
        }),
        make: |data, to| {
            let to = to.into();
            Some(Task::Backup { data, to })
        },
    },
    Entry {
        name: "export",
        about: "Print what an account may see as lines of JSON, also while a server runs",
        details: "\
First the account, then each of its conversations, oldest first, followed by those of its messages that the account may see, oldest \
first. The field type is account, conversation or message; times are milliseconds since 1970.

Exit codes: 0 all printed, 1 failure, 2 wrong usage.",
        own: Some(Opt {
            name: "account",
            heading: "",
            value: "NAME",
            kind: Kind::Text { default: None },
            example: "chaogai",
            help: "The account's name; a user of chat is company/app/thirdUserId.",
        }),
        make: |data, account| {
            let account = account.into_string().ok()?;
            Some(Task::Export { data, account })
        },
    },
];

/// The entry of a subcommand.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    TASKS.iter().find(|entry| entry.name == name)
}

/// The subcommand whose own option is called so.
pub(super) fn owner(flag: &str) -> Option<&'static str> {
    let owns = |entry: &&Entry| entry.own.as_ref().is_some_and(|own| own.flag() == flag);
    TASKS.iter().find(owns).map(|entry| entry.name)
}

impl Entry {
    /// Whether it knows this option of the server.
    pub fn shares(&self, option: &Opt) -> bool {
        SHARED.contains(&option.name)
    }

    /// The options that it knows.
    pub fn options(&self) -> impl Iterator<Item = &Opt> {
        let shared = OPTIONS.iter().filter(|option| self.shares(option));
        shared.chain(&self.own)
    }

    /// The subcommand as `clap` reads it.
    pub fn command(&self) -> Command {
        let own = self.own.as_ref();
        let own = own.map(|option| format!(" {} {}", option.flag(), option.value));
        let usage = format!("imd {} --data DIR{}", self.name, own.unwrap_or_default());
        // Few options need no groups.
        let args = self.options().map(|option| arg(option).help_heading(None));
        Command::new(self.name)
            .about(self.about)
            .override_usage(usage)
            .after_help(self.details)
            .max_term_width(110)
            .args(args)
    }

    /// The task, of what all sources gave and of what was typed for the option that is its own.
    pub fn read(&self, given: &Given, typed: Option<OsString>) -> Result<Task, ConfigError> {
        let data = check::data_directory(given)?;
        let wrong = |problem: String| {
            let option = self.own.as_ref();
            let (flag, wanted) =
                option.map_or_else(Default::default, |option| (option.flag(), option.wanted()));
            ConfigError::new(flag, format!("{problem} {wanted}"))
        };
        let typed = match (&self.own, typed) {
            (None, _) => OsString::new(),
            (Some(_), Some(typed)) if !typed.is_empty() => typed,
            (Some(_), Some(_)) => return Err(wrong("\"\" is not".to_owned())),
            (Some(_), None) => return Err(wrong(format!("is missing; imd {} needs", self.name))),
        };
        let shown = quote(&typed.to_string_lossy());
        (self.make)(data, typed).ok_or_else(|| wrong(format!("{shown} is not")))
    }
}
