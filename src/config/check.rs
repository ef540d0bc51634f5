//! From what was typed to what it means: each value is read, then those that depend on each other are held together.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::options::{Kind, Opt};
use super::sources::Given;
use super::syntax::{
    parse_app_key, parse_field_name, parse_listen, parse_origin, parse_public_url, parse_timezone,
    show_bytes, show_seconds,
};
use super::types::{AppKey, Auth, Config, CorsOrigins, Durability, LogLevel, Storage};
use super::{ConfigError, quote};
use crate::limits;

/// The ports on which the four APIs were served by the systems that they come from.
const LEGACY_PORTS: [u16; 6] = [8070, 8080, 8082, 8889, 8093, 6666];

/// The configuration that was given. The error is the first that is found.
pub(super) fn check(given: &Given) -> Result<Config, ConfigError> {
    let auth = auth(given)?;
    let insecure = given.switch("insecure")?;
    let (ws_ping_after, ws_idle_timeout) = websocket_times(given)?;
    let (message_bytes_max, outbox_bytes_max) = message_sizes(given)?;
    let connections_max = given.number("connections-max")?;
    Ok(Config {
        listen: listen(given, &auth, insecure)?,
        storage: storage(given)?,
        shards: given.number("shards")?,
        readers: given.number("readers")?,
        pin: given.switch("pin")?,
        busy_poll: Duration::from_micros(given.number("busy-poll")? as u64),
        durability: given.choice(
            "durability",
            &[("full", Durability::Full), ("process", Durability::Process)],
        )?,
        timezone: given.text("timezone", parse_timezone)?,
        public_url: given.optional_text("public-url", parse_public_url)?,
        auth,
        insecure,
        open_directory: given.switch("open-directory")?,
        cors_origins: cors_origins(given)?,
        diagnostics: given.switch("diagnostics")?,
        deflate: given.switch("deflate")?,
        jim_text_field: given.optional_text("jim-text-field", parse_field_name)?,
        message_bytes_max,
        upload_bytes_max: given.number("upload-bytes-max")?,
        group_members_max: given.number("group-members-max")?,
        connections_max: (connections_max != 0).then_some(connections_max),
        outbox_bytes_max,
        token_idle_ttl: given.seconds("token-idle-ttl-s")?,
        idle_timeout: given.seconds("idle-timeout-s")?,
        header_timeout: given.seconds("header-timeout-s")?,
        body_rate_min: given.number("body-rate-min")?,
        ws_ping_after,
        ws_idle_timeout,
        drain_timeout: given.seconds("drain-timeout-s")?,
        log: given.choice(
            "log",
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
            ],
        )?,
    })
}

fn auth(given: &Given) -> Result<Auth, ConfigError> {
    let keys: Vec<AppKey> = given.list("app-key", parse_app_key)?;
    for (index, key) in keys.iter().enumerate() {
        if keys[..index].iter().any(|earlier| earlier.id == key.id) {
            let problem = format!(
                "the id {} has two keys; give each its own id",
                quote(&key.id)
            );
            return Err(ConfigError::new(given.place("app-key"), problem));
        }
    }
    let signed = given.choice("auth", &[("open", false), ("signed", true)])?;
    match (signed, keys.is_empty()) {
        (true, false) => Ok(Auth::Signed(keys)),
        (false, true) => Ok(Auth::Open),
        (true, true) => Err(ConfigError::new(
            given.place("auth"),
            "signed needs at least one key: give --app-key ID:SECRET",
        )),
        // Whoever gives keys believes that they keep strangers out.
        (false, false) => Err(ConfigError::new(
            given.place("app-key"),
            "keys do nothing with --auth open; give --auth signed",
        )),
    }
}

