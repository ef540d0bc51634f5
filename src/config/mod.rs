//! What was typed (flags, environment, file) → what it means (checked, typed).
//!
//! [`parse`] is pure: it is given the arguments, the variables and a way to read a file, and gives a [`Config`], a text to
//! print, or an error of one line. In reading order:
//!
//! - `options`: the one table of options. The command line, the names of variables and keys, the help and the
//!   [`reference()`] come from it.
//! - `sources`: collects what each source gives. A flag goes before the environment, the environment before the file; of
//!   a list, the highest source that gives one gives it all. Names that are not in the table are errors.
//! - `tasks`: the table of subcommands, which do something else than to serve.
//! - `check`: reads each value and holds those together that depend on each other; `syntax` is how single values are written.
//! - `types`: [`Config`] and what it is made of.
//!
//! To add an option, add it to the table, to [`Config`] and to `check`; the tests walk the table.
//!
//! # Exit codes
//! - 0: stopped by a signal after a clean shutdown, or the task is done and found no fault (or a text was asked for).
//! - 1 ([`EXIT_FAILURE`]): failure while starting, serving or at a task, or faults were found.
//! - 2 ([`EXIT_MISCONFIGURED`]): wrong configuration.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::{error, fmt, io};

mod check;
mod options;
mod sources;
mod syntax;
mod tasks;
#[cfg(test)]
mod tests;
mod types;

pub use options::reference;
pub use tasks::Task;
pub use types::{AppKey, Auth, Config, CorsOrigins, Durability, LogLevel, Secret, Storage};

use sources::{Given, Typed};

/// Exit code for a failure while starting, serving or at a task, and for faults that were found.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code for a wrong configuration.
pub const EXIT_MISCONFIGURED: u8 = 2;

/// What the command line asks for.
#[derive(Debug)]
pub enum Outcome {
    /// To serve with this configuration.
    Run(Box<Config>),
    /// To do this instead.
    Do(Task),
    /// To print this text (`--help`, `--version`) on standard output and end with 0.
    Show(String),
}

/// Reads the configuration.
///
/// `args` are the arguments without the program's name (`std::env::args_os().skip(1)`), `env` is the whole environment
/// (`std::env::vars_os()`), and `read_file` (`std::fs::read_to_string`) is called for the file that `--config` or `IMD_CONFIG` names, if any.
///
/// # Errors
/// What is wrong first, in one line that names the place and what would be right.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<Outcome, ConfigError> {
    let (flags, task) = match sources::from_flags(args)? {
        Typed::Text(text) => return Ok(Outcome::Show(text)),
        Typed::Server(flags) => (flags, None),
        Typed::Task(task, flags, own) => (flags, Some((task, own))),
    };
    let given = flags.or(sources::from_env(env)?);
    let file = match given.find("config").1 {
        Some(said) => {
            let path: &Path = said.texts.first().map(Path::new).unwrap_or(Path::new(""));
            let text = read_file(path).map_err(|error| {
                let path = quote(&path.to_string_lossy());
                ConfigError::new(said.place.as_str(), format!("cannot read {path}: {error}"))
            })?;
            sources::from_file(path, &text)?
        }
        None => Given::nothing(),
    };
    let given = given.or(file);
    match task {
        Some((task, own)) => Ok(Outcome::Do(task.read(&given, own)?)),
        None => Ok(Outcome::Run(Box::new(check::check(&given)?))),
    }
}

impl Default for Config {
    fn default() -> Config {
        check::check(&Given::nothing())
            .expect("the defaults in the table are right, which a test holds")
    }
}

/// What is wrong with the configuration: one line that names where it was said, what is wrong and what is right.
#[derive(Debug)]
pub struct ConfigError {
    place: String,
    problem: String,
}

impl ConfigError {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}", self.place, self.problem);
        // Names and foreign messages may hold line breaks and terminal sequences.
        for c in line.chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl error::Error for ConfigError {}

/// A text that somebody typed, in quotes, escaped, and cut where it would fill the line.
fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
