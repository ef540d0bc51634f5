//! What a process takes: time of the processor and memory, from `/proc`.

use std::fs;

use crate::clock::{SECOND_NS, now_ns, seconds};

/// A process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    at_ns: u64,
    cpu_ns: u64,
    /// Resident memory in KiB, files included.
    pub rss_kib: u64,
    /// Resident memory in KiB that is no file's.
    pub anonymous_kib: u64,
}

/// Looks at a process; `None` if there is none of that number.
pub fn sample(pid: u32) -> Option<Sample> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // The name of the process stands in parentheses and may hold anything; the state is the third field.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let tick_ns = SECOND_NS / rustix::param::clock_ticks_per_second();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Sample {
        at_ns: now_ns(),
        cpu_ns: (user + system) * tick_ns,
        rss_kib: kib("VmRSS:")?,
        anonymous_kib: kib("RssAnon:")?,
    })
}

/// The processor that a process took between two samples, in hundredths of one core.
pub fn cpu_percent(before: Sample, after: Sample) -> f64 {
    let wall_ns = after.at_ns.saturating_sub(before.at_ns).max(1);
    100.0 * seconds(after.cpu_ns.saturating_sub(before.cpu_ns)) / seconds(wall_ns)
}

/// The processor's model, how many of its cores this process may use, and the kernel.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_and_time() {
        let before = sample(std::process::id()).unwrap();
        assert!(before.rss_kib >= before.anonymous_kib && before.anonymous_kib > 0);
        let begin = now_ns();
        let mut sum = 0u64;
        while now_ns() - begin < SECOND_NS / 10 {
            sum = std::hint::black_box(sum + 1);
        }
        let after = sample(std::process::id()).unwrap();
        assert!(cpu_percent(before, after) > 1.0);
    }

    #[test]
    fn there_is_no_process_of_number_zero() {
        assert!(sample(0).is_none());
    }
}
