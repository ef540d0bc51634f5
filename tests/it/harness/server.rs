//! The `imd` binary as a child process: started, stopped, killed and started again on the same data.

use super::{Buyer, Client, GUARD};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A stopping server may finish what is in flight for 10 s.
const STOP_GUARD: Duration = Duration::from_secs(15);

/// How a process ended.
#[derive(Debug)]
pub struct Exit {
    /// The exit status, a signal included.
    pub status: ExitStatus,
    /// The lines it wrote to standard output after the ready lines.
    pub stdout: Vec<String>,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

/// A child whose output is read by threads of its own, so that it never blocks on a full pipe.
struct Process {
    child: Child,
    stdout_lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Process {
    fn spawn(work_dir: &Path, args: &[OsString], env: &[(String, String)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imd"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IMD_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(args)
            .envs(env.iter().cloned())
            .current_dir(work_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the imd binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let (lines, stdout_lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).expect("stderr is readable");
            String::from_utf8_lossy(&text).into_owned()
        });
        Process {
            child,
            stdout_lines,
            stderr: Some(stderr),
        }
    }

    /// Reads one ready line and returns its address, with 127.0.0.1 in place of the wildcard.
    fn ready_addr(&self) -> SocketAddr {
        let line = self
            .stdout_lines
            .recv_timeout(GUARD)
            .expect("a ready line on standard output");
        let addr = line
            .strip_prefix("imd listening on http://")
            .and_then(|addr| addr.parse().ok());
        let mut addr: SocketAddr = addr.unwrap_or_else(|| panic!("not a ready line: {line:?}"));
        assert_ne!(addr.port(), 0, "the ready line shows the real port");
        if addr.ip().is_unspecified() {
            addr.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        addr
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server is still running");
    }

    /// Waits until the process has ended by itself.
    fn wait(&mut self) -> Exit {
        let deadline = Instant::now() + STOP_GUARD;
        let mut stdout = Vec::new();
        loop {
            match self
                .stdout_lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => stdout.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("imd still runs after {STOP_GUARD:?}"),
            }
        }
        let status = self.child.wait().expect("the child can be waited for");
        Exit {
            status,
            stdout,
            stderr: self.take_stderr(),
        }
    }

    fn take_stderr(&mut self) -> String {
        self.stderr.take().map_or_else(String::new, |reader| {
            reader.join().expect("stderr was read")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let stderr = self.take_stderr();
        if thread::panicking() && !stderr.is_empty() {
            eprintln!("--- standard error of imd ---\n{stderr}-----------------------------");
        }
    }
}

/// A running server on free ports of 127.0.0.1 with a data directory of its own. Dropping it kills it.
pub struct Server {
    dir: TempDir,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    process: Process,
    addrs: Vec<SocketAddr>,
}

impl Server {
    /// Starts a server that keeps its messages in memory only.
    pub fn memory(flags: &[&str]) -> Server {
        Server::memory_with_env(flags, &[])
    }

    /// The same with environment variables set.
    pub fn memory_with_env(flags: &[&str], env: &[(&str, &str)]) -> Server {
        Server::start(&[&["--memory"], flags].concat(), env)
    }

    /// Starts a server that stores on disk, in a directory that lives as long as the `Server`.
    pub fn durable(flags: &[&str]) -> Server {
        Server::start(flags, &[])
    }

    fn start(flags: &[&str], env: &[(&str, &str)]) -> Server {
        let dir = TempDir::new().expect("a temporary directory");
        let mut args: Vec<OsString> = ["--listen", "127.0.0.1:0", "--shards", "2"]
            .map(OsString::from)
            .into();
        if !flags.contains(&"--memory") {
            args.extend(["--data".into(), dir.path().into()]);
        }
        args.extend(flags.iter().map(OsString::from));
        // A server that is killed leaves its temporary files: in a directory that goes with the `Server`.
        let temporary = ("TMPDIR".to_owned(), dir.path().display().to_string());
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .chain([temporary])
            .collect();
        let process = Process::spawn(dir.path(), &args, &env);
        let mut server = Server {
            dir,
            args,
            env,
            process,
            addrs: Vec::new(),
        };
        server.read_ready_lines();
        server
    }

    fn read_ready_lines(&mut self) {
        let listeners = self.args.iter().filter(|arg| *arg == "--listen").count();
        self.addrs = (0..listeners).map(|_| self.process.ready_addr()).collect();
    }

    /// The first listening address.
    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// All listening addresses, one a ready line.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.dir.path()
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.addr())
    }

    /// Logs `name` in on a new connection.
    pub fn buyer(&self, name: &str) -> Buyer {
        Buyer::login(self.client(), name)
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(&mut self) -> Exit {
        self.stop_by(Signal::TERM)
    }

    /// SIGINT, then waits for the end.
    pub fn interrupt(&mut self) -> Exit {
        self.stop_by(Signal::INT)
    }

    /// SIGKILL, then waits for the end.
    pub fn kill(&mut self) {
        self.stop_by(Signal::KILL);
    }

    fn stop_by(&mut self, signal: Signal) -> Exit {
        self.process.signal(signal);
        self.process.wait()
    }

    /// Starts a stopped server again with the same options on the same data, on another port.
    pub fn start_again(&mut self) {
        self.process = Process::spawn(self.dir.path(), &self.args, &self.env);
        self.read_ready_lines();
    }

    /// Starts a stopped server again with the same options where it is expected to refuse.
    pub fn refusal_to_start_again(&self) -> Exit {
        Process::spawn(self.dir.path(), &self.args, &self.env).wait()
    }
}

/// Runs `imd` with exactly these arguments where it is expected to end by itself.
pub fn exit_of(args: &[&str], env: &[(&str, &str)]) -> Exit {
    let work_dir = TempDir::new().expect("a temporary directory");
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    Process::spawn(work_dir.path(), &args, &env).wait()
}
