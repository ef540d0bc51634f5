"""Servers and loads: started pinned, watched, and stopped by who started them."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
# From here on a server's core is taken to be busy all the time.
BUSY_PERCENT = 95.0
START_S_MAX = 30
STOP_S_MAX = 60
LOAD_S_MAX = 900
# What a server answers that cannot keep up because the machine is busy elsewhere. A quick run, which measures nothing, bears it.
BUSY_ANSWERS = ("refused:", "success is not true", "status 503")


class Absent(Exception):
    """Something that would be needed is not there: what it would show is left out."""


@dataclass
class Settings:
    """What a whole run has in common."""

    programs: Path  # where imd and imd-bench are
    profile: str  # cargo's, of those
    anchors: Path | None  # where what anchors.sh built is, besides the system's programs
    without_anchors: bool
    data: Path  # on the disk that is measured
    pairs: int
    seconds: float  # of each load
    warmup_s: float
    quick: bool
    stored_max: int  # messages in the store
    server_core: int
    client_core: int
    commands: list[str] = field(default_factory=list)  # of the row that is being measured

    def scaled(self, count: int, least: int = 1) -> int:
        """A number of connections or members, small where only the way is tried."""
        return max(count // 50, least) if self.quick else count

    def lasting(self, turns: float) -> float:
        """So many times as long as a load lasts, in seconds."""
        return self.seconds if self.quick else turns * self.seconds

    def holdable(self, connections: int) -> int:
        """So many connections as the limit of open files lets both sides hold."""
        return min(connections, open_files() - 200)


def open_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def allow_open_files(count: int) -> None:
    """Raises the limit for this process and those that it starts, as far as it is allowed to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(count, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return
        except (ValueError, OSError):
            continue


def cores() -> tuple[int, int]:
    """Two cores, the server's and the client's; the same twice if this process may use only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def machine() -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")), "unknown processor")
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{model}, {os.cpu_count()} cores, {memory_kib / 2**20:.0f} GiB, Linux {os.uname().release}"


class Server:
    """A server's process, pinned to the server's core."""

    def __init__(self, settings: Settings, command: list[str], name: str, port: int | None = None):
        if port is not None and is_taken(port):
            raise Absent(f"port {port}, which {name} needs, is taken")
        pinned = ["taskset", "-c", str(settings.server_core), *command]
        self.name = name
        self.command = pinned
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(pinned, stdout=subprocess.PIPE if port is None else self.log, stderr=self.log, text=True)
        self.pid = self.process.pid
        self.url = f"http://127.0.0.1:{port}" if port else self._ready_line()
        if port is not None:
            self._await_port(port)

    def _ready_line(self) -> str:
        line = self.process.stdout.readline().strip()
        if "listening on " not in line:
            raise RuntimeError(f"{self.name} did not start: {line} {self._told()}")
        return line.split("listening on ")[1]

    def _await_port(self, port: int) -> None:
        end = time.monotonic() + START_S_MAX
        while not is_taken(port):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start: {self._told()}")
            time.sleep(0.02)

    def _told(self) -> str:
        self.log.seek(0)
        return self.log.read()[-2000:]

    @property
    def ws(self) -> str:
        return self.url.replace("http:", "ws:")

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def cpu_s(self) -> float:
        """Processor time that it has had."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> int:
        """Resident memory that is no file's."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))

    def await_files(self, count: int) -> None:
        """Waits until it has so many descriptors, such as those of connections."""
        end = time.monotonic() + LOAD_S_MAX
        while len(os.listdir(f"/proc/{self.pid}/fd")) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} never had {count} connections")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def directory(settings: Settings) -> Iterator[Path]:
    """A directory of its own on the disk that is measured."""
    settings.data.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=settings.data))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def imd(settings: Settings, *options: str, durability: str | None = None) -> Iterator[Server]:
    """imd: in memory, or with a new data directory if a durability is given."""
    with directory(settings) as data:
        store = ["--data", str(data), "--durability", durability] if durability else ["--memory"]
        server = start_imd(settings, *store, *options)
        try:
            yield server
        finally:
            server.stop()


def start_imd(settings: Settings, *options: str, listen: str = "127.0.0.1:0") -> Server:
    return Server(settings, [str(settings.programs / "imd"), "--listen", listen, *options], "imd")


@dataclass
class Sample:
    """What one load found."""

    value: float  # what is compared
    core_percent: float  # of the server's core
    report: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    @property
    def per_processor(self) -> float:
        """For each second of the server's processor: what it could do with a core that is never taken away."""
        return self.value * 100 / self.core_percent if self.core_percent >= 1 else float("nan")


class Load:
    """imd-bench at work, pinned to the client's core."""

    def __init__(self, settings: Settings, scenario: str, url: str, *options: str, server: Server | None = None):
        self.settings = settings
        self.json = Path(tempfile.mktemp(suffix=".json", dir=tempfile.gettempdir()))
        program = [str(settings.programs / "imd-bench"), scenario, "--url", url, *options]
        if server is not None:
            program += ["--pid", str(server.pid)]
        self.shown = shown(scenario, options)
        if self.shown not in settings.commands:
            settings.commands.append(self.shown)
        pinned = ["taskset", "-c", str(settings.client_core), *program, "--json", str(self.json)]
        self.process = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def await_line(self, text: str) -> None:
        """Waits until it says something on standard error."""
        for line in self.process.stderr:
            if text in line:
                return
        raise RuntimeError(f"imd-bench ended without saying {text!r}")

    def give_up(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.json.unlink(missing_ok=True)

    def finish(self) -> dict[str, Any]:
        """Its report; `failure` says what was lost or refused, if anything was."""
        try:
            out, error = self.process.communicate(timeout=LOAD_S_MAX)
        except subprocess.TimeoutExpired:
            self.give_up()
            raise RuntimeError(f"{self.shown} did not end") from None
        try:
            report = json.loads(self.json.read_text())
        except FileNotFoundError:
            raise RuntimeError(f"{self.shown} failed: {error or out}") from None
        finally:
            self.json.unlink(missing_ok=True)
        report["failure"] = "" if self.process.returncode == 0 else what_failed(report, self.settings.quick)
        return report


def load(settings: Settings, scenario: str, url: str, *options: str, server: Server | None = None) -> dict[str, Any]:
    return Load(settings, scenario, url, *options, server=server).finish()


def shown(scenario: str, options: tuple[str, ...]) -> str:
    """A command as somebody would type it, without what is the same in all of them."""
    kept = []
    skip = False
    for option in options:
        if skip:
            skip = False
        elif option in ("--duration", "--warmup", "--run"):
            skip = True
        else:
            kept.append(option)
    return shlex.join(["imd-bench", scenario, *kept])


def what_failed(report: dict[str, Any], bears_busy: bool) -> str:
    broken = {kind: count for kind, count in report["errors"].items() if not (bears_busy and kind.startswith(BUSY_ANSWERS))}
    for kind in ("lost", "duplicated", "reordered", "foreign", "unanswered"):
        count = (report["delivery"] or {}).get(kind, 0)
        if count:
            broken[kind] = count
    return ", ".join(f"{count} {kind}" for kind, count in broken.items())


def paced(settings: Settings, seconds: float | None = None, warmup_s: float | None = None) -> list[str]:
    """How long a load lasts."""
    seconds = settings.seconds if seconds is None else seconds
    warmup_s = settings.warmup_s if warmup_s is None else warmup_s
    return ["--warmup", f"{int(warmup_s * 1000)}ms", "--duration", f"{int(seconds * 1000)}ms"]


def throughput(report: dict[str, Any]) -> Sample:
    """The least of what was done a second: what is acknowledged and not delivered is not done."""
    value = min(one["per_second"] for one in report["throughput"])
    return Sample(value, core_percent(report), report, report["failure"])


def core_percent(report: dict[str, Any]) -> float:
    return next((one["cpu_percent"] for one in report["processes"] if one["role"] == "server"), float("nan"))


def latency_ms(report: dict[str, Any], name: str, *quantiles: float) -> list[float]:
    """Quantiles of a latency; 0.5, 0.9, 0.99, 0.999 and 0.9999 are known."""
    one = next(one for one in report["latency"] if one["name"] == name)
    known = {q: us / 1000 for q, us in one["quantiles"]}
    return [known[q] for q in quantiles]


def interleaved(pairs: int, *sides: Callable[[], Sample]) -> list[list[Sample]]:
    """Each side so many times, taking turns; who begins alternates."""
    found: list[list[Sample]] = [[] for _ in sides]
    for turn in range(pairs):
        order = list(enumerate(sides))
        for index, side in order if turn % 2 == 0 else reversed(order):
            found[index].append(side())
    return found


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")
