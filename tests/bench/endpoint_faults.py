"""Endpoints that misbehave: 24 rows through a scripted server for each kind of fault, and what came of them, as a table.

    python tests/bench/endpoint_faults.py            all kinds; --kind NAME for one

Every third request is answered with the fault. Expected: the run ends well, each row is answered or rejected with a reason, and nothing of
the fault is stored.
"""

import argparse
import json
import logging
import socket
import struct
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import batch_generate as bg

ROWS, KEY = 24, "sk-0123456789abcdef"


def reply(text="fine", **changes):
    """Body of a good reply with changes: of the choice (finish_reason, message), or of the whole."""
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
    }
    choice |= {k: changes.pop(k) for k in ("finish_reason", "message") if k in changes}
    whole = {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    return json.dumps({**whole, **changes}).encode()


# kind of fault -> (status, headers, body), or a name that Handler.break_off knows
FAULTS = {
    "invalid JSON": (200, {}, b'{"choices": [{"message": {"content": "fi'),
    "empty body": (200, {}, b""),
    "NULs": (200, {}, b"\0" * 300),
    "HTML": (200, {}, b"<html><body>gateway</body></html>"),
    "no UTF-8": (200, {}, reply("f\xff").replace(b"\\u00ff", b"\xff")),
    "choices missing": (200, {}, b'{"usage": {}}'),
    "choices null": (200, {}, reply(choices=None)),
    "choices empty": (200, {}, reply(choices=[])),
    "content a list": (200, {}, reply(["fi", "ne"])),
    "content a number": (200, {}, reply(7)),
    "message null": (200, {}, reply(message=[None])),
    "usage null": (200, {}, reply(usage=None)),
    "nested too deep": (200, {}, b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "gzip garbage": (200, {"Content-Encoding": "gzip"}, b"no gzip"),
    "lone surrogate": (200, {}, reply("fi\ud800ne")),
    "finish_reason null": (200, {}, reply(finish_reason=None)),
    "finish_reason unknown": (200, {}, reply(finish_reason="eos_token")),
    "finish_reason error": (200, {}, reply(finish_reason="error")),
    "429 with Retry-After": (429, {"Retry-After": "0.1"}, b'{"error": "slow down"}'),
    "429 with a date": (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"{}"),
    "500": (500, {}, b"error of the key " + KEY.encode()),
    "503": (503, {}, b""),
    "400": (400, {}, b'{"error": "this row is too long"}'),
    "404 now and then": (404, {}, b"{}"),
    "hang": "hang",
    "reset": "reset",
    "body cut off": "cut",
    "no HTTP": "garbage",
}


class FaultyServer:
    """Answers every third request with the fault, all of those of one row where `always` names it."""

    def __init__(self, fault, always=None):
        self.count, self.lock, self.always = 0, threading.Lock(), always
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def send(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.send(200, {}, b'{"data": []}')

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not self.path.endswith("/completions"):
                    return self.send(404, {}, b"{}")
                if not outer.is_bad(body):
                    return self.send(200, {}, reply())
                if not isinstance(fault, str):
                    return self.send(*fault)
                return self.break_off()

            def break_off(self):
                if fault == "hang":
                    time.sleep(bg.TIMEOUT + 1)
                elif fault == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + reply())
                elif fault == "garbage":
                    self.wfile.write(b"\x16\x03\x01 no protocol of ours\r\n\r\n")
                else:  # linger 0: closing sends a reset
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.wfile.flush()
                self.close_connection = True

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def is_bad(self, body):
        with self.lock:
            self.count += 1
            if self.always:
                return self.always in body.decode()
            return self.count % 3 == 0

    def __enter__(self):
        serve = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def run(kind, folder, rows=ROWS, always=None, retries=4):
    """(counts, raw bytes, rejected rows) of a run against a server with this fault."""
    out = Path(folder) / "a.raw.jsonl"
    asked = [{"id": f"q{i}", "question": f"question number {i}."} for i in range(rows)]
    with FaultyServer(FAULTS[kind], always) as server:
        counts = bg.generate_jsonl(
            asked,
            lambda row: [{"role": "user", "content": row["question"]}],
            out,
            model="scripted",
            base_url=server.url,
            workers=6,
            retries=retries,
            fresh=True,
        )
    rejected = out.with_name("a.raw.rejected.jsonl")
    lines = rejected.read_text().splitlines() if rejected.exists() else []
    return counts, out.read_bytes(), [json.loads(line) for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=FAULTS)
    args = parser.parse_args()
    logging.disable()
    bg.TIMEOUT, bg.BACKOFF = 2, 0.05
    print("| fault | rows | answered | rejected | reason | seconds |\n|---|--:|--:|--:|---|--:|")
    for kind in [args.kind] if args.kind else FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            counts, raw, rejected = run(kind, folder)
        answered, reasons = raw.count(b"\n"), {row["error"][:60] for row in rejected}
        print(
            f"| {kind} | {ROWS} | {answered} | {len(rejected)} | {'; '.join(sorted(reasons))[:80]} | {counts['seconds']} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
