"""A program with the real supervisor and a tiny application: each line sent to it is answered with who answered.

Run as ``python -m tests.server.program FILE``; the JSON file holds the configuration and, under ``test``, how the
application should misbehave. Not a test itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from bascule.config.plan import Plan
from bascule.config.schema import Config
from bascule.server import generation
from bascule.server.context import KeeperContext, WorkerContext
from bascule.server.supervisor import Supervisor

SITES = {"*": {"routes": {"/": {"respond": {"status": 200}}}}}


def load(path: Path) -> Plan:
    document = json.loads(path.read_text())
    test = document.pop("test", {})
    if test.get("load") == "fail":
        raise ValueError(f"{path}:1: the configuration is wrong")
    if test.get("load") == "crash":
        os.abort()
    config = Config.model_validate({"sites": SITES, **document})
    # The digest carries the misbehaviour to the workers: a Plan has no place for it.
    return Plan(config, config.listen, (), (), json.dumps(test), (str(path),))


def privileges() -> str:
    """Uids, gids and NoNewPrivs of this process, as the kernel tells them."""
    status = Path("/proc/self/status").read_text().splitlines()
    kept = [part for part in status if part.startswith(("Uid", "Gid", "NoNewPrivs"))]
    return " ".join(" ".join(kept).split())


class EchoWorker:
    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.test: dict[str, Any] = json.loads(context.plan.digest)
        self.topics: dict[str, Any] = {}
        self.connections: set[asyncio.Task[None]] = set()
        context.bus.subscribe("", self.topics.__setitem__)
        self.counter = context.stats.u64("echo/lines", 512)

    async def start(self) -> None:
        if self.test.get("start") == "fail":
            raise RuntimeError("the worker does not want to start")
        if self.test.get("start") == "slow":
            await asyncio.sleep(15)
        while not Path(self.test.get("gate", "/")).exists():  # noqa: ASYNC110, ASYNC240 - a file has no event
            await asyncio.sleep(0.01)
        if self.test.get("start") == "die" and self.context.index == self.context.workers - 1:
            os._exit(3)
        for _listener, sock in self.context.sockets:
            self.context.loop.add_reader(sock, self.accept, sock)
        if self.test.get("start") == "die-later":
            self.context.loop.call_later(0.02, os._exit, 3)

    def accept(self, sock: socket.socket) -> None:
        while True:
            try:
                client, _address = sock.accept()
            except OSError:
                return
            client.setblocking(False)
            task = self.context.loop.create_task(self.serve(client))
            self.connections.add(task)
            task.add_done_callback(self.connections.discard)

    async def serve(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client)
        while line := (await reader.readline()).decode().strip():
            writer.write(f"{await self.answer(line)}\n".encode())
            await writer.drain()
        writer.close()

    async def answer(self, line: str) -> str:
        context = self.context
        self.counter[context.stats_slot] += 1
        command, _, argument = line.partition(" ")
        if command == "who":
            return f"{context.generation} {context.index} {os.getpid()}"
        if command == "sleep":
            await asyncio.sleep(float(argument))
            return "slept"
        if command == "swell":
            context.swollen(int(argument))
            return "swollen"
        if command == "mumble":
            context.swollen(argument)  # type: ignore[arg-type]
            return "mumbled"
        if command == "hang":
            while True:
                pass
        if command == "topic":
            return json.dumps(self.topics.get(argument))
        if command == "connected":
            return str(context.bus.connected)
        if command == "send":
            return str(context.bus.send("from-worker", argument))
        if command == "ids":
            return privileges()
        if command == "files":
            return str(len(os.listdir("/proc/self/fd")))
        if command == "lines":
            return str(sum(self.counter))
        return line

    def stop_accepting(self) -> None:
        for _listener, sock in self.context.sockets:
            self.context.loop.remove_reader(sock)
            self.accept(sock)

    async def drain(self, deadline: float) -> None:
        if self.connections:
            await asyncio.wait(self.connections, timeout=deadline - self.context.loop.time())

    def reopen_logs(self) -> None:
        path = self.context.plan.config.access_log.path
        if path.startswith("/"):
            with open(path, "a") as file:
                file.write(f"{os.getpid()}\n")

    def close(self) -> None:
        for task in self.connections:
            task.cancel()


class EchoKeeper:
    """Publishes its pid, repeats what workers send, and obeys lines on the admin socket."""

    def __init__(self, context: KeeperContext) -> None:
        self.context = context
        self.servers: list[asyncio.Server] = []
        self.answering: set[asyncio.Task[None]] = set()
        if json.loads(context.plan.digest).get("keeper") == "fail":
            raise RuntimeError("the keeper does not want to start")
        context.bus.publish("keeper", os.getpid())
        self.test = json.loads(context.plan.digest)
        context.bus.on("from-worker", lambda _topic, payload: context.bus.publish("echoed", payload))

    async def start(self) -> None:
        await asyncio.sleep(self.test.get("keeper_starts_in", 0))
        self.context.bus.publish("found", "at the start")

    async def lead(self) -> None:
        for sock in self.context.admin_sockets:
            self.servers.append(await asyncio.start_server(self.accepted, sock=sock))

    def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self.context.loop.create_task(self.serve(reader, writer))
        self.answering.add(task)
        task.add_done_callback(self.answering.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode().strip():
            command, _, argument = line.partition(" ")
            if command == "durable":
                try:
                    self.context.bus.publish("durable", argument, durable=True)
                    answer: Any = "ok"
                except ConnectionError as error:
                    answer = str(error)
            elif command == "flood":
                for number in range(int(argument)):
                    self.context.bus.publish("flood", [number, "x" * 65536])
                answer = "ok"
            elif command == "who":
                answer = [self.context.generation, os.getpid()]
            elif command == "subscribers":
                answer = self.context.bus.subscribers
            else:
                answer = await getattr(self.context.supervisor, command)()
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def stop(self) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)  # what the loop has accepted in this very turn reaches `accepted` only in the next one
        if self.answering:
            await asyncio.wait(self.answering)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    generation.HUNG_BEATS = json.loads(file.read_text()).get("test", {}).get("hung_beats", generation.HUNG_BEATS)
    sys.exit(Supervisor(lambda: load(file), lambda plan, last: {"prepared": True}, EchoWorker, EchoKeeper).run())
