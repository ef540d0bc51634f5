//! Where options are given: flags, environment, file. Each source gives, for each option of the table, the texts that
//! were typed and the place to name in an error.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use toml::Value;

use super::options::{Kind, OPTIONS, Opt, command};
use super::tasks::{self, Entry};
use super::{ConfigError, quote};

/// What one source, or all of them together, gave for each option: parallel to [`OPTIONS`].
pub(super) struct Given(Vec<Option<Said>>);

/// What was typed for one option.
pub(super) struct Said {
    /// `--shards`, `IMD_SHARDS` or `imd.toml: shards`.
    pub place: String,
    /// One text, or any number for a list.
    pub texts: Vec<OsString>,
}

impl Given {
    /// What a source gives that says nothing.
    pub fn nothing() -> Given {
        Given(OPTIONS.iter().map(|_| None).collect())
    }

    /// These, and for the options that these do not give, those of `lower`.
    pub fn or(self, lower: Given) -> Given {
        Given(
            self.0
                .into_iter()
                .zip(lower.0)
                .map(|(high, low)| high.or(low))
                .collect(),
        )
    }

    /// The option of this name, which is in the table, and what was given for it.
    pub fn find(&self, name: &str) -> (&'static Opt, Option<&Said>) {
        OPTIONS
            .iter()
            .zip(&self.0)
            .find(|(option, _)| option.name == name)
            .map(|(option, said)| (option, said.as_ref()))
            .expect("options are asked for by their names in the table")
    }

    /// Refuses an option given twice in the same source.
    fn insert(&mut self, index: usize, said: Said) -> Result<(), ConfigError> {
        match &self.0[index] {
            Some(earlier) => Err(ConfigError::new(
                said.place,
                format!("is the same option as {}; give one of them", earlier.place),
            )),
            None => {
                self.0[index] = Some(said);
                Ok(())
            }
        }
    }
}

/// What the command line asks for.
pub(super) enum Typed {
    /// This text (`--help`, `--version`).
    Text(String),
    /// The server, with these options.
    Server(Given),
    /// A task, with these options and what was typed for its own.
    Task(&'static Entry, Given, Option<OsString>),
}

/// What the command line gives.
pub(super) fn from_flags(args: impl IntoIterator<Item = OsString>) -> Result<Typed, ConfigError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let task = args.first().and_then(|first| tasks::find(first.to_str()?));
    let mut matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                return Ok(Typed::Text(error.to_string()));
            }
            _ => return Err(flag_error(&error, task)),
        },
    };
    match (task, matches.remove_subcommand()) {
        (Some(task), Some((_, mut matches))) => {
            let given = given_flags(&mut matches, |option| task.shares(option))?;
            let own = match &task.own {
                Some(option) => take(&mut matches, option)?,
                None => None,
            };
            let own = own.and_then(|mut said| said.texts.pop());
            Ok(Typed::Task(task, given, own))
        }
        _ => Ok(Typed::Server(given_flags(&mut matches, |_| true)?)),
    }
}

/// What was typed for those options of the table that the command knows.
fn given_flags(
    matches: &mut ArgMatches,
    known: impl Fn(&Opt) -> bool,
) -> Result<Given, ConfigError> {
    let mut given = Given::nothing();
    for (index, option) in OPTIONS
        .iter()
        .enumerate()
        .filter(|(_, option)| known(option))
    {
        if let Some(said) = take(matches, option)? {
            given.insert(index, said)?;
        }
    }
    Ok(given)
}

/// What was typed for one option.
fn take(matches: &mut ArgMatches, option: &Opt) -> Result<Option<Said>, ConfigError> {
    let Some(texts) = matches.remove_many::<OsString>(option.name) else {
        return Ok(None);
    };
    let texts: Vec<OsString> = texts.collect();
    let place = option.flag();
    if texts.len() > 1 && !matches!(option.kind, Kind::List { .. }) {
        return Err(ConfigError::new(
            place,
            format!("is given {} times; give it once", texts.len()),
        ));
    }
    Ok(Some(Said { place, texts }))
}

/// The line for what `clap` refused, typed for the server or for a task.
fn flag_error(error: &clap::Error, task: Option<&Entry>) -> ConfigError {
    let options: Vec<&Opt> = match task {
        Some(task) => task.options().collect(),
        None => OPTIONS.iter().collect(),
    };
    let typed = match (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidSubcommand),
    ) {
        (Some(ContextValue::String(arg)), _) => arg.split([' ', '=']).next(),
        (_, Some(ContextValue::String(word))) => Some(word.as_str()),
        _ => None,
    };
    let option = typed.and_then(|typed| options.iter().find(|option| option.flag() == typed));
    match (error.kind(), typed, option) {
        (ErrorKind::InvalidValue, Some(typed), Some(option)) => {
            ConfigError::new(typed, format!("needs a value: {}", option.wanted()))
        }
        (ErrorKind::ArgumentConflict, Some(typed), _) => ConfigError::new(
            typed,
            format!("stands first: imd {typed}, then its options"),
        ),
        (ErrorKind::UnknownArgument, Some(typed), _) if let Some(owner) = tasks::owner(typed) => {
            ConfigError::new(
                typed,
                format!("is an option of imd {owner}, which stands first"),
            )
        }
        (ErrorKind::InvalidSubcommand, Some(typed), _) => {
            let right = nearest(
                typed,
                tasks::TASKS.iter().map(|task| task.name.to_owned()),
                None,
            );
            ConfigError::new(typed, format!("is not a command; {right}"))
        }
        (ErrorKind::UnknownArgument, Some(typed), _) => {
            let right = nearest(typed, options.iter().map(|option| option.flag()), task);
            ConfigError::new(typed, format!("is not an option; {right}"))
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.strip_prefix("error: ").unwrap_or(line);
            ConfigError::new("command line", line)
        }
    }
}

