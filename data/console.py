"""Run one step for run_all.sh: all that it prints stands in a log, the console gets what a user can
act on.

    python data/console.py --log data/runs/demo/logs/sft.log python 03_sft/sft.py --config ...

NOISE is the one list of lines that are kept off the console. On a terminal the step sees a terminal
too, so that bars and colours stay. Exit code: the step's; where it is none that a script chose
(OWN_CODES), a last line names the log.
"""

import argparse
import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

# Lines that no user can act on, as seen in the demo on 25 November 2026, by who prints them.
NOISE = re.compile(
    r"""(?x)^(?:
      Failed\ to\ load\ .*/torchao/                             # kernels of other processors
    | W\d{4}\ .*torch/utils/_pytree\.py                         # torchao under torch 2.13
    | \[W\d+\ .*\.cpp:\d+\]\ Warning:\ NUMA\ binding            # vLLM on a CPU
    | \[.*\]\ \[WARNING\]\ \[real_accelerator\.py               # DeepSpeed: no GPU here
    | Triton\ is\ installed,\ but                               # vLLM on a CPU
    | \(\w+(?:-\d+)?\ pid=\d+\)\ WARNING\ .*(?:                 # vLLM: (EngineCore pid=4530) ...
        Enforce\ eager\ set | Inductor\ compilation\ was\ disabled | Triton\ is\ not\ installed
      | requires\ Triton;\ using\ the\ V1 | is\ not\ found\ in\ LD_PRELOAD
      | OMP_NUM_THREADS=\d+\ is\ set
      | CPU\ backend\ doesn't\ allow\ to\ use | The\ global\ random\ seed\ is\ set
      | Passing\ raw\ prompts\ to\ InputProcessor | \[shutdown\] | ulimit\ of\ \d+)
    | \[transformers\]\ Ignoring\ clean_up_tokenization_spaces
    | Failed\ to\ load\ CPU\ gemm_4bit_forward                  # bitsandbytes: an extra package
    | \[rank\d+\]:\[W\d+\ .*find_unused_parameters              # torch's DDP
    | (?:Generating\ \S+\ split|Loading\ weights|Writing\ model\ shards    # bars of a second
      | Converting\ and\ de-quantizing\ GGUF\ tensors\S*):
    )"""
)
NO_SERVER = re.compile(r".*: no server answers there; start it")  # run_all.sh starts it then
FIRST = re.compile(r"--- first (prompt|row)\b")  # an example follows, up to a line of ---
PATIENCE = 30  # seconds that an interrupted step has to end
OWN_CODES = (0, 2, 3, 4, 130, 143)  # the step's last line says all that there is to say


class Console:
    """Which of a step's lines the console gets."""

    def __init__(self, log, out):
        self.log, self.out, self.in_example = log, out, False

    def show(self, data):
        """One line with its end; updates of a bar end with a carriage return, or not at all."""
        text = data.decode(errors="replace")
        if data.endswith(b"\n"):
            self.log.write(data)
            self.log.flush()
        if first := FIRST.match(text):
            self.in_example = True
            text = f"(the first {first[1]} stands in {self.log.name})\n"
        elif self.in_example:
            self.in_example = text.rstrip() != "---"
            return
        server_comes = os.environ.get("SERVER_COMES") and NO_SERVER.match(text)
        if not server_comes and not NOISE.match(text.lstrip("\r")):
            self.out.write(text)
            self.out.flush()


def open_channel(terminal):
    """(where this process reads, what the step gets as its stderr): a terminal of its own where the
    console is one."""
    if not terminal:
        return os.pipe()
    import pty
    import termios
    import tty

    ours, its = pty.openpty()
    tty.setraw(its)  # no carriage returns of the line discipline
    with contextlib.suppress(termios.error):
        termios.tcsetwinsize(its, termios.tcgetwinsize(sys.stderr))
    return ours, its


def relay(source, child, console):
    """Pass on what the step prints until it ends; what outlives it (an engine that is being
    stopped) is not waited for."""
    rest = b""
    while True:
        if not select.select([source], [], [], 0.2)[0]:
            if rest.startswith(b"\r"):  # a bar, which comes without an end of line
                console.show(rest)
                rest = b""
            if child.poll() is not None:
                break
            continue
        data = b""
        with contextlib.suppress(OSError):  # a terminal whose other side is closed
            data = os.read(source, 1 << 16)
        if not data:
            break
        *lines, rest = re.split(rb"(?<=\n)|(?<=[^\n])(?=\r)", rest + data)
        for line in lines:
            console.show(line)
    if rest:
        console.show(rest)


def pass_on(child):
    """Ctrl-C at a terminal reaches the step too, which ends by itself; a SIGTERM to this process
    alone becomes one for it.

    run_all.sh sends a SIGTERM after a Ctrl-C: a second Ctrl-C would break off the step's end.
    """
    heard = []

    def interrupt(number, _):
        if number == signal.SIGTERM and not heard:
            child.send_signal(signal.SIGINT)
        heard.append(number)
        signal.alarm(PATIENCE)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGALRM, lambda *_: child.kill())


def run(command, log_path):
    """The step's exit code; 128 and more where a signal ended it."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    ours, its = open_channel(sys.stderr.isatty())
    with open(log_path, "ab") as log:
        log.write(f"\n+ {time.strftime('%F %T')} {shlex.join(command)}\n".encode())
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts deaf
        began = time.time()
        child = subprocess.Popen(command, stderr=its)
        pass_on(child)
        os.close(its)
        relay(ours, child, Console(log, sys.stderr))
        code = child.wait()
        code = code if code >= 0 else 128 - code
        log.write(f"- exit code {code}, {time.time() - began:.0f} s\n".encode())
    if code not in OWN_CODES:
        print(f"exit code {code}; all that it printed: {log_path}", file=sys.stderr)
    return code


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True, metavar="FILE")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the step and its options")
    args = parser.parse_args()
    raise SystemExit(run(args.command, args.log))


if __name__ == "__main__":
    main()
