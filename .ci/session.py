#!/usr/bin/env python3
"""Types the sessions of the README that are marked as such against a running server and holds its answers to those in the README.

usage: .ci/session.py URL [--rewrite]

URL is where the server listens and stands in for the one in the README; the server has no accounts yet. Tokens, times, ids
and names of files differ from run to run: they are compared by their form, and where the README uses one again, the one that
the server gave is used. With --rewrite the README gets the answers of this run instead.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
README_URL = "http://127.0.0.1:8080"
SESSION = re.compile(r"(?<=<!-- session -->\n```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
VARYING = re.compile(
    r"\b\d{17}[0-9a-z]{13}\b"  # an upload's name
    r"|\b[0-9a-z]{25}\b"  # a token
    r"|\bc[0-9a-f]{16}\b"  # a conversation's id
    r"|\b\d{13,16}\b"  # a message's id, or a time in milliseconds
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
)
COMMAND_SECONDS_MAX = 30


def steps(session: str):
    """Each command and what the README says that it prints."""
    for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = step.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        yield "\n".join(lines[:end]), "\n".join(lines[end:])


def type_in(session: str, url: str, given: dict, rewrite: bool):
    """Types a session and returns it with the answers of this run. What differs between the runs is kept in `given`."""
    assignments = []
    with tempfile.TemporaryDirectory() as work_dir:
        for command, expected in steps(session):
            for ours, theirs in given.items():
                command = command.replace(ours, theirs)
            typed = "\n".join([*assignments, command]).replace(README_URL, url)
            if re.match(r"\w+=", command):
                assignments.append(command)
            run = subprocess.run(
                ["bash", "-euc", typed],
                cwd=work_dir,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS_MAX,
            )
            actual = run.stdout.replace("\r", "").replace(url, README_URL).rstrip("\n")
            if run.returncode != 0:
                sys.exit(f"$ {command}\nexit code {run.returncode}\n{run.stderr}")
            if VARYING.sub("*", actual) != VARYING.sub("*", expected) and not rewrite:
                sys.exit(f"$ {command}\nREADME: {expected}\nserver: {actual}")
            given.update(zip(VARYING.findall(expected), VARYING.findall(actual)))
            yield f"$ {command}\n{actual}".rstrip() + "\n"


def main() -> int:
    url, *options = sys.argv[1:]
    rewrite = "--rewrite" in options
    readme = README.read_text()
    given = {}
    commands = 0

    def retype(session: re.Match) -> str:
        nonlocal commands
        transcript = list(type_in(session[0], url, given, rewrite))
        commands += len(transcript)
        return "".join(transcript)

    rewritten, sessions = SESSION.subn(retype, readme)
    if sessions == 0:
        sys.exit("README.md has no session")
    if rewrite:
        README.write_text(rewritten)
    print(f"{commands} commands in {sessions} sessions of the README print what it says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
