"""A TCP proxy that misbehaves on request: latency, blackhole, reset, cut, down; for all, or for some of the clients."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

CHUNK = 64 * 1024
RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Forwards connections to a port of this machine. `source_of(port)` may name the client behind a port."""

    def __init__(self, target, source_of=lambda port: None):
        self.target, self.source_of = target, source_of
        self.latency, self.holds, self.refuses = 0.0, lambda source: False, False
        self.lines = set()
        self.loop, self.server, self.port = asyncio.new_event_loop(), None, 0
        # What a connection that was broken on purpose has to say is no news.
        self.loop.set_exception_handler(lambda loop, context: None)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.changed = self.ask(make_condition())
        self.ask(self.listen())
        return self

    def __exit__(self, *error):
        self.ask(self.finish())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def ask(self, work):
        """Do something in the loop's thread and return what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    # What can be made to happen; `heal` ends all of it.

    def delay(self, seconds):
        """Let each piece arrive later."""
        self.latency = seconds

    def blackhole(self, sources=lambda source: True):
        """Take everything and pass nothing on, from and to the clients so named; it arrives after the healing."""
        self.holds = sources

    def reset(self):
        """Answer every connection, old or new, with a reset."""
        self.refuses = True
        self.ask(self.end_lines(True))

    def cut(self):
        """End the connections there are; new ones work."""
        self.ask(self.end_lines(False))

    def down(self):
        """Listen no longer, as a machine whose process has ended."""
        self.ask(self.stop_listening())
        self.ask(self.end_lines(True))

    def heal(self):
        """Behave."""
        self.latency, self.holds, self.refuses = 0.0, lambda source: False, False
        self.ask(self.wake())
        self.ask(self.listen())

    # Within the loop.

    async def listen(self):
        if self.server is None:
            self.server = await asyncio.start_server(
                self.serve, "127.0.0.1", self.port, reuse_address=True, backlog=512
            )
            self.port = self.server.sockets[0].getsockname()[1]

    async def stop_listening(self):
        if self.server is not None:
            self.server.close()
            self.server = None

    async def finish(self):
        """End everything, and wait until it has."""
        await self.stop_listening()
        await self.end_lines(False)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wake(self):
        async with self.changed:
            self.changed.notify_all()

    async def end_lines(self, hard):
        for line in list(self.lines):
            line.end(hard)
        await self.wake()

    async def serve(self, reader, writer):
        line = Line(writer, self.source_of(writer.get_extra_info("peername")[1]))
        self.lines.add(line)
        try:
            if self.refuses:
                line.end(True)
                return
            await self.passable(line)
            there = await asyncio.open_connection("127.0.0.1", self.target)
            line.writers.append(there[1])
            ways = [self.pump(reader, there[1], line), self.pump(there[0], writer, line)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            _, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            pass  # nobody answers there: the client sees the end of its connection
        finally:
            line.end(False)
            self.lines.discard(line)

    async def pump(self, reader, writer, line):
        while data := await reader.read(CHUNK):
            if self.latency:
                await asyncio.sleep(self.latency)
            await self.passable(line)
            writer.write(data)
            await writer.drain()
        await self.passable(line)

    async def passable(self, line):
        """Wait while this client's bytes are held back."""
        async with self.changed:
            await self.changed.wait_for(lambda: line.ended or not self.holds(line.source))


async def make_condition():
    return asyncio.Condition()


class Line:
    """One connection and who is at its other end."""

    def __init__(self, writer, source):
        self.writers, self.source, self.ended = [writer], source, False

    def end(self, hard):
        """Close both sides; `hard`: by a reset."""
        self.ended = True
        for writer in self.writers:
            with contextlib.suppress(OSError):
                if hard:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort() if hard else writer.close()


def process_behind(port, pids):
    """Return which of these processes has a TCP socket bound to this local port, None for none of them."""
    wanted = f":{port:04X}"
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        cells = row.split()
        if cells[1].endswith(wanted):
            for pid in pids:
                if f"socket:[{cells[9]}]" in sockets_of(pid):
                    return pid
    return None


def sockets_of(pid):
    """Return the names of what a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry.path))
    return found
