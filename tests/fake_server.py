"""A scripted OpenAI-compatible endpoint for tests: its answers are a function of the request, so that every run gives the same text.

    with FakeServer(lambda messages, body: "Answer: B") as server:
        run_script("01_extract/filter_qa.py", ..., "--base-url", server.url, "--model", "scripted")
        server.requests        # bodies of all requests, in order of arrival

`answer(messages, body)` returns the text, or (text, finish_reason), or an integer: that HTTP error status. For completions `messages` is the prompt.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeServer:
    def __init__(self, answer, delay=0.0):
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
                self.reply(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, value = outer.respond(body)
                self.reply(status, value)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
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
            return answer, {"error": {"message": f"scripted error {answer}", "type": "scripted"}}
        text, finish = answer if isinstance(answer, tuple) else (answer, "stop")
        choice = {"index": 0, "finish_reason": finish}
        choice |= (
            {"message": {"role": "assistant", "content": text}}
            if "messages" in body
            else {"text": text}
        )
        return 200, {
            "id": "x",
            "object": "chat.completion" if "messages" in body else "text_completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": len(text.split()),
                "total_tokens": 10,
            },
        }

    def __enter__(self):
        threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
