"""Ask a language model about every row of a file and keep its raw answers, one line per row, with resume.

    python batch_generate.py --input questions.jsonl --output answers.raw.jsonl --model Qwen/Qwen3-8B --prompt "Solve: <question>"

in   rows with the fields that the prompt names in angle brackets
out  one line per row: id, response, finish_reason (stop | length), prompt_tokens, completion_tokens, model, sampling, messages_hash;
     rows that failed after all retries stand in answers.raw.rejected.jsonl and are asked again by the next run

Two ways to the same result. Without --base-url vLLM runs in this process, one engine per group of GPUs, over all GPUs of the machine. With it,
requests go to any OpenAI-compatible endpoint (several, separated by commas, share the work); the key is read from LLM_API_KEY or OPENAI_API_KEY.
Every answer is on disk as soon as it is there: after a crash the same command asks only for the missing rows. Answers of another model,
prompt or sampling are never mixed in: such a run is refused with both values.
"""

import asyncio
import dataclasses
import fcntl
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import rows as r

WINDOW = 2048  # requests queued in one engine: enough for its largest batch, few enough to bound memory whatever the number of rows
END = object()


# ---- options ----


def add_options(parser, **defaults):
    """Add the options of every script that asks a model; `defaults` overrides e.g. max_tokens=512, and model=None makes the model optional."""
    given = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 4096, "seed": 42, **defaults}
    parser.add_argument(
        "--model",
        required="model" not in defaults,
        metavar="M",
        help="hub id or folder of the model, or its name at the endpoint",
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="OpenAI-compatible endpoint(s), comma-separated; default: vLLM in this process",
    )
    parser.add_argument(
        "--workers",
        type=r.positive,
        default=64,
        metavar="N",
        help="requests in flight at an endpoint (default 64)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=given["temperature"],
        help=f"default {given['temperature']}",
    )
    parser.add_argument(
        "--top-p", type=float, default=given["top_p"], help=f"default {given['top_p']}"
    )
    parser.add_argument(
        "--max-tokens",
        type=r.positive,
        default=given["max_tokens"],
        help=f"longest answer (default {given['max_tokens']})",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=given["seed"],
        metavar="N",
        help=f"seed of the sampling (default {given['seed']})",
    )
    parser.add_argument(
        "--thinking",
        choices=("on", "off"),
        help="for models that can be told (Qwen3): reason in a think block or not",
    )
    parser.add_argument(
        "--tensor-parallel",
        type=r.positive,
        default=1,
        metavar="N",
        help="GPUs an engine (default 1); rows are split among engines",
    )
    parser.add_argument(
        "--engine",
        type=json.loads,
        default={},
        metavar="JSON",
        help='more arguments of vllm.LLM, e.g. {"max_model_len": 8192}',
    )
    parser.add_argument(
        "--sampling",
        type=json.loads,
        default={},
        metavar="JSON",
        help='more sampling parameters of vLLM, e.g. {"top_k": 20}',
    )
    for name in ("limit", "shard", "fresh"):
        parser.add_argument(f"--{name}", **r.STANDARD_OPTIONS[name])


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How an answer is sampled; the raw rows keep what is set.

    json_schema       dict: the answer must be JSON of this schema; choices: list of strings: the answer is one of them
    thinking          True, False: passed to the chat template as enable_thinking; None: the template's default
    retry_max_tokens  answers cut off at max_tokens are asked once more with this budget (`retried` is then true in the raw row)
    seed              of the run; each row's own seed is a hash of it and of the row's id, so that rows do not depend on their order
    extra             further sampling parameters of vLLM by name, e.g. {"top_k": 20}
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int = 42
    stop: list | None = None
    json_schema: dict | None = None
    choices: list | None = None
    thinking: bool | None = None
    retry_max_tokens: int | None = None
    extra: dict = dataclasses.field(default_factory=dict)

    def stored(self):
        """What is set, as a dict for the raw rows and the engine."""
        values = {**dataclasses.asdict(self), **self.extra}
        return {k: v for k, v in values.items() if v is not None and k != "extra"}


def options(args):
    """The parsed options of add_options as keyword arguments of generate_jsonl."""
    return dict(
        model=args.model,
        base_url=args.base_url,
        workers=args.workers,
        tensor_parallel=args.tensor_parallel,
        engine=args.engine,
        sampling=Sampling(
            temperature=args.temperature,
            top_p=args.top_p,
            max_tokens=args.max_tokens,
            seed=args.seed,
            thinking={"on": True, "off": False, None: None}[args.thinking],
            extra=args.sampling,
        ),
    )


