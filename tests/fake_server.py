"""A scripted OpenAI-compatible endpoint for tests: its answers are a function of the request, so
that every run gives the same text.

    with FakeServer(lambda messages, body: "Answer: B") as server:
        run_script("01_extract/filter_qa.py", ..., "--base-url", server.url, "--model", "scripted")
        server.requests        # bodies of all requests, in order of arrival

`answer(messages, body)` returns the text, or (text, finish_reason), or an integer: that HTTP error
status, with `error` as its text. For completions `messages` is the prompt.
"""

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 128

    def __init__(self, *given):
        self.sockets = set()
        super().__init__(*given)

    def process_request(self, request, address):
        self.sockets.add(request)
        super().process_request(request, address)

    def handle_error(self, request, address):
        pass  # a client that went away, or a killed server


class FakeServer:
    def __init__(self, answer, delay=0.0, port=0, error="scripted error", waiting=None):
        self.error, self.waiting = (
            error,
            waiting,
        )  # waiting: length of the queue in /metrics, as vLLM's
        self.answer, self.delay, self.requests, self.in_flight, self.most_in_flight = (
            answer,
            delay,
            [],
            0,
            0,
        )
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == "/metrics" and outer.waiting is not None:
                    line = f'vllm:num_requests_waiting{{engine="0"}} {outer.waiting:.1f}\n'.encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(line)))
                    self.end_headers()
                    return self.wfile.write(line)
                self.reply(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not self.path.endswith("/completions"):  # /tokenize of a vLLM server
                    return self.reply(404, {"error": "not served"})
                status, value = outer.respond(body)
                return self.reply(status, value)

        self.http = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def respond(self, body):
        with self.lock:
            self.requests.append(body)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            time.sleep(self.delay)
            answer = self.answer(body.get("messages") or body["prompt"], body)
        finally:
            with self.lock:
                self.in_flight -= 1
        if isinstance(answer, int):
            error = {"message": f"{self.error} {answer}", "type": "scripted"}
            return answer, {"error": error}
        text, finish = answer if isinstance(answer, tuple) else (answer, "stop")
        tokens = len(text.split())
        return 200, {
            "id": "x",
            "object": "chat.completion" if "messages" in body else "text_completion",
            "created": 0,
            "model": body["model"],
            "choices": [self.choice(text, finish, body)],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": tokens,
                "total_tokens": 10 + tokens,
            },
        }

    def choice(self, text, finish, body):
        choice = {"index": 0, "finish_reason": finish}
        if body.get("return_token_ids"):
            choice["token_ids"] = list(range(len(text.split())))
        if "messages" in body:
            return {**choice, "message": {"role": "assistant", "content": text}}
        return {**choice, "text": text}

    def __enter__(self):
        threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def kill(self):
        """As a process that is killed: no new connection, and the open ones break."""
        self.http.shutdown()
        self.http.server_close()
        for one in self.http.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