fn listen(given: &Given, auth: &Auth, insecure: bool) -> Result<Vec<SocketAddr>, ConfigError> {
    let typed = given.list("listen", parse_listen)?;
    if typed.is_empty() {
        let problem = "has no address; give at least one ADDR:PORT";
        return Err(ConfigError::new(given.place("listen"), problem));
    }
    let exposed = typed
        .iter()
        .find(|address| !address.ip().to_canonical().is_loopback());
    if let (Some(address), Auth::Open, false) = (exposed, auth, insecure) {
        let problem = format!(
            "{address} can be reached by other machines, and --auth open lets everybody act as anybody; \
             give --auth signed, a loopback address, or --insecure"
        );
        return Err(ConfigError::new(given.place("listen"), problem));
    }
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for &address in &typed {
        if address.port() == 0 || !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if given.switch("legacy-ports")? {
        for mut address in typed {
            for port in LEGACY_PORTS {
                address.set_port(port);
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
    }
    Ok(addresses)
}

/// The directory that a task works on.
pub(super) fn data_directory(given: &Given) -> Result<PathBuf, ConfigError> {
    match storage(given)? {
        Storage::Directory(directory) => Ok(directory),
        Storage::Memory => Err(ConfigError::new(
            given.place("memory"),
            "keeps nothing in a directory; give --data DIR and leave it out",
        )),
    }
}

fn storage(given: &Given) -> Result<Storage, ConfigError> {
    let directory = given.path("data")?;
    match (given.switch("memory")?, given.find("data").1) {
        (false, _) => Ok(Storage::Directory(directory)),
        (true, None) => Ok(Storage::Memory),
        (true, Some(data)) => Err(ConfigError::new(
            given.place("memory"),
            format!(
                "keeps nothing in a directory, but {} names one; give one of them",
                data.place
            ),
        )),
    }
}

fn cors_origins(given: &Given) -> Result<CorsOrigins, ConfigError> {
    let origins = given.list("cors-origin", |text| match text {
        "*" => Ok(None),
        _ => parse_origin(text).map(Some),
    })?;
    if let [None] = origins[..] {
        return Ok(CorsOrigins::Any);
    }
    match origins.into_iter().collect::<Option<Vec<String>>>() {
        Some(listed) if listed.is_empty() => Ok(CorsOrigins::SameOrigin),
        Some(listed) => Ok(CorsOrigins::Listed(listed)),
        None => Err(ConfigError::new(
            given.place("cors-origin"),
            "* allows all origins; give it alone, or only the origins to allow",
        )),
    }
}

/// `ws_ping_after` and `ws_idle_timeout`: a ping has to be sent while an answer to it still counts.
fn websocket_times(given: &Given) -> Result<(Duration, Duration), ConfigError> {
    let ping_after = given.seconds("ws-ping-after-s")?;
    let idle_timeout = given.seconds("ws-idle-timeout-s")?;
    if idle_timeout > ping_after {
        return Ok((ping_after, idle_timeout));
    }
    let said = given.find("ws-idle-timeout-s").1.is_some();
    let place = given.place(if said {
        "ws-idle-timeout-s"
    } else {
        "ws-ping-after-s"
    });
    let problem = format!(
        "a WebSocket would be closed after {}, not later than its ping after {}; \
         give a --ws-idle-timeout-s that is longer than --ws-ping-after-s",
        show_seconds(idle_timeout.as_secs()),
        show_seconds(ping_after.as_secs()),
    );
    Err(ConfigError::new(place, problem))
}

/// `message_bytes_max` and `outbox_bytes_max`.
fn message_sizes(given: &Given) -> Result<(usize, usize), ConfigError> {
    let message = given.number("message-bytes-max")?;
    let outbox = given.number("outbox-bytes-max")?;
    let least = message * limits::OUTBOX_MESSAGES_MIN;
    if outbox >= least {
        return Ok((message, outbox));
    }
    let problem = format!(
        "{} is too little for messages of {}; give at least {}, or a smaller --message-bytes-max",
        show_bytes(outbox as u64),
        show_bytes(message as u64),
        show_bytes(least as u64),
    );
    Err(ConfigError::new(given.place("outbox-bytes-max"), problem))
}

/// Reading one option by its name: what was given, else its default.
impl Given {
    /// Where the option was given, or would be.
    fn place(&self, name: &str) -> String {
        let (option, said) = self.find(name);
        said.map_or_else(|| option.flag(), |said| said.place.clone())
    }

    /// The option and its texts.
    fn texts(&self, name: &str) -> (&'static Opt, Vec<OsString>) {
        let (option, said) = self.find(name);
        let texts = said.map_or_else(|| option.default_texts(), |said| said.texts.clone());
        (option, texts)
    }

    /// The error for one text of the option; `why` may be empty.
    fn wrong(&self, option: &Opt, index: usize, text: &OsStr, why: &str) -> ConfigError {
        let shown = match option.kind {
            Kind::List { secret: true, .. } => format!("entry {}", index + 1),
            _ => quote(&text.to_string_lossy()),
        };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        let problem = format!("{shown} is not {}{why}", option.wanted());
        ConfigError::new(self.place(option.name), problem)
    }

    fn list<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, ConfigError> {
        let (option, texts) = self.texts(name);
        if texts.len() > limits::OPTION_ENTRIES_MAX {
            let most = limits::OPTION_ENTRIES_MAX;
            let problem = format!("has {} entries; give at most {most}", texts.len());
            return Err(ConfigError::new(self.place(name), problem));
        }
        let parse_entry = |(index, text): (usize, &OsString)| match text.to_str() {
            Some(utf8) => parse(utf8).map_err(|why| self.wrong(option, index, text, why)),
            None => Err(self.wrong(option, index, text, "it is not UTF-8")),
        };
        texts.iter().enumerate().map(parse_entry).collect()
    }

    fn optional_text<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, ConfigError> {
        Ok(self.list(name, parse)?.pop())
    }

    fn text<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, ConfigError> {
        let value = self.optional_text(name, parse)?;
        value.ok_or_else(|| ConfigError::new(self.place(name), "needs a value"))
    }

    fn number(&self, name: &str) -> Result<usize, ConfigError> {
        let (option, _) = self.find(name);
        self.text(name, |text| option.parse_number(text).ok_or(""))
    }

    fn seconds(&self, name: &str) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs(self.number(name)? as u64))
    }

    fn switch(&self, name: &str) -> Result<bool, ConfigError> {
        self.text(name, |text| text.parse().map_err(|_| ""))
    }

    fn choice<T: Copy>(&self, name: &str, of: &[(&str, T)]) -> Result<T, ConfigError> {
        let find = |text: &str| of.iter().find(|(word, _)| *word == text);
        self.text(name, |text| find(text).map(|&(_, value)| value).ok_or(""))
    }

    fn path(&self, name: &str) -> Result<PathBuf, ConfigError> {
        let (option, mut texts) = self.texts(name);
        let path = texts.pop().unwrap_or_default();
        if path.is_empty() {
            return Err(self.wrong(option, 0, &path, ""));
        }
        Ok(path.into())
    }
}
