"""What a step prints: a line at its start, one at its end, noise in the log only; run_all.sh
--status says where a run stands."""

import json
import os
import signal
import subprocess
import sys
import time

from conftest import ROOT, write_jsonl

CONSOLE = [sys.executable, str(ROOT / "data/console.py")]
# Lines of the demo's console (25 November 2026) that no user can act on, and lines that must stay.
NOISE = """\
Failed to load /x/site-packages/torchao/_C_mxfp8.cpython-310-x86_64-linux-gnu.so: Could not load this library: /x/_C_mxfp8.so
W1125 02:47:56.965000 1639 torch/utils/_pytree.py:630] <enum 'KernelPreference'> is an Enum subclass and is now natively
[W1125 03:07:41.376770431 utils.cpp:68] Warning: NUMA binding: Using MEMBIND policy for memory allocation on the NUMA nodes (0).
[2026-11-25 03:06:13,743] [WARNING] [real_accelerator.py:213:get_accelerator] Setting accelerator to CPU.
Triton is installed, but doesn't include CPU backend. Disabling Triton.
(MainProcess pid=4496) WARNING 11-25 03:06:48 [vllm.py:1703] Enforce eager set, disabling torch.compile, CUDAGraphs
(VllmWorker-0 pid=4565) WARNING 11-25 03:07:41 [vllm.py:725] Model Runner V2 requires Triton; using the V1 model runner instead.
(Worker pid=4565) WARNING 11-25 03:07:41 [cpu_worker.py:114] libtcmalloc is not found in LD_PRELOAD. For best performance
(Worker pid=4565) WARNING 11-25 03:07:44 [torch_utils.py:283] OMP_NUM_THREADS=2 is set; leaving Torch threads at 2
(MainProcess pid=4496) WARNING 11-25 03:10:38 [utils.py:648] [shutdown] Process manager: force killing remaining processes
[transformers] Ignoring clean_up_tokenization_spaces=True for BPE tokenizer TokenizersBackend.
Failed to load CPU gemm_4bit_forward from kernels-community: No module named 'kernels'.
[rank1]:[W1129 08:00:56.703 reducer.cpp:1529] Warning: find_unused_parameters=True was specified in DDP constructor
Generating train split: 12 examples [00:00, 3863.64 examples/s]
"""
KEPT = """\
fit estimate: 0.13 B parameters, lora, 2.8 GiB of 18.8 GiB free
(EngineCore pid=4530) ERROR 11-25 03:07:46 [core.py:100] EngineCore failed to start.
(EngineCore pid=4530) WARNING 11-25 03:07:46 [gpu.py:10] free memory is less than what gpu_memory_utilization asks for
WARNING: fewer than 95 % end by themselves. The model has not learnt to stop
x.jsonl: 8 rows -> 7; rejected 1: too short 1; 3.1 s
"""


def run_console(tmp_path, program, **env):
    command = [*CONSOLE, "--log", str(tmp_path / "step.log"), sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})


def test_noise_stands_in_the_log_only_and_everything_else_on_the_console(tmp_path):
    program = f"import sys; sys.stderr.write({NOISE + KEPT!r}); print('a table')"
    done = run_console(tmp_path, program)
    assert done.stderr == KEPT and done.stdout == "a table\n" and done.returncode == 0
    log = (tmp_path / "step.log").read_text()
    assert NOISE + KEPT in log and log.lstrip().startswith("+ 20")


def test_the_first_prompt_and_a_server_that_is_coming_are_for_the_log(tmp_path):
    prompt = "--- first prompt of qa.raw.jsonl ---\n[user] Write a question\n\n---\nafter\n"
    missing = "x.py: --base-url http://h/v1: no server answers there; start it, or leave it out\n"
    program = f"import sys; sys.stderr.write({prompt + missing!r}); raise SystemExit(3)"
    done = run_console(tmp_path, program)
    shown = f"(the first prompt stands in {tmp_path}/step.log)\nafter\n"
    assert done.stderr == shown + missing and done.returncode == 3
    assert run_console(tmp_path, program, SERVER_COMES="1").stderr == shown
    assert prompt + missing in (tmp_path / "step.log").read_text()


