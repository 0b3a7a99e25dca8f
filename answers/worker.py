"""math-verify behind glass: sympy reads model output only in a process of its own, which the kernel
ends after so much CPU time.

    python -P worker.py     JSON lines [reference, answer, seconds of CPU] on stdin; on stdout
                            true, false, or null (cannot tell)

A subprocess and not multiprocessing, which a daemonic process may not use. With CPU seconds a
loaded machine gives the verdicts of a quiet one.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

WARM_UP = (  # first calls import half of sympy and build parsers
    r"\int_0^1 2x dx", r"\sum_{k=1}^{1} k", r"\{1,\sqrt{2}\}", r"(1,\infty)", "y=2x",
    r"\begin{pmatrix}1&x\\0&1\end{pmatrix}", r"\begin{pmatrix}1&x\\0&2\end{pmatrix}", "2x-y=0",
)  # fmt: skip
LIMIT = 2.5  # seconds of CPU for one comparison, without the start of a worker (3 s)
MEMORY = 4 << 30  # bytes of address space: 9^9^9^9 must not swallow the machine
MAX_LENGTH = 2000  # characters

_lock, _process = threading.Lock(), None
timeouts = 0  # comparisons that were stopped since the process began


class Stalled(RuntimeError):
    """The worker did not start or ended by itself."""


def start():
    command = [sys.executable, "-P", str(Path(__file__).resolve())]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, stderr=subprocess.DEVNULL, encoding="utf-8")


def _forget():
    """A forked child must not talk to its parent's worker."""
    global _lock, _process
    _lock, _process = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def equal(reference, answer, seconds=LIMIT):
    """What math-verify says of two LaTeX texts: True, False, or None where it cannot tell or took
    more than so many seconds of CPU (then `timeouts` grows by one). Any thread may call it.

    Raises Stalled.
    """
    global _process, timeouts
    if max(len(reference), len(answer)) > MAX_LENGTH:
        return None
    with _lock:
        process, _process = _process or start(), None  # kept only where it has answered
        try:
            print(json.dumps([reference, answer, seconds]), file=process.stdin, flush=True)
        except BrokenPipeError:
            pass
        if line := process.stdout.readline():
            _process = process
            return json.loads(line)
        process.communicate()
        if process.returncode >= 0:
            raise Stalled("no answer of math-verify: python -c 'import math_verify' may say why")
        timeouts += 1
        _process = start()  # while the caller goes on
        return None


def main():
    import logging
    import resource

    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the kernel ends this process
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, not into the answers
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    configs = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    unlimited = {"parsing_timeout": None, "raise_on_error": False}

    def read(text):
        return parse(f"${text}$", configs, **unlimited) or parse(text, configs, **unlimited)

    for one, two in itertools.pairwise(WARM_UP):
        verify(read(one), read(two), timeout_seconds=None)
    for line in sys.stdin:
        *texts, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            one, two = map(read, texts)
            result = bool(verify(one, two, timeout_seconds=None)) if one and two else None
        except Exception:  # any failure inside sympy means: cannot tell
            result = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
