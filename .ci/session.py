#!/usr/bin/env python3
"""Types the session of the README against a running server and holds its answers to those in the README.

usage: .ci/session.py URL [--rewrite]

URL is where the server listens and stands in for the one in the README; the server has no accounts yet. Tokens, times and
names of files differ from run to run: they are compared by their form, and where the README uses one again, the one that
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
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
)
COMMAND_SECONDS_MAX = 30


def steps(session: str):
    """Each command and what the README says that it prints."""
    for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = step.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        yield "\n".join(lines[:end]), "\n".join(lines[end:])


def main() -> int:
    url, *options = sys.argv[1:]
    readme = README.read_text()
    session = SESSION.search(readme)
    if session is None:
        sys.exit("README.md has no session")
    given = {}
    assignments = []
    transcript = []
    with tempfile.TemporaryDirectory() as work_dir:
        for command, expected in steps(session[0]):
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
            if VARYING.sub("*", actual) != VARYING.sub("*", expected):
                if "--rewrite" not in options:
                    sys.exit(f"$ {command}\nREADME: {expected}\nserver: {actual}")
            given.update(zip(VARYING.findall(expected), VARYING.findall(actual)))
            transcript.append(f"$ {command}\n{actual}".rstrip() + "\n")
    if "--rewrite" in options:
        README.write_text(readme[: session.start()] + "".join(transcript) + readme[session.end() :])
    print(f"{len(transcript)} commands of the README print what it says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
