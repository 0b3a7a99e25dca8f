"""math-verify behind glass: sympy reads model output only in a process of its own, which the kernel
ends after so much CPU time.

    python -P worker.py     reads one JSON line per question on stdin: {"reference": text, "answer":
                            text, "seconds": 2.5}
                            writes one JSON line: true, false, or null (cannot tell); ends at the end of its input

A subprocess and not multiprocessing, so that it works inside daemonic processes, threads and
servers. equal() may be called from any thread. Seconds are of the worker's own CPU: a loaded
machine gives the same verdicts as a quiet one, later.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

WARM_UP = [  # first calls import half of sympy and build parsers
    (r"\frac{1}{2}+x^2", "0.5+x^2"),
    (r"\int_0^1 2x dx", r"\sum_{k=1}^{1} k"),
    (r"\{1,\sqrt{2}\}", r"(1,\infty)"),
    (r"\begin{pmatrix}1&x\\0&1\end{pmatrix}", r"\begin{pmatrix}1&x\\0&2\end{pmatrix}"),
    ("y=2x", "2x-y=0"),
]
LIMIT = 2.5  # seconds of CPU for one comparison; the start of a worker (3 s) does not count
BACKSTOP = 600.0  # seconds of the clock after which a worker counts as lost; never a verdict
MEMORY = 4 << 30  # bytes of address space: 9^9^9^9 must not swallow the machine
MAX_LENGTH = 2000  # characters

_lock = threading.Lock()
_worker = None
timeouts = 0  # comparisons that were stopped since the process began


class Stalled(RuntimeError):
    """The worker gave no line for BACKSTOP seconds of the clock, or did not start."""


class Worker:
    """One child process that answers line by line."""

    def __init__(self):
        self.ready = False
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def line(self):
        """The child's next line, "" where it has ended. Raises Stalled."""
        data = b""
        while not data.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], BACKSTOP)[0]:
                self.stop()
                raise Stalled(f"the math-verify worker gave no answer for {BACKSTOP:.0f} s")
            if not (more := os.read(self.process.stdout.fileno(), 4096)):
                return ""
            data += more
        return data.decode().strip()

    def ask(self, reference, answer, seconds):
        """True, False or None as the child says; raises TimeoutError where it was ended, Stalled
        where it does not run."""
        if not self.ready and self.line() != "ready":
            self.stop()
            raise Stalled("the worker did not start: python -c 'import math_verify' says why")
        self.ready = True
        question = json.dumps({"reference": reference, "answer": answer, "seconds": seconds})
        try:
            self.process.stdin.write(question.encode() + b"\n")
            line = self.line()
        except BrokenPipeError:
            line = ""
        if not line:
            self.stop()
            raise TimeoutError
        return json.loads(line)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def _forget():
    """A forked child must not talk to its parent's worker."""
    global _lock, _worker
    _lock, _worker = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def equal(reference, answer, seconds=LIMIT):
    """What math-verify says of two LaTeX texts: True, False, or None where it cannot tell or was
    stopped (then `timeouts` grows by one).

    seconds: of CPU time. Raises Stalled.
    """
    global _worker, timeouts
    if max(len(reference), len(answer)) > MAX_LENGTH:
        return None
    with _lock:
        _worker = _worker or Worker()
        try:
            return _worker.ask(reference, answer, seconds)
        except TimeoutError:
            timeouts += 1
            _worker = Worker()  # starts while the caller goes on
            return None
        except Stalled:
            _worker = None
            raise


def close():
    """End the worker now; it would also end with this process."""
    global _worker
    with _lock:
        if _worker is not None:
            _worker.stop()
            _worker = None


def limit_cpu(seconds):
    """The kernel ends this process after so many seconds more of its own CPU time, whatever it is
    in; 0 takes the limit off."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def main():
    import logging
    import resource

    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, not into the answers
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    configs = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    unlimited = {"parsing_timeout": None, "raise_on_error": False}

    def read(text):
        return parse(f"${text}$", configs, **unlimited) or parse(text, configs, **unlimited)

    for one, two in WARM_UP:
        verify(read(one), read(two), timeout_seconds=None)
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        limit_cpu(row["seconds"])
        try:
            one, two = read(row["reference"]), read(row["answer"])
            result = bool(verify(one, two, timeout_seconds=None)) if one and two else None
        except Exception:  # any failure inside sympy means: cannot tell
            result = None
        limit_cpu(0)
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
