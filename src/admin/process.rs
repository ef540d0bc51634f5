//! What the operating system knows of this process, for the metrics.

use std::fs;

/// A look at this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// When it started, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// Resident memory in bytes; `None` where `/proc` does not tell.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors; `None` where `/proc` does not tell.
    pub open_fds: Option<u64>,
}

impl Process {
    /// Looks at this process. Reads `/proc`, which is memory, not a disk; but before Linux 6.2 descriptors are counted
    /// one by one, in time that grows with their number.
    pub fn read(started_at_ms: u64) -> Process {
        Process {
            started_at_ms,
            resident_bytes: fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|status| resident_bytes(&status)),
            open_fds: open_fds(),
        }
    }
}

/// `VmRSS` of a `/proc/<pid>/status` (proc_pid_status(5)), which is in KiB.
fn resident_bytes(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The size of `/proc/self/fd` is the number of descriptors since Linux 6.2, and 0 before.
fn open_fds() -> Option<u64> {
    const PATH: &str = "/proc/self/fd";
    match fs::metadata(PATH).ok()?.len() {
        0 => {
            let with_its_own = fs::read_dir(PATH).ok()?.count() as u64;
            Some(with_its_own.saturating_sub(1))
        }
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found_among_the_lines() {
        let status = "Name:\timd\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nThreads:\t4\n";
        assert_eq!(resident_bytes(status), Some(8192 * 1024));
        assert_eq!(resident_bytes("Name:\timd\n"), None);
        assert_eq!(resident_bytes("VmRSS:\tmany kB\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t99999999999999999999 kB\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t18446744073709551615 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_descriptors() {
        let process = Process::read(7);
        assert_eq!(process.started_at_ms, 7);
        assert!(
            process
                .resident_bytes
                .is_some_and(|bytes| bytes > 64 * 1024)
        );
        // Standard input, output and error.
        assert!(process.open_fds.is_some_and(|count| count >= 3));
    }
}