/// What the environment gives. Variables that do not start with `IMD_` are none of ours.
pub(super) fn from_env(
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Given, ConfigError> {
    let mut given = Given::nothing();
    for (name, value) in env {
        if !name.as_encoded_bytes().starts_with(b"IMD_") || is_service_link(&name, &value) {
            continue;
        }
        let place = name.to_string_lossy().into_owned();
        let Some(index) = OPTIONS
            .iter()
            .position(|option| option.variable() == *place)
        else {
            let right = nearest(&place, OPTIONS.iter().map(Opt::variable), None);
            return Err(ConfigError::new(
                place,
                format!("is not a variable of imd; {right}"),
            ));
        };
        let texts = match (&OPTIONS[index].kind, value.to_str()) {
            (Kind::List { .. }, Some(list)) => list
                .split(',')
                .map(|entry| OsString::from(entry.trim()))
                .collect(),
            _ => vec![value],
        };
        given.insert(index, Said { place, texts })?;
    }
    Ok(given)
}

/// Whether it is one of the variables that Kubernetes sets in every container of a namespace that has a service called
/// `imd` (`IMD_SERVICE_HOST`, `IMD_PORT=tcp://…`, `IMD_PORT_80_TCP_ADDR`): nobody meant it for the server.
fn is_service_link(name: &OsStr, value: &OsStr) -> bool {
    let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
    let Some(name) = name.strip_prefix("IMD_") else {
        return false;
    };
    let port_number = name
        .strip_prefix("PORT_")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    name == "SERVICE_HOST"
        || name.starts_with("SERVICE_PORT")
        || port_number
        || (name == "PORT" && value.contains("://"))
}

/// What the text of the file at `path` gives.
pub(super) fn from_file(path: &Path, text: &str) -> Result<Given, ConfigError> {
    let file = path.display().to_string();
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Only the line's number: the line itself may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        ConfigError::new(
            format!("{file}: line {line}"),
            format!("is not TOML: {}", error.message()),
        )
    })?;
    let mut given = Given::nothing();
    for (key, value) in table {
        let place = format!("{file}: {key}");
        let Some(index) = OPTIONS.iter().position(|option| {
            (key == option.key() || key == option.name) && !matches!(option.kind, Kind::File)
        }) else {
            let options = OPTIONS
                .iter()
                .filter(|option| !matches!(option.kind, Kind::File));
            let right = nearest(&key, options.map(Opt::key), None);
            return Err(ConfigError::new(
                place,
                format!("is not an option of the file; {right}"),
            ));
        };
        let texts = file_texts(&OPTIONS[index], value)
            .map_err(|problem| ConfigError::new(place.as_str(), problem))?;
        given.insert(index, Said { place, texts })?;
    }
    Ok(given)
}

/// The texts of a value in the file: a list only where the option is one, and numbers and booleans without quotes only
/// where the option is one.
fn file_texts(option: &Opt, value: Value) -> Result<Vec<OsString>, String> {
    match (&option.kind, value) {
        (Kind::List { .. }, Value::Array(values)) => values
            .into_iter()
            .map(|value| file_text(option, value))
            .collect(),
        (_, value) => Ok(vec![file_text(option, value)?]),
    }
}

fn file_text(option: &Opt, value: Value) -> Result<OsString, String> {
    match (&option.kind, value) {
        (_, Value::String(text)) => Ok(text.into()),
        (Kind::Switch { .. }, Value::Boolean(on)) => Ok(on.to_string().into()),
        (Kind::Number { .. } | Kind::Cores { .. }, Value::Integer(number)) => {
            Ok(number.to_string().into())
        }
        (_, value) => Err(format!(
            "is of the type {}, not {}",
            value.type_str(),
            option.wanted()
        )),
    }
}

/// Names the candidate that was most likely meant by `typed`, or where to find them all.
fn nearest(typed: &str, candidates: impl Iterator<Item = String>, task: Option<&Entry>) -> String {
    let normal = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let meant = normal(typed);
    let best = candidates
        .map(|candidate| {
            let right = normal(&candidate);
            // The start of a name is closer than any slip.
            let distance = match right.strip_prefix(&meant) {
                Some(_) => 0,
                None => edit_distance(&meant, &right),
            };
            (distance, candidate)
        })
        .min_by_key(|(distance, _)| *distance);
    match best {
        Some((distance, name)) if distance <= typed.len() / 2 => {
            format!("the nearest is {}", quote(&name))
        }
        _ => match task {
            Some(task) => format!("imd {} --help lists them", task.name),
            None => "imd --help lists them".to_owned(),
        },
    }
}

/// How many bytes have to be inserted, removed or replaced to make one of the other (Levenshtein).
fn edit_distance(from: &str, to: &str) -> usize {
    // Longer names are nowhere near: this bounds the work for what strangers type.
    if from.len() > 64 {
        return from.len();
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
