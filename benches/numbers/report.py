"""What was found, as a table for people and as JSON for programs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from harness import BUSY_PERCENT, Sample, median

HEAD = ["#", "what", "imd", "anchor", "ratio", "for each second of the server's processor", "goal", "met", "server's core", "command"]


@dataclass
class Row:
    """A number, or a part of one."""

    number: str
    what: str
    imd: str
    goal: str
    met: bool | None = None  # None: it cannot be said
    anchor: str = ""
    ratio: str = ""
    by_processor: str = ""
    core: str = ""
    commands: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def cells(self) -> list[str]:
        met = {True: "yes", False: "**no**", None: "–"}[self.met]
        commands = "; ".join(f"`{command}`" for command in self.commands)
        return [self.number, self.what, self.imd, self.anchor, self.ratio, self.by_processor, self.goal, met, self.core, commands]


def table(rows: list[Row]) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    told: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            told.setdefault(note, []).append(f"{row.number} ({row.what})")
    # What is said of many is said once, with their numbers alone.
    notes = [f"- {of[0] if len(of) == 1 else ', '.join(dict.fromkeys(one.split(' ')[0] for one in of))}: {note}" for note, of in told.items()]
    legend = "Where a server's core was busy for less than 95 %, throughput is the client's number: the ratio for each second of the server's processor decides."
    return "\n\n".join([text, legend, *(["\n".join(notes)] if notes else [])])


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def compared(
    number: str,
    what: str,
    ours: list[Sample],
    theirs: list[Sample],
    anchor: str,
    goal: float,
    *,
    unit: str = "/s",
    disk: bool = False,
) -> Row:
    """A row about throughput, more of which is better. Where a server's core was not busy, the ratio tells about the client: then the
    work done for each second of the server's processor decides, unless the disk is what both wait for."""
    row = Row(number, what, amount(median([sample.value for sample in ours]), unit), f"≥ {goal:g}×")
    row.core = core(ours)
    row.data = {"imd": samples(ours), anchor: samples(theirs)}
    note_failures(row, ours)
    if not theirs:
        return row
    ratio = ratio_of(ours, theirs, lambda sample: sample.value)
    by_processor = ratio_of(ours, theirs, lambda sample: sample.per_processor)
    row.anchor = f"{anchor} {amount(median([sample.value for sample in theirs]), unit)}"
    row.ratio, row.by_processor = f"{ratio:.2f}×", f"{by_processor:.2f}×"
    row.core += f" / {core(theirs)}"
    busy = all(median([sample.core_percent for sample in side]) >= BUSY_PERCENT for side in (ours, theirs))
    row.data |= {"ratio": ratio, "by_processor": by_processor, "server_busy": busy}
    if busy or disk:
        row.met = ratio >= goal
    else:
        row.met = by_processor >= goal
        row.core += ": the client's number"
    return row


def ratio_of(ours: list[Sample], theirs: list[Sample], value) -> float:
    """The ratio of the medians."""
    return median([value(sample) for sample in ours]) / median([value(sample) for sample in theirs])


def note_failures(row: Row, found: list[Sample]) -> None:
    failures = sorted({sample.failure for sample in found if sample.failure})
    if failures:
        row.met = False
        row.notes.append(f"FAILED: {'; '.join(failures)}")


def samples(found: list[Sample]) -> list[dict[str, Any]]:
    return [{"value": one.value, "core_percent": one.core_percent, "failure": one.failure, "report": slim(one.report)} for one in found]


def slim(report: dict[str, Any]) -> dict[str, Any]:
    """A report without its curves."""
    kept = {key: value for key, value in report.items() if key not in ("throughput", "latency")}
    for part, dropped in (("throughput", "series"), ("latency", "curve")):
        kept[part] = [{key: value for key, value in one.items() if key != dropped} for one in report.get(part, [])]
    return kept if report else {}


def core(found: list[Sample]) -> str:
    percent = median([sample.core_percent for sample in found])
    return "" if math.isnan(percent) else f"{percent:.0f} %"


def amount(value: float, unit: str = "") -> str:
    """A number with as many digits as mean something."""
    digits = 0 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}{unit}"


def ms(*values: float) -> str:
    return " / ".join(f"{value:.2f}" if value < 10 else f"{value:.1f}" for value in values) + " ms"
