//! The `imd` binary: configuration, start, a signal, exit code; or a task on a data directory. The only place that prints.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use imd::config::{self, Config, EXIT_FAILURE, EXIT_MISCONFIGURED, LogLevel, Outcome, Task};
use imd::runtime::server::Server;
use imd::runtime::shared::Log;
use imd::store::export::{ExportError, export};
use imd::store::sqlite::{backup, check, guest};

fn main() -> ExitCode {
    let parsed = config::parse(std::env::args_os().skip(1), std::env::vars_os(), |path| {
        std::fs::read_to_string(path)
    });
    match parsed {
        Ok(Outcome::Run(config)) => end(serve(&config)),
        Ok(Outcome::Do(task)) => run_task(&task),
        Ok(Outcome::Show(text)) => end(print(text.trim_end())),
        Err(error) => {
            complain(error);
            ExitCode::from(EXIT_MISCONFIGURED)
        }
    }
}

fn end(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// Writes a line to standard output.
fn print(line: impl Display) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(unprintable)
}

fn unprintable(error: io::Error) -> String {
    format!("cannot write to standard output: {error}")
}

/// Writes a line to standard error. Where nobody reads that, nobody is to be told.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "imd: {line}");
}

fn run_task(task: &Task) -> ExitCode {
    let (Task::Check { data } | Task::Backup { data, .. } | Task::Export { data, .. }) = task;
    if !guest::is_data_directory(data) {
        let shown = data.display();
        complain(format!(
            "--data: {shown} is not a data directory: it holds no imd.sqlite"
        ));
        return ExitCode::from(EXIT_MISCONFIGURED);
    }
    end(match task {
        Task::Check { data } => check_store(data),
        Task::Backup { data, to } => back_up(data, to),
        Task::Export { data, account } => export_account(data, account),
    })
}

/// Prints each fault on a line.
fn check_store(data: &Path) -> Result<(), String> {
    let report = check::check(data).map_err(|error| error.to_string())?;
    for fault in &report.faults {
        print(fault)?;
    }
    let counts = format!(
        "{} messages, {} conversations, {} accounts",
        report.messages, report.conversations, report.accounts
    );
    if report.is_whole() {
        return print(format!("no faults in {counts}"));
    }
    if report.faults_unnamed > 0 {
        print(format!("… and {} more", report.faults_unnamed))?;
    }
    let faults = report.faults.len() as u64 + report.faults_unnamed;
    Err(format!("{faults} faults in {counts}"))
}

fn back_up(data: &Path, to: &Path) -> Result<(), String> {
    let copied = backup::backup(data, to).map_err(|error| error.to_string())?;
    let (to, bytes) = (to.display(), copied.bytes);
    print(match copied.commit {
        Some(commit) => format!("{to}: {bytes} bytes, all up to commit {commit}"),
        None => format!("{to}: {bytes} bytes, of an earlier imd"),
    })?;
    let uploads = data.join("uploads");
    if uploads.is_dir() {
        print(format!("copy {} as files now", uploads.display()))?;
    }
    Ok(())
}

fn export_account(data: &Path, account: &str) -> Result<(), String> {
    let mut reader = guest::reader(data).map_err(|error| error.to_string())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let exported = export(&mut *reader, account, &mut out).and_then(|()| Ok(out.flush()?));
    exported.map_err(|error| match error {
        ExportError::NoSuchAccount => format!("--account: no account is called {account:?}"),
        ExportError::Store(error) => error.to_string(),
        ExportError::Output(error) => unprintable(error),
    })
}

fn serve(config: &Config) -> Result<(), String> {
    let signals = signals()?;
    let server =
        Server::start(config, log_to_stderr(config.log)).map_err(|error| error.to_string())?;
    for address in server.addresses() {
        // It serves, whoever hears of it.
        if let Err(error) = print(format!("imd listening on http://{address}")) {
            complain(error);
        }
    }
    let died = select! {
        recv(signals) -> _ => None,
        recv(server.died()) -> name => name.ok(),
    };
    if let Some(name) = died {
        complain(format!("thread {name} has ended unexpectedly"));
    }
    server.stop().map_err(|error| error.to_string())?;
    died.map_or(Ok(()), |name| {
        Err(format!("thread {name} had ended unexpectedly"))
    })
}

/// One message for each signal to stop. A second one ends the process at once.
fn signals() -> Result<Receiver<()>, String> {
    let (sender, receiver) = bounded(1);
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("handling signals: {error}"))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if sender.try_send(()).is_err() {
                std::process::exit(i32::from(EXIT_FAILURE));
            }
        }
    });
    Ok(receiver)
}

fn log_to_stderr(most: LogLevel) -> Log {
    Arc::new(move |level, line| {
        if level <= most {
            complain(format!("{level:?}: {line}"));
        }
    })
}
