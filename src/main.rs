//! The `imd` binary: configuration, start, a signal, exit code. The only place that prints.

use std::process::ExitCode;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use imd::config::{self, Config, EXIT_FAILURE, EXIT_MISCONFIGURED, LogLevel, Outcome};
use imd::runtime::server::Server;
use imd::runtime::shared::Log;

fn main() -> ExitCode {
    let parsed = config::parse(std::env::args_os().skip(1), std::env::vars_os(), |path| {
        std::fs::read_to_string(path)
    });
    match parsed {
        Ok(Outcome::Run(config)) => run(&config),
        Ok(Outcome::Show(text)) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("imd: {error}");
            ExitCode::from(EXIT_MISCONFIGURED)
        }
    }
}

fn run(config: &Config) -> ExitCode {
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("imd: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn serve(config: &Config) -> Result<(), String> {
    let signals = signals()?;
    let server =
        Server::start(config, log_to_stderr(config.log)).map_err(|error| error.to_string())?;
    for address in server.addresses() {
        println!("imd listening on http://{address}");
    }
    let died = select! {
        recv(signals) -> _ => None,
        recv(server.died()) -> name => name.ok(),
    };
    if let Some(name) = died {
        eprintln!("imd: thread {name} has ended unexpectedly");
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
            eprintln!("imd: {level:?}: {line}");
        }
    })
}