def test_a_step_that_breaks_names_its_log_and_keeps_its_code(tmp_path):
    done = run_console(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert (
        done.returncode == 137 and f"exit code 137; all that it printed: {tmp_path}" in done.stderr
    )
    assert run_console(tmp_path, "raise SystemExit(2)").stderr == ""


def test_on_a_terminal_the_step_sees_a_terminal_and_its_bar_is_shown_at_once(tmp_path):
    import pty

    ours, its = pty.openpty()
    program = "import sys, time; print(sys.stderr.isatty()); sys.stderr.write('\\rbar 1'); sys.stderr.flush(); time.sleep(1)"
    command = [*CONSOLE, "--log", str(tmp_path / "step.log"), sys.executable, "-c", program]
    running = subprocess.Popen(command, stderr=its, stdout=subprocess.PIPE, text=True)
    assert os.read(ours, 100) == b"\rbar 1" and running.poll() is None
    assert running.communicate()[0] == "True\n" and running.returncode == 0


def test_a_signal_of_run_all_after_a_ctrl_c_does_not_interrupt_the_step_again(tmp_path):
    program = (
        "import signal, time; heard = []; signal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
        "print('up', flush=True)\n"
        "while not heard: time.sleep(0.05)\n"
        "time.sleep(1); print(len(heard))"
    )
    command = [*CONSOLE, "--log", str(tmp_path / "step.log"), sys.executable, "-c", program]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert running.stdout.readline() == "up\n"
    os.killpg(running.pid, signal.SIGINT)  # as a terminal sends it
    time.sleep(0.3)
    running.terminate()
    assert running.communicate(timeout=10)[0] == "1\n" and running.returncode == 0


def test_a_step_says_what_it_makes_of_how_many_rows_and_at_the_end_how_long_it_took(
    tmp_path, run_script
):
    texts = ("What is ice?", "What is ice?", "Why is the sky blue at noon?")
    rows = [{"id": str(i), "question": text, "answer": "x"} for i, text in enumerate(texts)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    command = ["01_extract/dedup.py", "--input", tmp_path / "a.jsonl", "--field", "question"]
    command += ["--output", tmp_path / "b.jsonl"]
    first = run_script(*command).stderr.splitlines()
    assert first[0] == "dedup -> b.jsonl, 3 rows of a.jsonl"
    assert first[-1].startswith("b.jsonl: 3 rows -> 2; rejected 1: ") and first[-1].endswith(" s")
    again = run_script(*command, "--threshold", "0.9").stderr.splitlines()
    assert again[1] == "dedup -> b.jsonl, 3 rows of a.jsonl"


def status(runs, **env):
    settings = {"RUNS_DIR": str(runs), "PROFILE": "demo", "GPUS": "0", "VENV": sys.prefix, **env}
    done = subprocess.run(
        ["bash", "run_all.sh", "--status"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def step_line(lines, script, output):
    return next(line.split() for line in lines if line.split()[:2] == [script, output])


def test_the_status_of_a_run_that_stands_in_the_middle(tmp_path):
    folder = tmp_path / "demo/01_extract"
    logs, model = tmp_path / "demo/logs", tmp_path / "demo/models/base"
    for made in (folder, logs, model):
        made.mkdir(parents=True)
    (model / "config.json").touch()
    for name, count in (("documents", 15), ("chunks", 8)):
        write_jsonl(folder / f"{name}.jsonl", [{"id": str(i)} for i in range(count)])
        counts = {"in": 15, "out": count, "rejected": {"not sampled": 85}, "split": 78}
        meta = {"counts": counts, "seconds": 3.2}
        (folder / f"{name}.meta.json").write_text(json.dumps(meta))
    write_jsonl(folder / "qa.raw.jsonl", [{"id": "1"}, {"id": "2"}])
    (logs / "extract_qa.log").write_text("qa.raw.jsonl: at most 1,010 rows to ask (2 are there)\n")
    (logs / "sft.log").write_text("step 3/60  loss 2.1  left 00:03:00\n")
    lines = status(tmp_path)
    assert lines[0] == f"{tmp_path}/demo: not running now" and "stage 4" in "\n".join(lines)
    chunks = step_line(lines, "chunk_documents", "01_extract/chunks.jsonl")
    assert chunks[2:] == "done 3.2 s 15 rows -> 8, rejected 85".split()
    asked = step_line(lines, "extract_qa", "01_extract/qa.jsonl")
    assert asked[2:] == "begun 2 of 1,012 rows asked".split()
    trained = step_line(lines, "sft", "03_sft/adapter/sft.meta.json")
    assert trained[2:] == "begun step 3/60 loss 2.1 left 00:03:00".split()
    assert step_line(lines, "dedup", "01_extract/dedup.jsonl")[2:] == ["not", "started"]
    (tmp_path / "demo/.lock").write_text(f"process {os.getpid()}, since noon\n")
    lines = status(tmp_path)
    assert lines[0].endswith(f"running, process {os.getpid()}")
    assert step_line(lines, "classify_documents", "01_extract/classified.jsonl")[2] == "running"


def test_a_changed_input_is_seen(tmp_path):
    folder = tmp_path / "demo/01_extract"
    folder.mkdir(parents=True)
    counts = {"in": 1, "out": 1, "rejected": {}, "split": 0}
    for age, name in enumerate(("qa", "dedup")):
        write_jsonl(folder / f"{name}.jsonl", [{"id": "1"}])
        (folder / f"{name}.meta.json").write_text(json.dumps({"counts": counts, "seconds": 1}))
        os.utime(folder / f"{name}.jsonl", (1e9 - age, 1e9 - age))
    line = step_line(status(tmp_path), "dedup", "01_extract/dedup.jsonl")
    assert line[2:] == "to be made again qa.jsonl is newer".split()
