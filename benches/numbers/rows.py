"""The numbers S1 to S13: what is started for each, what loads it, and what it should reach."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import Callable

import anchors
from harness import (
    ROOT,
    Absent,
    Load,
    Sample,
    Server,
    Settings,
    core_percent,
    directory,
    imd,
    interleaved,
    latency_ms,
    load,
    median,
    open_files,
    paced,
    start_imd,
    throughput,
    what_failed,
)
from report import Row, amount, compared, core, ms, note_failures, samples

STORM_PATIENCE = ["--patience", "120s"]
SENDERS = 50
# Messages on their way while conversations begin.
BEGINNING = 800
HISTORY_BUYERS = 50
HISTORY_SHOPS = 20


def beside(settings: Settings, pairs: int, ours: Callable[[], Sample], anchor, theirs: Callable[[Server], Sample], row: Callable) -> Row:
    """Our side and the anchor's in turns; our side alone, and said so, where the anchor is absent."""
    settings.commands.clear()
    try:
        with anchor(settings) as server:
            mine, other = interleaved(pairs, ours, partial(theirs, server))
            made = row(mine, other)
    except Absent as absent:
        (mine,) = interleaved(pairs, ours)
        made = row(mine, [])
        made.notes.append(f"without its anchor: {absent}")
    made.commands = list(settings.commands)
    return made


def echoes(settings: Settings, number: str, connections: int, outstanding: int, goal: float) -> Row:
    """WebSocket echo against uWebSockets' EchoServer."""
    connections = settings.holdable(settings.scaled(connections))
    options = ["-c", str(connections), "--size", "150", "--outstanding", str(outstanding), *paced(settings)]

    def run(server: Server, path: str) -> Sample:
        return throughput(load(settings, "echo", f"{server.ws}{path}", *options, server=server))

    what = f"echo of 150 B, {connections:,} connections, {outstanding} outstanding"
    with imd(settings, "--diagnostics") as server:
        return beside(
            settings,
            settings.pairs,
            lambda: run(server, "/echo"),
            anchors.echo_server,
            lambda anchor: run(anchor, "/"),
            lambda ours, theirs: compared(number, what, ours, theirs, "uWebSockets EchoServer", goal),
        )


def s1(settings: Settings) -> list[Row]:
    return [echoes(settings, "S1", connections, 1, 1.0) for connections in (50, 500)]


def s2(settings: Settings) -> list[Row]:
    return [echoes(settings, "S2", connections, 16, 1.1) for connections in (50, 500)]


def s9(settings: Settings) -> list[Row]:
    return [echoes(settings, "S9", 10_000, 1, 1.0)]


def s3(settings: Settings) -> list[Row]:
    """A polling call with its token check, against a static answer."""

    def calls(server: Server, call: str, connections: int, pipeline: int) -> Sample:
        options = ["--call", call, "-c", str(connections), "--pipeline", str(pipeline), *paced(settings)]
        return throughput(load(settings, "http", server.url, *options, server=server))

    rows = []
    for connections, pipeline, goal in ((50, 1, 1.0), (500, 1, 1.0), (50, 16, 0.8)):
        connections = settings.scaled(connections, least=5)
        what = f"getUnreadMsgCount, {connections} connections, {pipeline} pipelined"
        with imd(settings) as server:
            row = beside(
                settings,
                settings.pairs,
                lambda: calls(server, "getUnreadMsgCount", connections, pipeline),
                anchors.hello_server,
                lambda anchor: calls(anchor, "/", connections, pipeline),
                lambda ours, theirs: compared("S3", what, ours, theirs, "uWebSockets HelloWorld", goal),
            )
        rows.append(row)
    return rows


def chat(settings: Settings, server: Server, pairs: int, *options: str, seconds: float | None = None, warmup_s: float | None = None) -> dict:
    """Pairs of chat, whose recipients acknowledge."""
    pace = paced(settings, seconds, warmup_s)
    return load(settings, "chat", server.ws, "--dialect", "chat", "--pairs", str(pairs), *options, *pace, server=server)


