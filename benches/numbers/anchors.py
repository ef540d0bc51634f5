"""What imd is measured against. Each is `Absent` where it is not installed; `anchors.sh` gets what no package brings."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from harness import Absent, Sample, Server, Settings, directory

ECHO_PORT = 9001
HELLO_PORT = 3000
SYNCS = 400
BODY = "x" * 100


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(settings: Settings, name: str) -> str:
    """A program of the directory of anchors, else of the system."""
    if settings.without_anchors:
        raise Absent("anchors are left out")
    own = settings.anchors / name if settings.anchors else None
    found = str(own) if own and own.is_file() else shutil.which(name)
    if not found:
        raise Absent(f"{name} is not there")
    return found


@contextmanager
def stopped_after(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.stop()


def echo_server(settings: Settings):
    """uWebSockets' EchoServer."""
    return stopped_after(Server(settings, [program(settings, "EchoServer")], "EchoServer", ECHO_PORT))


def hello_server(settings: Settings):
    """uWebSockets' HelloWorld."""
    return stopped_after(Server(settings, [program(settings, "HelloWorld")], "HelloWorld", HELLO_PORT))


def publish_server(settings: Settings):
    """uWebSockets' publish, behind as much of jim as the load generator needs."""
    port = free_port()
    return stopped_after(Server(settings, [program(settings, "publish"), str(port)], "publish", port))


def redis(settings: Settings, pipeline: int) -> Sample:
    """XADD of 100 bytes from 50 clients into a Redis that syncs before it answers."""
    load = program(settings, "redis-benchmark")
    with directory(settings) as data:
        port = free_port()
        options = f"--port {port} --bind 127.0.0.1 --dir {data} --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0"
        command = [program(settings, "redis-server"), *options.split(), "--save", ""]
        with stopped_after(Server(settings, command, "redis-server", port)) as server:

            def add(count: int) -> Sample:
                shape = f"-p {port} -c 50 -P {pipeline} -n {count} --csv XADD s * m".split()
                begun_s, begun_cpu_s = time.monotonic(), server.cpu_s()
                out = subprocess.run(
                    ["taskset", "-c", str(settings.client_core), load, *shape, BODY], capture_output=True, text=True, check=True
                ).stdout
                core_percent = 100 * (server.cpu_s() - begun_cpu_s) / (time.monotonic() - begun_s)
                per_second = float(re.findall(r'"([\d.]+)"', out.splitlines()[-1])[0])
                return Sample(per_second, core_percent)

            # As many as take as long as imd's turn.
            first = add(2_000 * pipeline)
            return add(max(int(first.value * settings.seconds), 1_000))


def nats(settings: Settings, outstanding: int) -> Sample:
    """Publishes of 100 bytes from 50 clients to a JetStream that syncs before it answers. The client is this process: it is quick
    enough for as much as that gives."""
    with directory(settings) as data:
        port = free_port()
        config = data / "nats.conf"
        config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{data}", sync_interval: always }}\n')
        command = [program(settings, "nats-server"), "-c", str(config)]
        if subprocess.run([*command, "-t"], capture_output=True).returncode != 0:
            raise Absent("nats-server is too old to sync each message")
        with stopped_after(Server(settings, command, "nats-server", port)) as server:
            own_cores = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {settings.client_core})
            try:
                return publish_to_nats(server, outstanding, settings.warmup_s, settings.seconds)
            finally:
                os.sched_setaffinity(0, own_cores)


def publish_to_nats(server: Server, outstanding: int, warmup_s: float, seconds: float) -> Sample:
    message = f"PUB s.m r.{{}} {len(BODY)}\r\n{BODY}\r\n"
    clients = []
    selector = selectors.DefaultSelector()
    for number in range(50):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeting = f'CONNECT {{"verbose":false,"pedantic":false}}\r\nSUB r.{number} 1\r\n'
        if number == 0:
            stream = '{"name":"s","subjects":["s.*"],"storage":"file","retention":"limits","num_replicas":1}'
            greeting += f"PUB $JS.API.STREAM.CREATE.s r.0 {len(stream)}\r\n{stream}\r\n"
        client.sendall(greeting.encode())
        clients.append(client)
    answer = b""
    while b"stream_create_response" not in answer:
        received = clients[0].recv(65536)
        if not received:
            raise RuntimeError("nats-server hung up")
        answer += received
    if b'"error"' in answer:
        raise RuntimeError(f"nats-server refuses: {answer[-500:]!r}")
    for number, client in enumerate(clients):
        client.setblocking(False)
        request = message.format(number).encode()
        selector.register(client, selectors.EVENT_READ, request)
        client.sendall(request * outstanding)
    tails = dict.fromkeys(clients, b"")
    done = 0
    begun_s, counted_s = time.monotonic(), None
    counted_cpu_s = 0.0
    while True:
        for key, _ in selector.select(1):
            received = key.fileobj.recv(65536)
            if not received or b"-ERR" in received or b'"error"' in received:
                raise RuntimeError(f"nats-server refuses: {received[:200]!r}")
            # The beginning of an answer may be cut: what is too short to be one is looked at again.
            received = tails[key.fileobj] + received
            answers = received.count(b"MSG r.")
            tails[key.fileobj] = received[-5:]
            done += answers
            key.fileobj.sendall(key.data * answers)
        now_s = time.monotonic()
        if counted_s is None and now_s > begun_s + warmup_s:
            counted_s, done, counted_cpu_s = now_s, 0, server.cpu_s()
        if counted_s is not None and now_s > counted_s + seconds:
            break
    core_percent = 100 * (server.cpu_s() - counted_cpu_s) / (now_s - counted_s)
    for client in clients:
        client.close()
    return Sample(done / (now_s - counted_s), core_percent)


def sync_ms(settings: Settings) -> tuple[float, float]:
    """How long the disk takes to sync 4 KiB, p50 and p99."""
    with directory(settings) as data:
        file = os.open(Path(data) / "sync", os.O_RDWR | os.O_CREAT)
        try:
            os.pwrite(file, bytes(4096 * SYNCS), 0)
            os.fsync(file)
            took_s = []
            for at in range(SYNCS):
                os.pwrite(file, b"\1" * 4096, at * 4096)
                begun_s = time.perf_counter()
                os.fdatasync(file)
                took_s.append(time.perf_counter() - begun_s)
        finally:
            os.close(file)
    took_s.sort()
    return took_s[SYNCS // 2] * 1000, took_s[SYNCS * 99 // 100] * 1000
