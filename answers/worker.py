"""math-verify behind glass: sympy reads model output only in a process of its own, killed when it takes too long.

    python worker.py        reads one JSON line per question on stdin: {"reference": text, "answer": text}
                                    writes one JSON line: true, false, or null (cannot tell); ends at the end of its input

A subprocess and not multiprocessing, so that it works inside daemonic processes, threads and servers. equal() may be called from any thread.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

WARM_UP = [("\\frac{1}{2}+x^2", "0.5+x^2"), ("\\int_0^1 2x dx", "1"), ("\\sum_{k=1}^{3} k", "6"), ("\\{1,\\sqrt{2}\\}", "\\{\\sqrt{2},1\\}"), ("(1,\\infty)", "x>1"),
           ("\\begin{pmatrix}1&x\\\\0&1\\end{pmatrix}", "\\begin{pmatrix}1&x\\\\0&2\\end{pmatrix}"), ("\\sin^2 x+\\cos^2 x", "1"), ("y=2x", "2x-y=0")]  # fmt: skip
LIMIT = 2.5  # seconds for one comparison; the start of a worker (3 s for sympy) does not count
START_LIMIT = 120.0
MEMORY = 4 << 30  # bytes of address space: 9^9^9^9 must not swallow the machine
MAX_LENGTH = 2000

_lock = threading.Lock()
_worker = None
timeouts = 0  # comparisons that were stopped since the process began


class Worker:
    """One child process, and a thread that reads its lines into a queue."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self.lines, self.ready = queue.Queue(), False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def _line(self, seconds):
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            return ""

    def ask(self, reference, answer, seconds):
        """true, false or null as the child says; raises TimeoutError (the child is dead then)."""
        if not self.ready and self._line(START_LIMIT) != "ready":
            self.stop()
            raise RuntimeError(
                "the math-verify worker did not start: is math-verify installed? (python -c 'import math_verify')"
            )
        self.ready = True
        try:
            self.process.stdin.write(
                json.dumps({"reference": reference, "answer": answer, "seconds": seconds}) + "\n"
            )
            self.process.stdin.flush()
            line = self._line(seconds)
        except (BrokenPipeError, OSError):
            line = None
        if not line:
            self.stop()
            raise TimeoutError
        return json.loads(line)

    def stop(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass


def _forget():
    """A forked child must not talk to its parent's worker."""
    global _lock, _worker
    _lock, _worker = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def equal(reference, answer, seconds=LIMIT):
    """What math-verify says of two LaTeX texts: True, False, or None where it cannot tell or was stopped (then `timeouts` grows by one)."""
    global _worker, timeouts
    if max(len(reference), len(answer)) > MAX_LENGTH:
        return None
    with _lock:
        if _worker is None:
            _worker = Worker()
        try:
            return _worker.ask(reference, answer, seconds)
        except TimeoutError:
            timeouts += 1
            _worker = Worker()  # starts while the caller goes on
            return None


def warm():
    """Start the worker without waiting for it."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = Worker()


def close():
    """End the worker now; it would also end with this process."""
    global _worker
    with _lock:
        if _worker is not None:
            _worker.stop()
            _worker = None


def _guard(seconds):
    """The kernel ends this process some time after the parent gave up on it, also when the parent is gone."""
    try:
        import signal

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    except (
        ImportError,
        AttributeError,
        ValueError,
    ):  # no SIGALRM on Windows: the parent's kill remains
        pass


def main():
    out = os.fdopen(
        os.dup(1), "w", encoding="utf-8"
    )  # whatever a library prints goes to stderr, not into the answers
    os.dup2(2, 1)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass
    import logging

    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    configs = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]

    def read(text):
        return parse(
            "$" + text + "$", configs, parsing_timeout=None, raise_on_error=False
        ) or parse(text, configs, parsing_timeout=None, raise_on_error=False)

    for one, two in WARM_UP:  # first calls import half of sympy and build parsers
        verify(read(one), read(two), timeout_seconds=None)
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        _guard(row.get("seconds", LIMIT) + 1)
        try:
            reference, answer = read(row["reference"]), read(row["answer"])
            result = (
                bool(verify(reference, answer, timeout_seconds=None))
                if reference and answer
                else None
            )
        except Exception:  # any failure inside sympy means: cannot tell
            result = None
        _guard(0)
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