def talked_about(settings: Settings, server: Server, pairs: int, conversations: int) -> list[str]:
    """Has so many conversations begin, nearly all of them, and says how to go on in them: what counts is that they are there."""
    options = ["--conversations", str(conversations), "--run", "talks"]
    outstanding = str(max(BEGINNING // pairs, 1))
    begun = chat(settings, server, pairs, *options, "--outstanding", outstanding, seconds=settings.lasting(5))
    failure = what_failed(begun, bears_busy=True)
    if failure:
        raise RuntimeError(f"beginning the conversations: {failure}")
    settings.commands.clear()
    return options


def durable(settings: Settings, number: str, what: str, goal: float, pipeline: int, *options: str, conversations: int = 0) -> Row:
    """Stored, synced and delivered messages against Redis, which stores and syncs."""
    settings.commands.clear()
    with imd(settings, durability="full") as server:
        talks = talked_about(settings, server, SENDERS, conversations) if conversations else []

        def ours() -> Sample:
            return throughput(chat(settings, server, SENDERS, *talks, *options))

        try:
            mine, other = interleaved(settings.pairs, ours, lambda: anchors.redis(settings, pipeline))
            note = []
        except Absent as absent:
            (mine,), other = interleaved(settings.pairs, ours), []
            note = [f"without its anchor: {absent}"]
        row = compared(number, what, mine, other, f"Redis XADD, P {pipeline}, no delivery:", goal, disk=True)
        row.notes += note
        row.commands = list(settings.commands)
        return row


def s4(settings: Settings) -> list[Row]:
    many = settings.scaled(100_000)
    return [
        durable(settings, "S4", "durable 1:1 chat, 50 senders, 1 outstanding", 1.0, 1),
        durable(settings, "S4", f"… in {many:,} conversations at random", 0.8, 1, conversations=many),
    ]


def s5(settings: Settings) -> list[Row]:
    row = durable(settings, "S5", "durable 1:1 chat, 50 senders, 16 outstanding", 0.0, 16, "--outstanding", "16")
    ours = [one["value"] for one in row.data["imd"]]
    row.goal, row.met = "120,000/s", not has_failed(row) and median(ours) >= 120_000
    return [row, against_nats(settings, ours), many_pairs(settings)]


def against_nats(settings: Settings, ours: list[float]) -> Row:
    row = Row("S5", "… against NATS JetStream, synced", amount(median(ours), "/s"), "≥ 25×")
    try:
        # It is hundreds of times slower than what it is compared with: not every pair needs it.
        found = [anchors.nats(settings, 16) for _ in range(min(settings.pairs, 2))]
    except Absent as absent:
        row.notes.append(f"without its anchor: {absent}")
        return row
    theirs = median([sample.value for sample in found])
    row.anchor, row.ratio, row.met = f"NATS {amount(theirs, '/s')}", f"{median(ours) / theirs:.1f}×", median(ours) >= 25 * theirs
    row.core = f" / {core(found)}"
    row.data = {"NATS": samples(found)}
    return row


def many_pairs(settings: Settings) -> Row:
    settings.commands.clear()
    pairs = settings.holdable(settings.scaled(20_000)) // 2
    with imd(settings, durability="full") as server:
        # They meet in the warm-up.
        (found,) = interleaved(settings.pairs, lambda: throughput(chat(settings, server, pairs, "--client-ids", warmup_s=settings.lasting(1))))
    row = compared("S5", f"{pairs:,} pairs with client ids, 1 outstanding", found, [], "", 0.0)
    row.goal, row.met = "60,000/s", not has_failed(row) and median([sample.value for sample in found]) >= 60_000
    row.commands = list(settings.commands)
    return row


def has_failed(row: Row) -> bool:
    return any(note.startswith("FAILED") for note in row.notes)


def s6(settings: Settings) -> list[Row]:
    """Latency of one pair beside the disk's and the kernel's."""
    syncs = [anchors.sync_ms(settings) for _ in range(settings.pairs)]
    sync_p50, sync_p99 = (median([sync[at] for sync in syncs]) for at in (0, 1))
    rows = []
    for durability, limit_ms in (("full", sync_p50 + 0.08), ("process", 0.14)):
        settings.commands.clear()
        with imd(settings, durability=durability) as server:
            found = [chat(settings, server, 1) for _ in range(settings.pairs)]
        medians = {name: quantiles(found, name, 0.5, 0.99) for name in ("acknowledged", "delivered")}
        row = Row("S6", f"one pair, `{durability}`, p50 / p99", "", f"p50 < {limit_ms:.2f} ms, p99 < 1 ms")
        row.imd = ", ".join(f"{name} {ms(*both)}" for name, both in medians.items())
        row.met = all(p50 < limit_ms and p99 < 1 for p50, p99 in medians.values())
        finish(row, settings, found)
        if durability == "full":
            row.anchor = f"fdatasync of 4 KiB {ms(sync_p50, sync_p99)}"
            row.data["fdatasync_ms"] = syncs
        rows.append(row)
    rows[1].anchor, rows[1].data["echo_ms"] = echo_round_trip(settings)
    return rows


def quantiles(found: list[dict], name: str, *wanted: float) -> list[float]:
    """The medians over runs of a latency's quantiles, in milliseconds."""
    return [median(list(one)) for one in zip(*(latency_ms(report, name, *wanted) for report in found))]


def finish(row: Row, settings: Settings, found: list[dict]) -> None:
    """What all rows about latency have in common."""
    as_samples = [Sample(throughput(report).value, core_percent(report), report, report["failure"]) for report in found]
    row.data["imd"] = samples(as_samples)
    row.core = core(as_samples)
    row.commands = list(settings.commands)
    note_failures(row, as_samples)


def echo_round_trip(settings: Settings) -> tuple[str, list]:
    try:
        with anchors.echo_server(settings) as server:
            found = [load(settings, "echo", f"{server.ws}/", "-c", "1", *paced(settings), server=server) for _ in range(settings.pairs)]
    except Absent as absent:
        return f"({absent})", []
    both = quantiles(found, "round trip", 0.5, 0.99)
    return f"uWebSockets echo {ms(*both)}", [latency_ms(report, "round trip", 0.5, 0.99) for report in found]


def with_history(settings: Settings, server: Server) -> list[str]:
    """Gives buyers something to read, and says how they are called."""
    users = ["--run", "history", "-c", str(HISTORY_BUYERS), "--peers", str(HISTORY_SHOPS)]
    filled = load(settings, "http", server.url, "--call", "sendMsg", *users, *paced(settings, min(settings.seconds, 2)), server=server)
    if filled["failure"]:
        raise RuntimeError(f"filling the histories: {filled['failure']}")
    return users


def meeting_s(settings: Settings, pairs: int, rate: int) -> float:
    """A warm-up in which each pair says something, so that no conversation begins while things count."""
    return settings.warmup_s if settings.quick else max(settings.warmup_s, 2 * pairs / rate)


def under_load(settings: Settings, server: Server, users: list[str], pairs: int, seconds: float, *options: str) -> tuple[dict, dict | None]:
    """20,000 messages a second through pairs of chat, and 2,000 pages of history a second beside them, if they can be read."""
    rate, pages = settings.scaled(20_000), settings.scaled(2_000)
    pace = paced(settings, seconds, meeting_s(settings, pairs, rate))
    shape = ["--dialect", "chat", "--pairs", str(pairs), "--rate", str(rate)]
    chats = Load(settings, "chat", server.ws, *shape, *options, *pace, server=server)
    try:
        # The messages begin when all of their connections are there, and the pages with them.
        server.await_files(2 * pairs)
        reads = ["--call", "getHistoryMsg", "--rate", str(pages), *users, *pace]
        try:
            others = load(settings, "http", server.url, *reads, server=server)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            others = None
    except BaseException:
        chats.give_up()
        raise
    return chats.finish(), others


def s7(settings: Settings) -> list[Row]:
    settings.commands.clear()
    pairs = settings.scaled(500, least=10)
    conversations = settings.scaled(100_000)
    with imd(settings, durability="full") as server:
        users = with_history(settings, server)
        options = talked_about(settings, server, pairs, conversations)
        seconds = settings.lasting(4)
        both = [under_load(settings, server, users, pairs, seconds, *options) for _ in range(settings.pairs)]
    chats, pages = zip(*both)
    row = Row("S7", f"{settings.scaled(20_000):,} durable messages/s, {2 * pairs:,} connections, p50 / p99 / p99.9", "", "0.8 / 5 / 20 ms")
    found = {name: quantiles(chats, name, 0.5, 0.99, 0.999) for name in ("acknowledged", "delivered")}
    row.imd = ", ".join(f"{name} {ms(*three)}" for name, three in found.items())
    row.met = all(value <= goal for three in found.values() for value, goal in zip(three, (0.8, 5, 20)))
    finish(row, settings, list(chats))
    note_pages(row, pages)
    return [row]


def note_pages(row: Row, found: tuple[dict | None, ...]) -> None:
    """What the pages of history beside a row's messages took."""
    read = [page for page in found if page is not None]
    if len(read) < len(found):
        row.met = False
        row.notes.append("FAILED: the server was too busy for pages of history beside it")
    if not read:
        return
    as_samples = [throughput(page) for page in read]
    three = quantiles(read, "response", 0.5, 0.99, 0.999)
    row.notes.append(f"pages of history beside it: {amount(median([sample.value for sample in as_samples]), '/s')}, {ms(*three)}")
    row.data["pages"] = samples(as_samples)
    note_failures(row, as_samples)


def s8(settings: Settings) -> list[Row]:
    """Memory that a connection takes; each in a server of its own."""
    connections = settings.holdable(settings.scaled(10_000, least=100))
    fact = "server KiB a connection, anonymous"
    hold = "300ms" if settings.quick else "2s"

    def held(server: Server, path: str, *options: str) -> dict:
        return load(settings, "idle", f"{server.ws}{path}", "-c", str(connections), "--hold", hold, *options, server=server)

    rows = []
    for path, options, goal in (("/echo", [], 0.25), ("", ["--login", "chat"], 0.6), ("", ["--login", "jim"], 0.6)):
        settings.commands.clear()
        with imd(settings, "--diagnostics") as server:
            report = held(server, path, *options)
        socket = {"/echo": "`/echo`", "chat": "`/ws`, logged in", "jim": "`/?token=`, logged in"}[options[1] if options else path]
        each = report["facts"][fact]
        row = Row("S8", f"memory of an idle connection on {socket}, {connections:,}", f"{each:.2f} KiB", f"{goal:g} KiB", each <= goal)
        row.data = {"imd": [report["facts"]]}
        row.commands = list(settings.commands)
        note_failures(row, [Sample(each, float("nan"), report, report["failure"])])
        rows.append(row)
    try:
        with anchors.echo_server(settings) as server:
            rows[0].anchor = f"uWebSockets {held(server, '/')['facts'][fact]:.2f} KiB"
    except Absent as absent:
        rows[0].notes.append(f"without its anchor: {absent}")
    return rows


def s10(settings: Settings) -> list[Row]:
    """Deliveries to a group, to members of both dialects and in turns with those of a server that stores nothing."""
    publishers = settings.scaled(50, least=5)

    def deliver(server: Server, members: int, dialect: str) -> Sample:
        options = ["--dialect", dialect, "--members", str(members), "--publishers", str(publishers), "--outstanding", "16"]
        report = load(settings, "group", server.ws, *options, *paced(settings), server=server)
        delivered = next(one["per_second"] for one in report["throughput"] if one["name"] == "delivered")
        return Sample(delivered, core_percent(report), report, report["failure"])

    rows = []
    for members in (500, 2_000):
        members = settings.scaled(members, least=20)
        settings.commands.clear()
        with imd(settings, durability="full") as server:
            ours = [partial(deliver, server, members, dialect) for dialect in ("jim", "chat")]
            try:
                with anchors.publish_server(settings) as anchor:
                    *found, theirs = interleaved(settings.pairs, *ours, partial(deliver, anchor, members, "jim"))
                notes = []
            except Absent as absent:
                found, theirs = interleaved(settings.pairs, *ours), []
                notes = [f"without its anchor: {absent}"]
        for dialect, goal, mine, command in zip(("jim", "chat"), (0.8, 0.4), found, sorted(settings.commands, reverse=True)):
            what = f"group of {members:,}, {publishers} publishers, {dialect}: deliveries"
            row = compared("S10", what, mine, theirs, "uWebSockets publish", goal)
            row.notes += notes
            row.commands = [command]
            rows.append(row)
    return rows


def s11(settings: Settings) -> list[Row]:
    return [*(warm_storm(settings, dialect) for dialect in ("chat", "jim")), *(cold_storm(settings, dialect) for dialect in ("chat", "jim"))]


def storm_size(settings: Settings) -> list[str]:
    return ["-c", str(settings.holdable(settings.scaled(10_000, least=100))), *STORM_PATIENCE]


def back_s(report: dict) -> list[float]:
    """How long each storm of a run took."""
    return [value for name, value in report["facts"].items() if name.startswith("storm ")] or [float("inf")]


def warm_storm(settings: Settings, dialect: str) -> Row:
    settings.commands.clear()
    options = [*storm_size(settings), "--rounds", str(settings.pairs)]
    with imd(settings, durability="full") as server:
        report = load(settings, "storm", server.ws, "--login", dialect, *options, server=server)
    row = storm_row(settings, f"{options[1]} clients reconnect and log in ({dialect})", [report], 1.5)
    if dialect == "chat":
        try:
            with anchors.echo_server(settings) as server:
                bare = load(settings, "storm", f"{server.ws}/", *options, server=server)
            row.anchor = f"uWebSockets, no login: {median(back_s(bare)):.2f} s"
        except Absent as absent:
            row.notes.append(f"without its anchor: {absent}")
    return row


def cold_storm(settings: Settings, dialect: str) -> Row:
    """The server is stopped and started on what it has stored, and everybody comes back."""
    settings.commands.clear()
    options = [*storm_size(settings), "--login", dialect, "--conversations", "10", "--restart"]
    reports = []
    for _ in range((settings.pairs + 1) // 2):
        with directory(settings) as data:
            store = ["--data", str(data)]
            server = start_imd(settings, *store)
            try:
                # Without the server's number: the process that it names does not outlive the restart.
                storm = Load(settings, "storm", server.ws, *options)
                storm.await_line("restart the server")
                listen = f"127.0.0.1:{server.port}"
                server.stop()
                server = start_imd(settings, *store, listen=listen)
                reports.append(storm.finish())
            finally:
                server.stop()
    return storm_row(settings, f"… just after a restart ({dialect}, 10 conversations each)", reports, 2.5)


def storm_row(settings: Settings, what: str, reports: list[dict], goal_s: float) -> Row:
    took_s = [each for report in reports for each in back_s(report)]
    row = Row("S11", what, f"{median(took_s):.2f} s", f"{goal_s:g} s", median(took_s) <= goal_s)
    row.data = {"imd": [report["facts"] for report in reports]}
    row.commands = list(settings.commands)
    note_failures(row, [Sample(0, float("nan"), report, report["failure"]) for report in reports])
    return row


def s12(settings: Settings) -> list[Row]:
    """The store as it grows, by its own benchmark."""
    report = store_bench(settings, settings.stored_max, "acks")
    store = next(one for one in report["variants"] if one["name"] == "acks")
    slices = store["slices"]
    tenth = max(len(slices) // 10, 1)
    # Against the bare log in the same minutes, so that the disk's mood does not count.
    bare = next(one for one in report["variants"] if one["name"] == "bare")["slices"]
    early, late = (median([ours["rows_per_s"] / theirs["rows_per_s"] for ours, theirs in part]) for part in ends(slices, bare, tenth))
    early_p99, late_p99 = (median([ours["p99_ms"] / theirs["p99_ms"] for ours, theirs in part]) for part in ends(slices, bare, tenth))
    stored = f"{report['messages']:,} messages, {report['conversations']:,} conversations"
    page_10, page_100 = (store[pages] for pages in ("pages_of_10", "pages_of_100"))
    longest = store["commit"]["worst_ms"]
    longest_bare = next(one for one in report["variants"] if one["name"] == "bare")["commit"]["worst_ms"]

    def row(what: str, imd: str, goal: str, met: bool) -> Row:
        return Row("S12", what, imd, goal, met)

    rows = [
        row(
            f"throughput, of the bare log, first and last tenth of {stored}; the last counts",
            f"{early:.2f}× → {late:.2f}×",
            "≥ 0.8×",
            late >= 0.8,
        ),
        row("p99 of a commit, of the bare log's, first and last tenth", f"{early_p99:.2f}× → {late_p99:.2f}×", "within 20 %", late_p99 <= 1.2 * early_p99),
        row("page of 10 / of 100 from anywhere, p99", ms(page_10["p99_ms"], page_100["p99_ms"]), "1 / 3 ms", page_10["p99_ms"] <= 1 and page_100["p99_ms"] <= 3),
        row("commit, p99.9 / longest / longest at a processor", ms(store["commit"]["p999_ms"], longest, store["busy_worst_ms"]), "no more than 10 ms behind", longest <= 10 + longest_bare),
        row("start after a stop / a kill", ms(store["start_after_stop_ms"], store["start_after_kill_ms"]), "100 / 300 ms", store["start_after_stop_ms"] <= 100 and store["start_after_kill_ms"] <= 300),
        row("memory without connections", f"{store['resident_mib']:.1f} MiB", "64 MiB", store["resident_mib"] <= 64),
    ]
    rows[3].anchor = f"bare log {ms(longest_bare)} at the longest"
    rows[0].anchor = f"bare log {amount(median([one['rows_per_s'] for one in bare]), '/s')}"
    rows[0].commands = [f"cargo bench --bench store -- --messages {report['messages']} --variant acks"]
    rows[0].data = report
    return rows


def ends(ours: list[dict], theirs: list[dict], tenth: int) -> tuple[list, list]:
    both = list(zip(ours, theirs))
    return both[:tenth], both[-tenth:]


def store_bench(settings: Settings, messages: int, variant: str) -> dict:
    """What `cargo bench --bench store` finds."""
    with directory(settings) as data:
        out = data / "store.json"
        shape = ["--messages", str(messages), "--variant", variant, "--dir", str(data), "--json", str(out)]
        if settings.quick:
            shape += ["--conversations", "1000"]
        command = ["cargo", "bench", "--quiet", "--profile", settings.profile, "--package", "imd", "--bench", "store", "--", *shape]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())


def s13(settings: Settings, hold_s: float | None = None) -> list[Row]:
    """S7's load through as many connections as fit."""
    settings.commands.clear()
    wanted = settings.scaled(100_000, least=400)
    pairs = settings.holdable(wanted) // 2
    seconds = hold_s or settings.lasting(15)
    with imd(settings, durability="full") as server:
        users = with_history(settings, server)
        settings.commands.clear()
        chats, pages = under_load(settings, server, users, pairs, seconds)
    three = quantiles([chats], "acknowledged", 0.5, 0.99, 0.999)
    delivered = quantiles([chats], "delivered", 0.5, 0.99, 0.999)
    server_process = next(process for process in chats["processes"] if process["role"] == "server")
    mib = server_process["anonymous_kib"][2] / 1024
    what = f"{2 * pairs:,} logged-in connections, S7's load through them for {seconds:g} s, p50 / p99 / p99.9"
    row = Row("S13", what, "", "128 MiB; 1.6 / 10 / 40 ms")
    row.imd = f"{mib:.0f} MiB, acknowledged {ms(*three)}, delivered {ms(*delivered)}"
    row.met = mib <= 128 and all(value <= goal for found in (three, delivered) for value, goal in zip(found, (1.6, 10, 40)))
    finish(row, settings, [chats])
    if 2 * pairs < wanted:
        row.met = None
        row.notes.append(f"the limit of open files, {open_files():,}, holds no more connections")
    note_pages(row, (pages,))
    return [row]


ROWS: dict[str, Callable[[Settings], list[Row]]] = {
    "S1": s1,
    "S2": s2,
    "S3": s3,
    "S4": s4,
    "S5": s5,
    "S6": s6,
    "S7": s7,
    "S8": s8,
    "S9": s9,
    "S10": s10,
    "S11": s11,
    "S12": s12,
    "S13": s13,
}
