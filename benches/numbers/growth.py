#!/usr/bin/env python3
"""Measures how cost grows: with connections, messages stored, members of a group, and the length of a history.

Writes each series as JSON and draws it as SVG. The server runs on one core and the client on another. See benches/README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import harness
from harness import ROOT, Server, Settings, imd, latency_ms, load, median, paced, throughput
from rows import chat, meeting_s, store_bench
from run import OPEN_FILES, add_common, settings

CONNECTIONS = [100, 1_000, 10_000, 15_000, 100_000]
STORED = [10_000, 100_000, 1_000_000, 10_000_000]
MEMBERS = [2, 10, 50, 200, 500, 2_000]
STEPS = (1, 2, 5)
RATE = 20_000
DELIVERY_RATE = 100_000
GROUP_RATE = 2_000
PAGE_RATE = 2_000
PAGE_ROWS = 10

Series = dict[str, Any]
# Points that could not be measured, and why.
left_out: list[str] = []


@contextmanager
def point(what: str) -> Iterator[None]:
    """A point of a series; the others stand without it."""
    try:
        yield
    except RuntimeError as error:
        left_out.append(f"{what}: {error}")
        print(f"left out: {left_out[-1]}", file=sys.stderr)


def line(label: str, axis: str, points: list[tuple[float, float]]) -> dict[str, Any]:
    return {"label": label, "axis": axis, "points": points}


def picture(title: str, how: str, x: str, left: str, right: str, lines: list[dict[str, Any]]) -> Series:
    return {"title": title, "subtitle": f"{harness.machine()}. {how}", "x": x, "left": left, "right": right, "lines": lines}


def whole(report: dict[str, Any]) -> dict[str, Any]:
    """A report of a load in which nothing failed."""
    if report["failure"]:
        raise RuntimeError(f"{report['scenario']}: {report['failure']}")
    return report


def counts(given: Settings, wanted: list[int]) -> list[int]:
    """Those of a quantity that are tried."""
    return sorted({given.scaled(count, 2) for count in (wanted[::3] if given.quick else wanted)})


def connections(given: Settings) -> list[int]:
    """Those that fit."""
    return sorted({given.holdable(count) for count in counts(given, CONNECTIONS)})


def echoes(given: Settings) -> dict[str, Series]:
    """All connections active: how much passes, and how long it takes when a rate is given."""
    rate = given.scaled(RATE)
    most, p99 = [], []
    for count in connections(given):
        with point(f"echo over {count:,} connections"), imd(given, "--diagnostics") as server:

            def run(*options: str) -> dict[str, Any]:
                # Long enough for each connection to have a few turns.
                seconds = max(given.seconds, count / 20_000)
                return whole(load(given, "echo", f"{server.ws}/echo", "-c", str(count), *options, *paced(given, seconds), server=server))

            most.append((count, throughput(run()).value))
            p99.append((count, latency_ms(run("--rate", str(rate)), "round trip", 0.99)[0]))
    lines = [line("echoes, one outstanding each", "left", most), line(f"p99 at {rate:,} a second", "right", p99)]
    how = "WebSocket echo of 150 B over all connections."
    return {"connections-echo": picture("Echo by connections", how, "connections", "echoes a second", "p99, ms", lines)}


def chats(given: Settings) -> dict[str, Series]:
    """The same durable load through more and more connections."""
    rate = given.scaled(RATE)
    acknowledged, delivered, memory = [], [], []
    for count in connections(given):
        with point(f"chat over {count:,} connections"), imd(given, durability="full") as server:
            warmup_s = meeting_s(given, count // 2, rate)
            report = whole(chat(given, server, count // 2, "--rate", str(rate), seconds=given.lasting(3), warmup_s=warmup_s))
            memory.append((count, server_mib(report)))
            acknowledged.append((count, latency_ms(report, "acknowledged", 0.99)[0]))
            delivered.append((count, latency_ms(report, "delivered", 0.99)[0]))
    lines = [
        line("p99 until acknowledged", "left", acknowledged),
        line("p99 until delivered", "left", delivered),
        line("memory of the server", "right", memory),
    ]
    how = f"Durable 1:1 chat, {rate:,} messages/s spread over all connections."
    return {"connections-chat": picture("Chat by logged-in connections", how, "connections", "p99, ms", "memory of the server, MiB", lines)}


def server_mib(report: dict[str, Any]) -> float:
    process = next(process for process in report["processes"] if process["role"] == "server")
    return process["anonymous_kib"][2] / 1024


def stored(given: Settings) -> dict[str, Series]:
    """The store alone, as messages come to lie in it."""
    reports = [store_bench(given, count, "acks") for count in sorted({min(count, given.stored_max) for count in STORED})]
    largest = {one["name"]: marked(one["slices"]) for one in reports[-1]["variants"]}
    conversations = f"{reports[-1]['conversations']:,} conversations at random, recipients acknowledge, 16 MiB cache."
    commits = [
        line("messages stored", "left", [(at, rows) for at, rows, _ in largest["acks"]]),
        line("bare log without an index", "left", [(at, rows) for at, rows, _ in largest["bare"]]),
        line("p99 of a commit of 64", "right", [(at, p99) for at, _, p99 in largest["acks"]]),
        line("p99 of the bare log's", "right", [(at, p99) for at, _, p99 in largest["bare"]]),
    ]

    def over(value: Callable[[dict[str, Any]], float]) -> list[tuple[float, float]]:
        stores = ((report["messages"], next(one for one in report["variants"] if one["name"] == "acks")) for report in reports)
        return [(messages, value(store)) for messages, store in stores]

    starts = [
        line("start after a stop", "left", over(lambda store: store["start_after_stop_ms"])),
        line("start after a kill", "left", over(lambda store: store["start_after_kill_ms"])),
        line("memory of the store", "right", over(lambda store: store["resident_mib"])),
    ]
    pages = [
        line("page of 10 from anywhere, p99", "left", over(lambda store: store["pages_of_10"]["p99_ms"])),
        line("page of 100 from anywhere, p99", "left", over(lambda store: store["pages_of_100"]["p99_ms"])),
        line("messages in the page of 100", "right", over(lambda store: store["pages_of_100"]["rows"])),
    ]
    x = "messages stored"
    return {
        "stored-commits": picture("Commits by messages stored", conversations, x, "messages a second", "p99, ms", commits),
        "stored-start": picture("Start and memory by messages stored", conversations, x, "start, ms", "memory, MiB", starts),
        "stored-pages": picture("Pages of history by messages stored", conversations, x, "p99, ms", "messages in a page", pages),
    }


def marked(slices: list[dict[str, float]]) -> list[tuple[float, float, float]]:
    """Slices gathered up to each 1, 2 and 5 times a power of ten: messages, messages a second, and the median p99 in milliseconds."""
    gathered = []
    part: list[dict[str, float]] = []
    before = part_begin = 0
    marks = iter(sorted(step * 10**power for power in range(2, 10) for step in STEPS))
    mark = next(marks)
    for one in slices:
        part.append({**one, "took_s": (one["stored"] - before) / one["rows_per_s"]})
        before = one["stored"]
        while mark < one["stored"]:
            mark = next(marks)
        if one["stored"] == mark or one is slices[-1]:
            rows_per_s = (one["stored"] - part_begin) / sum(each["took_s"] for each in part)
            gathered.append((one["stored"], rows_per_s, median([each["p99_ms"] for each in part])))
            part, part_begin = [], one["stored"]
    return gathered


def groups(given: Settings) -> dict[str, Series]:
    """One group with more and more members, all of them there."""
    most, p99 = [], []
    delivery_rate = given.scaled(DELIVERY_RATE)
    for members in counts(given, MEMBERS):
        with point(f"a group of {members:,}"), imd(given, durability="full") as server:
            shape = ["--members", str(members), "--publishers", str(min(members, 50))]

            def run(*options: str) -> dict[str, Any]:
                return whole(load(given, "group", server.ws, *shape, *options, *paced(given), server=server))

            delivered = next(one for one in run("--outstanding", "16")["throughput"] if one["name"] == "delivered")
            most.append((members, delivered["per_second"]))
            rate = max(min(delivery_rate // members, GROUP_RATE), 1)
            p99.append((members, latency_ms(run("--rate", str(rate)), "delivered", 0.99)[0]))
    lines = [line("deliveries", "left", most), line(f"p99 until delivered, at no more than {delivery_rate:,} deliveries/s", "right", p99)]
    how = "Durable messages of up to 50 publishers to all members of one jim group."
    return {"group-members": picture("A group by members", how, "members", "deliveries a second", "p99, ms", lines)}


def histories(given: Settings) -> dict[str, Series]:
    """Pages of one long conversation, further and further back."""
    with imd(given, durability="process") as server:
        fill = ["--call", "sendMsg", "--run", "long", "-c", "1", "--peers", "1", "--pipeline", "32", *paced(given, given.lasting(5))]
        length = int(whole(load(given, "http", server.url, *fill, server=server))["throughput"][0]["completed"])
        buyer = f"{server.url}/soa-im/buyer"
        token = fetch(f"{buyer}/registerAndLogin?buyer_name=long-0")["data"]["token"]
        asked = f"/soa-im/buyer/getHistoryMsg?buyer_name=long-0&token={token}&shopname=long-shop-0&page_size={PAGE_ROWS}&page_no="
        most, p99 = [], []
        depth = PAGE_ROWS
        while depth <= length:
            path = f"{asked}{depth // PAGE_ROWS}"
            found = len(fetch(f"{server.url}{path}")["data"]["detailList"])
            if found != PAGE_ROWS:
                raise RuntimeError(f"{found} messages in a page at {depth} of {length}")
            with point(f"pages {depth:,} messages back"):
                most.append((depth, throughput(page_load(given, server, path)).value))
                rated = page_load(given, server, path, "--rate", str(given.scaled(PAGE_RATE)))
                p99.append((depth, latency_ms(rated, "response", 0.99)[0]))
            depth *= 10
    lines = [line("pages of 10", "left", most), line(f"p99 at {given.scaled(PAGE_RATE):,} pages/s", "right", p99)]
    how = f"getHistoryMsg in a conversation of {length:,} messages."
    return {"history-depth": picture("A page by how far back it lies", how, "messages back", "pages a second", "p99, ms", lines)}


def page_load(given: Settings, server: Server, path: str, *options: str) -> dict[str, Any]:
    return whole(load(given, "http", server.url, "--call", path, "-c", "20", *options, *paced(given, given.seconds / 2), server=server))


def fetch(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


MEASURED: dict[str, Callable[[Settings], dict[str, Series]]] = {
    "echo": echoes,
    "chat": chats,
    "stored": stored,
    "group": groups,
    "history": histories,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAMES", type=lambda text: text.split(","), help=f"some of {', '.join(MEASURED)}")
    parser.add_argument("--out", metavar="DIR", type=Path, default=ROOT / "benches/plots", help="where series and pictures go [benches/plots]")
    add_common(parser)
    args = parser.parse_args()
    unknown = set(args.only or []) - set(MEASURED)
    if unknown:
        sys.exit(f"no such measurement: {', '.join(sorted(unknown))}")
    given = settings(args)
    if harness.open_files() < OPEN_FILES:
        print(f"the limit of open files holds {given.holdable(OPEN_FILES):,} connections at most", file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for name, measure in MEASURED.items():
        if args.only and name not in args.only:
            continue
        begun_s = time.monotonic()
        try:
            for file, series in measure(given).items():
                path = args.out / f"{file}.json"
                path.write_text(json.dumps(series, indent=1) + "\n")
                draw = [str(given.programs / "imd-bench"), "growth", str(path), "--plot", str(path.with_suffix(".svg"))]
                subprocess.run(draw, check=True)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
        print(f"{name}: {time.monotonic() - begun_s:.0f} s", file=sys.stderr)
    return 1 if failed or left_out else 0


if __name__ == "__main__":
    sys.exit(main())