def identify(model):
    """Name of a model for resume and meta files; a local folder gets a short hash of its weights' sizes and dates and of its small files,
    so that a model trained again under the same path is another model."""
    folder = Path(model)
    if not folder.is_dir():
        return str(model)
    files = sorted(
        p
        for p in folder.iterdir()
        if p.is_file()
        and p.suffix in (".safetensors", ".json", ".jinja", ".model", ".bin", ".gguf")
    )
    parts = [
        (
            p.name,
            p.stat().st_size,
            p.stat().st_mtime_ns if p.stat().st_size > 1 << 22 else r.file_hash(str(p)),
        )
        for p in files
    ]
    return f"{model}@{r.text_hash(parts)[:8]}"


# ---- the raw file ----


class RawFile:
    """The answers on disk: an index of what is there, appends, and at the end the order of the input."""

    def __init__(self, path):
        self.path, self.rejected_path = Path(path), r.beside(path, "rejected.jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "ab+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise r.BadInput(
                f"{path}: another process is writing this file; wait for it or stop it"
            ) from None
        self.index = {}  # id -> (offset, hash of the experiment)
        self._scan()

    def _scan(self):
        self.file.seek(0)
        offset = 0
        for number, line in enumerate(self.file, 1):
            if not line.endswith(b"\n"):
                print(f"{self.path.name}: the last line was torn by a crash; cut", file=sys.stderr)
                self.file.truncate(offset)
                break
            try:
                row = json.loads(line)
                self.index[row["id"]] = (
                    offset,
                    experiment_hash(row),
                    row["finish_reason"] == "length" and not row.get("retried"),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise r.BadInput(
                    f"{self.path}, line {number}: not a raw row ({type(error).__name__}: {error}); "
                    "mend or delete the line, or start over with --fresh"
                ) from None
            offset += len(line)
        self.file.seek(0, os.SEEK_END)

    def get(self, id_):
        self.file.flush()
        with open(self.path, "rb") as file:
            file.seek(self.index[id_][0])
            return json.loads(file.readline())

    def append(self, row):
        line = r.dumps(row)
        self.index[row["id"]] = (self.file.tell(), None, False)
        self.file.write(line)
        self.file.flush()  # to the kernel: survives kill -9 of this process

    def check(self, request, expected):
        """True where the row's answer is there; BadInput where it belongs to another model, prompt or sampling; False where it is missing."""
        if request["id"] not in self.index:
            return False
        _, stored_hash, truncated = self.index[request["id"]]
        if stored_hash is not None and stored_hash != experiment_hash(expected):
            stored = self.get(request["id"])
            for key in ("model", "sampling", "messages_hash"):
                if stored[key] != expected[key]:
                    name = "prompt (hash of the messages)" if key == "messages_hash" else key
                    raise r.BadInput(
                        f'{self.path}: row "{request["id"]}" was made with {name} {json.dumps(stored[key])}, now it is '
                        f"{json.dumps(expected[key])}; use another output, or --fresh to start over"
                    )
        return not (truncated and expected["sampling"].get("retry_max_tokens"))

    def finish(self, ids, failed):
        """Bring the rows into the order of the input, each once (rows of an earlier, larger input stay at the end); write the failed ones."""
        places = [self.index[i][0] for i in ids if i in self.index]
        rest = self.index.keys() - set(ids)
        places += sorted(self.index[i][0] for i in rest)
        self.file.seek(0, os.SEEK_END)
        if places != sorted(places) or sum(1 for _ in open(self.path, "rb")) != len(places):
            with r.write_aside(self.path) as ordered, open(self.path, "rb") as file:
                for offset in places:
                    file.seek(offset)
                    ordered.write(file.readline())
        if failed:
            r.write(self.rejected_path, failed)
        else:
            self.rejected_path.unlink(missing_ok=True)
        self.file.close()


def experiment_hash(row):
    return r.text_hash(row["model"], row["sampling"], row["messages_hash"])


def read_raw(rows, out_path):
    """Yield (row, raw row or None) for each row, in order; None where the model gave no answer."""
    raw = RawFile(out_path)
    try:
        for row in rows:
            yield row, raw.get(row["id"]) if row["id"] in raw.index else None
    finally:
        raw.file.close()


# ---- the run ----


def generate_jsonl(
    rows,
    to_messages,
    out_path,
    *,
    model,
    base_url=None,
    sampling=None,
    adapter=None,
    workers=64,
    retries=6,
    tensor_parallel=1,
    engines=None,
    engine=None,
    fresh=False,
    **changes,
):
    """Ask `model` about every row; its raw answers stand in out_path, one line per id, in the order of the rows.

    rows         iterable of dicts with `id` (streamed; a second pass is not needed)
    to_messages  function row -> list of chat messages, or a string: a plain completion prompt without chat template
    sampling     a Sampling; `changes` are fields of it that differ in this call, e.g. max_tokens=512
    adapter      folder of a LoRA adapter (in-process engine only)
    engine       further arguments of vllm.LLM; engines: number of engines (default: GPUs / tensor_parallel)

    Returns counts: rows, asked, failed, truncated, prompt_tokens, completion_tokens, seconds. Raises BadInput where stored answers belong to
    another experiment, the file is broken, or no endpoint answers. With base_url no tokenizer or model is loaded.
    """
    if fresh:
        for path in (Path(out_path), r.beside(out_path, "rejected.jsonl")):
            path.unlink(missing_ok=True)
    sampling = dataclasses.replace(sampling or Sampling(), **changes).stored()
    name = (model if base_url else identify(model)) + (f"+{identify(adapter)}" if adapter else "")
    book = Book(
        out_path,
        name,
        sampling,
        total=len(rows) if hasattr(rows, "__len__") else None,
    )
    requests = book.requests(rows, to_messages)
    try:
        if base_url:
            asyncio.run(
                ask_endpoints(
                    requests, book.store, base_url.split(","), model, sampling, workers, retries
                )
            )
        else:
            setup = dict(
                model=str(model),
                adapter=adapter and str(adapter),
                sampling=sampling,
                engine=dict(engine or {}),
            )
            ask_engines(requests, book.store, setup, tensor_parallel, engines)
        book.raw.finish(book.ids, book.failed)
    finally:
        book.bar.close()
        book.raw.file.close()
    if book.failed:
        print(
            f"{book.raw.path.name}: {len(book.failed)} rows got no answer, see {book.raw.rejected_path.name}; "
            f"first: {book.failed[0]['error'][:200]}",
            file=sys.stderr,
        )
    return {**book.counts, "seconds": round(time.time() - book.started, 1)}


class Book:
    """What is asked and what was answered in one run of generate_jsonl: requests() gives the rows still to ask, store() keeps an answer."""

    def __init__(self, out_path, name, sampling, total):
        self.raw, self.ids, self.failed, self.started = RawFile(out_path), [], [], time.time()
        self.name, self.sampling = name, sampling
        self.retry_max_tokens = sampling.get("retry_max_tokens")
        self.counts = dict(
            rows=0, asked=0, failed=0, truncated=0, prompt_tokens=0, completion_tokens=0
        )
        self.bar = r.progress(total=total, desc=self.raw.path.name)

    def requests(self, rows, to_messages):
        """Requests of the rows that have no answer yet, or one that was cut off while a larger budget is at hand."""
        for row in rows:
            messages = to_messages(row)
            request = dict(
                id=row["id"],
                messages=messages,
                max_tokens=self.sampling["max_tokens"],
                seed=row_seed(self.sampling["seed"], row["id"]),
            )
            expected = dict(
                id=row["id"],
                model=self.name,
                sampling=self.sampling,
                messages_hash=r.text_hash(messages),
            )
            self.ids.append(row["id"])
            self.counts["rows"] += 1
            if self.raw.check(request, expected):
                self.bar.update()
                continue
            if row["id"] in self.raw.index:  # truncated in an earlier run
                request["max_tokens"] = self.retry_max_tokens
            if not self.counts["asked"]:
                self.announce(messages)
            self.counts["asked"] += 1
            yield {**request, "expected": expected}

    def announce(self, messages):
        show_first(self.raw.path.name, messages)
        if self.bar.total:
            print(
                f"{self.raw.path.name}: at most {self.bar.total - self.bar.n:,} rows to ask ({self.bar.n:,} are there), up to "
                f"{self.sampling['max_tokens']:,} tokens each; the bar shows tokens/s and the time left",
                file=sys.stderr,
            )

    def store(self, request, answer):
        """Store an answer; returns the request again where it is worth a longer try."""
        self.counts["prompt_tokens"] += answer.get("prompt_tokens", 0)
        self.counts["completion_tokens"] += answer.get("completion_tokens", 0)
        truncated, longer = answer.get("finish_reason") == "length", self.retry_max_tokens
        if truncated and longer and request["max_tokens"] < longer:
            return {**request, "max_tokens": longer, "first": answer}
        if (
            "error" in answer and "first" in request
        ):  # the longer try does not fit the context: the answer that was cut off stands
            answer, truncated = {**request["first"], "retry_error": answer["error"]}, True
        if "error" in answer:
            self.counts["failed"] += 1
            self.failed.append(
                dict(
                    id=request["id"],
                    reason="generation failed",
                    error=answer["error"],
                    messages=request["messages"],
                )
            )
        else:
            self.counts["truncated"] += truncated
            retried = {"retried": True} if longer and request["max_tokens"] == longer else {}
            self.raw.append({"id": request["id"], **answer, **retried, **request["expected"]})
        self.bar.set_postfix_str(
            f"{self.counts['completion_tokens'] / (time.time() - self.started):,.0f} tokens/s",
            refresh=False,
        )
        self.bar.update()
        return None


def row_seed(seed, id_):
    """Seed of one row (31 bits): a hash of the run's seed and the row's id, so that its answer does not depend on other rows."""
    return int(r.text_hash(str(seed), id_), 16) % 2**31


def show_first(name, messages):
    text = (
        messages
        if isinstance(messages, str)
        else "\n".join(f"[{m['role']}] {m['content']}" for m in messages)
    )
    print(
        f"--- first prompt of {name} ---\n{text[:1500]}{' ...' if len(text) > 1500 else ''}\n---",
        file=sys.stderr,
    )


# ---- an endpoint ----


async def ask_endpoints(requests, emit, urls, model, sampling, workers, retries):
    """Send the requests to OpenAI-compatible endpoints, `workers` in flight, with the client's own retries and back-off."""
    import openai

    first = next(requests, END)
    if first is END:
        return
    requests = itertools.chain([first], requests)
    key = os.environ.get("LLM_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
    clients = [
        openai.AsyncOpenAI(base_url=url.strip(), api_key=key, max_retries=retries, timeout=3600)
        for url in urls
    ]
    for client, url in zip(clients, urls, strict=True):
        try:
            await client.with_options(max_retries=2, timeout=30).models.list()
        except openai.APIConnectionError:
            raise r.NoEndpoint(
                f"--base-url {url}: no server answers there; start it, or leave --base-url out to run vLLM in this process"
            ) from None
        except openai.APIStatusError:
            pass  # many hosted endpoints do not list their models
    extra = {
        k: v
        for k, v in sampling.items()
        if k
        not in (
            "temperature",
            "top_p",
            "max_tokens",
            "seed",
            "stop",
            "json_schema",
            "choices",
            "thinking",
            "retry_max_tokens",
        )
    }
    if "choices" in sampling:
        extra["structured_outputs"] = {"choice": sampling["choices"]}
    if "thinking" in sampling:
        extra["chat_template_kwargs"] = {"enable_thinking": sampling["thinking"]}
    known = {k: sampling[k] for k in ("temperature", "top_p", "stop") if k in sampling}
    if "json_schema" in sampling:
        known["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": sampling["json_schema"], "strict": True},
        }

    async def ask(client, request):
        asked = dict(
            model=model,
            max_tokens=request["max_tokens"],
            seed=request["seed"],
            extra_body=extra or None,
            **known,
        )
        if isinstance(request["messages"], str):
            done = await client.completions.create(prompt=request["messages"], **asked)
            text, more = done.choices[0].text, {}
        else:
            done = await client.chat.completions.create(messages=request["messages"], **asked)
            message = done.choices[0].message
            reasoning = getattr(message, "reasoning", None) or getattr(
                message, "reasoning_content", None
            )
            text, more = message.content, {"reasoning": reasoning} if reasoning else {}
        usage = done.usage
        return dict(
            response=text or "",
            finish_reason=done.choices[0].finish_reason or "stop",
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
            **more,
        )

    async def work(number):
        client = clients[number % len(clients)]
        for request in requests:
            while request is not None:
                try:
                    answer = await ask(client, request)
                except (
                    openai.APIConnectionError,
                    openai.AuthenticationError,
                    openai.PermissionDeniedError,
                    openai.NotFoundError,
                ) as error:
                    raise r.BadInput(
                        f"--base-url {client.base_url}: {type(error).__name__}: {str(error)[:300]}; "
                        "the answers so far are kept, the same command goes on"
                    ) from None
                except (openai.APIError, IndexError, AttributeError) as error:
                    answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
                request = emit(request, answer)

    tasks = [asyncio.create_task(work(number)) for number in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        for client in clients:
            await client.close()


# ---- vLLM in this process, or one child process per group of GPUs ----


def visible_gpus():
    """Ids of the NVIDIA GPUs this process may use, without importing torch; [] where there is none."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [
            gpu.strip() for gpu in named.split(",") if gpu.strip() not in ("", "-1", "NoDevFiles")
        ]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return (
        [
            str(number)
            for number, line in enumerate(listed.stdout.splitlines())
            if line.startswith("GPU")
        ]
        if listed.returncode == 0
        else []
    )


def ask_engines(requests, emit, setup, tensor_parallel, engines):
    """Generate with vLLM here, or in one child process per group of GPUs where there are several."""
    first = next(requests, END)
    if first is END:
        return  # nothing to ask: no engine is started
    requests = itertools.chain([first], requests)
    gpus = visible_gpus()
    if gpus and len(gpus) < tensor_parallel:
        raise r.BadInput(
            f"--tensor-parallel {tensor_parallel}: only {len(gpus)} GPU(s) are visible"
        )
    setup["engine"].setdefault("tensor_parallel_size", tensor_parallel)
    engines = engines or max(1, len(gpus) // tensor_parallel)
    if engines > 1:
        cores = sorted(os.sched_getaffinity(0))
        places = [
            {
                "CUDA_VISIBLE_DEVICES": ",".join(
                    gpus[i * tensor_parallel : (i + 1) * tensor_parallel]
                )
            }
            if gpus
            else {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores[i::engines]))}
            for i in range(engines)
        ]
        return ask_children(requests, emit, setup, places)
    drive(setup, lambda idle: next(requests, END), emit)


ENGINE = {}  # the engine of this process by its arguments: a second call with the same model pays no second start


def engine_for(setup):
    """The vllm.LLM of this setup: the running one where its arguments are the same, else a new one in its place."""
    key = json.dumps([setup["model"], setup["adapter"], setup["engine"]], sort_keys=True)
    if key not in ENGINE:
        if ENGINE:
            import gc

            ENGINE.popitem()[1].llm_engine.engine_core.shutdown()
            gc.collect()
        ENGINE[key] = start_engine(setup)
    return ENGINE[key]


def start_engine(setup):
    """vllm.LLM with defaults that suit the machine."""
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    arguments = {"model": setup["model"], "seed": 0, **setup["engine"]}
    if setup["adapter"]:
        arguments |= {
            "enable_lora": True,
            "max_lora_rank": json.loads(
                (Path(setup["adapter"]) / "adapter_config.json").read_text()
            )["r"],
        }
    if not visible_gpus():
        cores = sorted(os.sched_getaffinity(0))
        os.environ.setdefault(
            "VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores))
        )  # "auto" keeps one core back
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB
        arguments.setdefault(
            "enforce_eager", True
        )  # torch.compile pays back only after about 60,000 tokens on 2 cores
        arguments.setdefault("max_model_len", 4096)
    import psutil
    import vllm

    llm = vllm.LLM(**arguments)
    # vLLM's processes outlive a parent that was killed, with cores and memory: this shell ends them when the pipe from here closes
    pids = " ".join(str(child.pid) for child in psutil.Process().children(recursive=True))
    llm.watchdog = subprocess.Popen(
        ["sh", "-c", f"trap '' INT TERM; cat >/dev/null; sleep 10; kill -9 {pids} 2>/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return llm


def drive(setup, take, give):
    """Keep one engine busy until take() returns END: take(idle) -> request, END, or None (nothing now);
    give(request, answer) -> the request to ask again, or None."""
    llm = engine_for(setup)
    import vllm
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    engine, tokenizer, sampling = llm.llm_engine, llm.get_tokenizer(), setup["sampling"]
    own = ("json_schema", "choices", "thinking", "retry_max_tokens", "max_tokens", "seed")
    known = {k: v for k, v in sampling.items() if k not in own}
    if "json_schema" in sampling or "choices" in sampling:
        known["structured_outputs"] = StructuredOutputsParams(
            json=sampling.get("json_schema"), choice=sampling.get("choices")
        )
    thinking = {"enable_thinking": sampling["thinking"]} if "thinking" in sampling else {}
    lora = (
        vllm.lora.request.LoRARequest("adapter", 1, setup["adapter"]) if setup["adapter"] else None
    )
    asked, ended, number = {}, False, itertools.count()

    def add(request):
        messages = request["messages"]
        try:
            if isinstance(messages, str):
                ids = tokenizer(messages).input_ids
            else:
                ids = tokenizer.apply_chat_template(
                    messages,
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=False,
                    **thinking,
                )
            params = vllm.SamplingParams(
                max_tokens=request["max_tokens"],
                seed=request["seed"],
                output_kind=RequestOutputKind.FINAL_ONLY,
                **known,
            )
            asked[key] = request if (key := str(next(number))) else None
            engine.add_request(key, {"prompt_token_ids": ids}, params, lora_request=lora)
        except ValueError as error:  # a prompt longer than the context, a bad schema: this row's fault, not the run's
            asked.pop(key, None)
            give(request, {"error": f"{type(error).__name__}: {error}"[:1000]})

    while not ended or asked:
        while not ended and len(asked) < WINDOW:
            request = take(not asked)
            if request is END:
                ended = True
            if request is END or request is None:
                break
            add(request)
        for output in engine.step() if asked else ():
            if output.finished:
                request, best = asked.pop(output.request_id), output.outputs[0]
                again = give(
                    request,
                    dict(
                        response=best.text,
                        finish_reason=best.finish_reason or "stop",
                        prompt_tokens=len(output.prompt_token_ids),
                        completion_tokens=len(best.token_ids),
                    ),
                )
                if again is not None:
                    add(again)


def ask_children(requests, emit, setup, places):
    """One child process per engine; requests and answers travel as JSON lines, and only this process writes files."""
    answers, children = queue.Queue(), []

    def listen(child):
        for line in child.stdout:
            answers.put((child, json.loads(line)))
        answers.put((child, None))

    def send(child, request):
        child.waiting[request["id"]] = request
        child.stdin.write(json.dumps({k: v for k, v in request.items() if k != "expected"}) + "\n")
        child.stdin.flush()

    def next_for(child):
        request = next(requests, END)
        if request is not END:
            send(child, request)
        elif not child.waiting:
            child.stdin.close()

    try:
        for place in places:
            child = subprocess.Popen(
                [sys.executable, __file__, "--engine-worker", json.dumps(setup)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **place},
            )
            child.waiting = {}
            children.append(child)
            threading.Thread(target=listen, args=(child,), daemon=True).start()
        for _ in range(WINDOW // 4):  # dealt in turn, so that a small file is split evenly
            for child in children:
                if not child.stdin.closed:
                    next_for(child)
        running = len(children)
        while running:
            child, answer = answers.get()
            if answer is None:
                running -= 1
                if child.wait() or child.waiting:
                    raise RuntimeError(
                        f"an engine process ended with code {child.returncode}; its messages stand above. The answers so far are kept"
                    )
                continue
            again = emit(child.waiting.pop(answer.pop("id")), answer)
            send(child, again) if again is not None else next_for(child)
    finally:
        for child in children:
            child.terminate()


def engine_worker(setup):
    """Child process: requests on stdin, answers on the real stdout; whatever else prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    incoming = queue.Queue()

    def listen():
        for line in sys.stdin:
            incoming.put(json.loads(line))
        incoming.put(END)

    def give(request, answer):
        answers.write(json.dumps({"id": request["id"], **answer}) + "\n")
        answers.flush()

    def take(idle):
        try:
            return incoming.get(block=idle)
        except queue.Empty:
            return None

    threading.Thread(target=listen, daemon=True).start()
    drive(setup, take, give)


def main():
    parser = r.parser(__doc__, "input", "output")
    parser.add_argument(
        "--prompt",
        required=True,
        metavar="TEXT",
        help="the user message; <field> is replaced by that field of the row",
    )
    add_options(parser)
    args = parser.parse_args()
    if not args.output.endswith(".jsonl"):
        raise r.BadInput(f"--output {args.output}: the name must end in .jsonl")
    rows = list(r.read(args.input, limit=args.limit))

    def to_messages(row):
        text = args.prompt
        for field, value in row.items():
            text = text.replace(f"<{field}>", str(value))
        return [{"role": "user", "content": text}]

    print(
        json.dumps(
            generate_jsonl(rows, to_messages, args.output, fresh=args.fresh, **options(args))
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine-worker"]:
        engine_worker(json.loads(sys.argv[2]))
    else:
        r.run(main)
