#!/usr/bin/env python3
"""Measures the numbers S1 to S13 and prints a table.

The server runs on one core and the client on another, imd and what it is compared with in turns, and medians are compared. What
is absent is left out, and that is said. See benches/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import harness
from harness import ROOT, Settings
from report import Row, as_json, table
from rows import ROWS, s13

# Both sides of 100,000 connections are processes of their own.
OPEN_FILES = 101_000


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="S1,S4", type=lambda text: text.upper().split(","), help="only these numbers")
    parser.add_argument("--anchors", metavar="DIR", type=Path, help="what anchors.sh built")
    parser.add_argument("--no-anchors", action="store_true", help="measures imd alone")
    parser.add_argument("--pairs", metavar="N", type=int, default=5, help="how many times each side has its turn [5]")
    parser.add_argument("--hold", metavar="S", type=float, help="how long S13 holds its connections [15 turns]; its goal asks for 600")
    parser.add_argument("--json", metavar="FILE", type=Path, help="writes everything that was measured")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="writes the table, too")
    add_common(parser)
    return parser.parse_args(arguments)


def add_common(parser: argparse.ArgumentParser) -> None:
    """What the measurements of growth understand, too."""
    server, client = harness.cores()
    parser.add_argument("--quick", action="store_true", help="a moment of everything, at a small scale: shows that it works and measures nothing")
    parser.add_argument("--data", metavar="DIR", type=Path, help="where data directories are made, on the disk to be measured [below target]")
    parser.add_argument("--seconds", metavar="S", type=float, default=2.0, help="how long each load counts [2]")
    parser.add_argument("--stored", metavar="N", type=int, default=10_000_000, help="most messages in the store [10000000]")
    parser.add_argument("--profile", default="release", help="cargo's, for the programs [release]")
    parser.add_argument("--server-core", metavar="N", type=int, default=server, help=f"[{server}]")
    parser.add_argument("--client-core", metavar="N", type=int, default=client, help=f"[{client}]")


def build(profile: str) -> Path:
    """Builds the programs and tells where they are."""
    subprocess.run(["cargo", "build", "--quiet", "--profile", profile, "--package", "imd", "--package", "imd-bench", "--bins"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / ("debug" if profile == "dev" else profile)


def settings(args: argparse.Namespace) -> Settings:
    harness.allow_open_files(OPEN_FILES)
    programs = build(args.profile)
    return Settings(
        programs=programs.resolve(),
        profile=args.profile,
        anchors=getattr(args, "anchors", None) and args.anchors.resolve(),
        data=(args.data or programs.parent / "numbers").resolve(),
        without_anchors=getattr(args, "no_anchors", True),
        pairs=1 if args.quick else getattr(args, "pairs", 1),
        seconds=0.3 if args.quick else args.seconds,
        warmup_s=0.1 if args.quick else 0.5,
        quick=args.quick,
        stored_max=min(args.stored, 20_000) if args.quick else args.stored,
        server_core=args.server_core,
        client_core=args.client_core,
    )


def main() -> int:
    args = options()
    unknown = set(args.only or []) - set(ROWS)
    if unknown:
        sys.exit(f"no such number: {', '.join(sorted(unknown))}")
    given = settings(args)
    load_before = os.getloadavg()[0]
    rows: list[Row] = []
    failed = False
    for number, measure in ROWS.items():
        if args.only and number not in args.only:
            continue
        begun_s = time.monotonic()
        try:
            rows += s13(given, args.hold) if number == "S13" else measure(given)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            failed = True
            rows.append(Row(number, "could not be measured", "", "", None, notes=[str(error)]))
        print(f"{number}: {time.monotonic() - begun_s:.0f} s", file=sys.stderr)
    text = heading(given, load_before) + "\n\n" + table(rows)
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n")
    if args.json:
        whole = {"machine": harness.machine(), "settings": asdict(given), "load_before": load_before, "rows": as_json(rows)}
        args.json.write_text(json.dumps(whole, indent=1, default=str))
    failed |= any(note.startswith("FAILED") for row in rows for note in row.notes)
    return 1 if failed else 0


def heading(given: Settings, load_before: float) -> str:
    lines = [f"{harness.machine()}; server on core {given.server_core}, client on core {given.client_core}; medians of {given.pairs}."]
    if given.quick:
        lines.append("A quick run: the figures mean nothing.")
    if load_before > 0.5:
        lines.append(f"Others were at work on this machine: its load was {load_before:.1f} before the first number.")
    if given.server_core == given.client_core:
        lines.append("Both on the same core: what is measured is the sum.")
    return " ".join(lines)


if __name__ == "__main__":
    sys.exit(main())
