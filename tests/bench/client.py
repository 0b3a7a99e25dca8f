"""What the client costs: CPU of this process a request, and memory of the raw index, against an endpoint that answers at once.

    python tests/bench/client.py --rows 20000
    python tests/bench/client.py --index 1000000       memory and time of the index of so many stored rows

The endpoint is a process of its own with a fixed reply of 1,500 bytes, so that only our side is measured.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import batch_generate as bg
import rows as r

TEXT = "The force is mass times acceleration, hence 12 N. " * 25


def reply(text):
    """The bytes of a whole reply with this text."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 120, "completion_tokens": 300}
    choices = [{"finish_reason": "stop", "message": message}]
    body = json.dumps({"choices": choices, "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Instant(asyncio.Protocol):
    """Just enough HTTP: each whole request gets the same reply."""

    def __init__(self, reply):
        self.reply = reply

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            length = (
                int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                if b"content-length:" in head
                else 0
            )
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length :]
            self.transport.write(self.reply)


def serve(port, text=TEXT):
    """Answer every request with the text; the number of the port goes into the queue."""
    whole = reply(text)

    async def run():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Instant(whole), "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def measure_client(rows):
    port = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    asked = [
        {"id": f"row-{i}", "question": f"Question {i}: " + "how large is it? " * 25}
        for i in range(rows)
    ]
    url = f"http://127.0.0.1:{port.get()}/v1"
    for part in (asked[:500], asked):  # the first pays for the imports
        with tempfile.TemporaryDirectory() as folder:
            before, clock = time.process_time(), time.time()
            bg.generate_jsonl(
                part,
                lambda row: [{"role": "user", "content": row["question"]}],
                Path(folder) / "a.raw.jsonl",
                model="instant",
                base_url=url,
                workers=64,
            )
            cpu, wall = time.process_time() - before, time.time() - clock
    server.terminate()
    print(
        f"{rows:,} requests: {1000 * cpu / rows:.3f} ms CPU a request, {rows / wall:,.0f} requests/s"
    )


def measure_index(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.raw.jsonl"
        sampling = bg.full_sampling()
        made = (
            dict(
                id=f"row-{i}",
                response="x" * 200,
                finish_reason="stop",
                prompt_tokens=9,
                completion_tokens=9,
                model="m",
                sampling=sampling,
                messages_hash="0" * 16,
            )
            for i in range(rows)
        )
        r.write(path, made)
        before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.time()
        raw = bg.RawFile(path)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(
            f"index of {rows:,} rows: {1024 * used / rows:.1f} bytes of memory a row, {time.time() - clock:.1f} s to read"
        )
        raw.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--index", type=int)
    args = parser.parse_args()
    measure_index(args.index) if args.index else measure_client(args.rows)


if __name__ == "__main__":
    main()
