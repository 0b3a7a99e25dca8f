"""Ask a language model about every row of a file and keep its raw answers, one line per row, with resume.

    python batch_generate.py --input questions.jsonl --output answers.raw.jsonl --model Qwen/Qwen3-8B --prompt "Solve: <question>"

in   rows with the fields that the prompt names in angle brackets
out  one line per row: id, response, finish_reason (stop | length), prompt_tokens, completion_tokens, model, sampling, messages_hash;
     rows that failed after all retries stand in answers.raw.rejected.jsonl and are asked again by the next run

Without --base-url vLLM runs in this process, one engine per group of GPUs. With it, requests go to any OpenAI-compatible endpoint
(several, separated by commas, share the work; the rows of one that goes away go to the others); the key is read from LLM_API_KEY or
OPENAI_API_KEY. After a crash the same command asks only for the missing rows, with a larger --max-tokens only for those that were cut
off. Answers of another model, prompt or sampling are never mixed in. BUDGET (money, at PRICE_PER_GPU_HOUR, or PRICE_IN and PRICE_OUT
per million tokens) stops a run cleanly.
"""

import asyncio
import collections
import contextlib
import dataclasses
import fcntl
import functools
import itertools
import json
import os
import queue
import random
import re
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import msgspec

import rows as r

END = object()
GROUP = 32  # consecutive rows with the same messages that are asked in one request
# requests in flight at an endpoint: at first, and where its queue stays empty
START, MOST = 64, 2048
TIMEOUT, PATIENCE = 3600, 60  # seconds for one answer; without any endpoint before the run ends
BACKOFF = 0.5  # seconds before the first retry, then twice as long each time
LARGEST = 1 << 24  # bytes of a reply
THINKING_TOKENS = 8192  # below this budget a model that reasons is often cut off
AGAIN_TEMPERATURE = 0.7  # of the second try where an answer could not be read


# ---- prompts ----

# Names of the tags that rows' texts stand between in prompts.
FENCES = (
    "question answer known_answer reference response passage skeleton document training_row "
    "benchmark_question"
).split()
FENCE = re.compile(rf"(?i)<(?=\s*/?\s*(?:{'|'.join(FENCES)})\b)")


def fill(prompt, /, **values):
    """The prompt with its placeholders <name> filled in one pass: a placeholder that stands in a text is left alone."""
    return re.sub(r"<([^<>\n]+)>", lambda found: str(values.get(found[1], found[0])), prompt)


def fenced(name, text):
    """A row's text between tags that nothing in it opens or closes, so that instructions in it stay text: <passage> ... </passage>."""
    assert name in FENCES, name
    return f"<{name}>\n{defused(text)}\n</{name}>"


def user_turn(prompt, /, texts=(), **values):
    """Chat messages of one prompt; `texts` are filled in between their tags, `values` as they are."""
    blocks = {name: fenced(name, text) for name, text in dict(texts).items()}
    return [{"role": "user", "content": fill(prompt, **blocks, **values)}]


def defused(text):
    """The text with &lt; for the < of every tag that fences of prompts have; HTML stays as it is."""
    return FENCE.sub("&lt;", str(text))


# ---- options ----

OPTIONS = {
    "base-url": dict(
        metavar="URL",
        help="OpenAI-compatible endpoint(s), comma-separated; default: vLLM in this process",
    ),
    "workers": dict(
        type=r.positive,
        metavar="N",
        help="requests in flight over all endpoints (default: what their queues take)",
    ),
    "temperature": dict(type=float),
    "top-p": dict(type=float),
    "max-tokens": dict(type=r.positive, metavar="N", help="longest answer (default {})"),
    "seed": dict(type=int, metavar="N", help="seed of the sampling (default {})"),
    "sampling": dict(
        metavar="JSON",
        help='more sampling parameters of vLLM, e.g. {"top_k": 20}; or the word model: temperature '
        "and the rest as the model's own generation_config says",
    ),
    "thinking": dict(
        choices=("on", "off"),
        help="for models that can be told (Qwen3): reason in a think block or not",
    ),
    "system-prompt": dict(metavar="TEXT", help="system message before each prompt"),
    "chat-template-args": dict(
        type=json.loads, metavar="JSON", help='e.g. {"reasoning_effort": "high"}'
    ),
    "deterministic": dict(
        action="store_true",
        help="answers that do not depend on the batch (vLLM's batch-invariant kernels, slower)",
    ),
    "tensor-parallel": dict(
        type=r.positive,
        metavar="N",
        help="GPUs an engine (default 1); rows are split among engines",
    ),
    "engine": dict(
        type=json.loads,
        metavar="JSON",
        help='more arguments of vllm.LLM, e.g. {"max_model_len": 8192, "quantization": "fp8"}',
    ),
}


def add_options(parser, **defaults):
    """Add the options of every script that asks a model; `defaults` overrides e.g. max_tokens=512, and model=None makes the model optional."""
    add = parser.add_argument
    given = dict(temperature=0.0, top_p=1.0, max_tokens=4096, seed=42, tensor_parallel=1)
    given = {**given, "engine": {}, "sampling": "{}", **defaults}
    add(
        "--model",
        required="model" not in defaults,
        metavar="M",
        help="hub id or folder of the model, or its name at the endpoint",
    )
    for name, option in OPTIONS.items():
        default = given.get(name.replace("-", "_"))
        text = (
            option.get("help", "default {}").format(default)
            if "{}" in option.get("help", "{}")
            else option["help"]
        )
        more = {} if option.get("action") else {"default": default}
        add(f"--{name}", **{**option, "help": text, **more})
    for name in ("limit", "shard", "fresh"):
        add(f"--{name}", **r.STANDARD_OPTIONS[name])


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How an answer is sampled; the raw rows keep what is set.

    temperature       None: temperature, top_p and the rest of the model's own generation_config
    json_schema       dict: the answer must be JSON of this schema; choices: list of strings: the answer is one of them
    thinking          True, False: passed to the chat template as enable_thinking; None: the template's default
    template_args     further arguments of the chat template
    retry_max_tokens  answers cut off at max_tokens are asked once more with this budget (`retried` is then true in the raw row)
    seed              of the run; each row's own seed is a hash of it and of the row's id, so that rows do not depend on their order
    extra             further sampling parameters of vLLM by name, e.g. {"top_k": 20}
    """

    temperature: float | None = 0.0
    top_p: float | None = 1.0
    max_tokens: int = 4096
    seed: int = 42
    stop: list | None = None
    json_schema: dict | None = None
    choices: list | None = None
    thinking: bool | None = None
    template_args: dict | None = None
    retry_max_tokens: int | None = None
    deterministic: bool | None = None
    extra: dict = dataclasses.field(default_factory=dict)

    def stored(self):
        """What is set, as a dict for the raw rows."""
        values = {**dataclasses.asdict(self), **self.extra}
        if self.temperature is None:
            values |= {"temperature": "model", "top_p": None}
        return {k: v for k, v in values.items() if v is not None and k != "extra"}


def sampler(sampling):
    """The parameters of the sampler itself among a raw row's `sampling`; the model's own are left out."""
    ours = {field.name for field in dataclasses.fields(Sampling)} - {"temperature", "top_p", "stop"}
    return {k: v for k, v in sampling.items() if k not in ours and v != "model"}


def template_args(sampling):
    thinking = {"enable_thinking": sampling["thinking"]} if "thinking" in sampling else {}
    return {**thinking, **sampling.get("template_args", {})}


def options(args):
    """The parsed options of add_options as keyword arguments of generate_jsonl."""
    own = args.sampling == "model"
    try:
        extra = {} if own else json.loads(args.sampling)
    except ValueError:
        raise r.BadInput(f"--sampling {args.sampling}: neither JSON nor the word model") from None
    return dict(
        model=args.model,
        base_url=args.base_url,
        workers=args.workers,
        tensor_parallel=args.tensor_parallel,
        engine=args.engine,
        system_prompt=args.system_prompt,
        sampling=Sampling(
            temperature=None if own else args.temperature,
            top_p=None if own else args.top_p,
            max_tokens=args.max_tokens,
            seed=args.seed,
            thinking={"on": True, "off": False, None: None}[args.thinking],
            template_args=args.chat_template_args,
            deterministic=args.deterministic or None,
            extra=extra,
        ),
    )


def row_seed(seed, id_):
    """Seed of one row (31 bits): a hash of the run's seed and the row's id, so that its answer does not depend on other rows."""
    return int(r.text_hash(str(seed), id_), 16) % 2**31


def identify(model):
    """Name of a model for resume and meta files; a local folder gets a short hash of its weights' sizes and dates and of its small files,
    so that a model trained again under the same path is another model."""
    folder = Path(model)
    if not folder.is_dir():
        return str(model)
    kinds = (".safetensors", ".json", ".jinja", ".model", ".bin", ".gguf")
    parts = []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in kinds):
        size = path.stat().st_size
        large = size > 1 << 22
        parts.append(
            (path.name, size, path.stat().st_mtime_ns if large else r.file_hash(str(path)))
        )
    return f"{model}@{r.text_hash(parts)[:8]}"


# ---- the raw file ----


class RawFile:
    """The answers on disk: an index of what is there, appends, and at the end the order of the input.

    The index is a temporary SQLite table that spills to disk: its memory does not grow with the rows.
    """

    COLUMNS = "offset, experiment, budget, cut, prompt_tokens, completion_tokens"

    def __init__(self, path):
        self.path, self.rejected_path = Path(path), r.beside(path, "rejected.jsonl")
        r.aside_of(self.path)
        self.file = open(self.path, "ab+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise r.BadInput(
                f"{path}: another process is writing this file; wait for it or stop it"
            ) from None
        self.reader, self.lines = open(self.path, "rb"), 0
        self.table = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self.table.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE rows (id BLOB PRIMARY KEY, place INTEGER, "
            f"{self.COLUMNS}) WITHOUT ROWID; BEGIN"
        )
        self._scan()

    def _scan(self):
        offset = 0
        for number, line in enumerate(self.reader, 1):
            if not line.endswith(b"\n"):
                r.say(f"{self.path.name}: the last line was torn by a crash; cut")
                self.file.truncate(offset)
                break
            try:
                self._note(r.decode(line), offset)
            except (ValueError, KeyError, TypeError) as error:
                raise r.BadInput(
                    f"{self.path}, line {number}: not a raw row ({type(error).__name__}: {error}); "
                    "mend or delete the line, or start over with --fresh"
                ) from None
            offset += len(line)
        self.file.seek(0, os.SEEK_END)

    def _note(self, row, offset):
        """Put a row into the index: where it stands, what experiment and budget it is of, where it was cut off, what it took."""
        sampling, budget = row["sampling"], row["sampling"]["max_tokens"]
        used = max(budget, sampling.get("retry_max_tokens", 0)) if row.get("retried") else budget
        cut = used if row["finish_reason"] == "length" else 0
        more = row.get("earlier", {})
        spent = [row[k] + more.get(k, 0) for k in ("prompt_tokens", "completion_tokens")]
        values = (offset, experiment_hash(row), budget, cut, *spent)
        self.table.execute(
            f"INSERT INTO rows (id, {self.COLUMNS}) VALUES (?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
            f"({self.COLUMNS}) = (?,?,?,?,?,?)",
            (key_of(row["id"]), *values, *values),
        )
        self.lines += 1

    def find(self, id_):
        """(offset, experiment, budget, cut) of a row's answer, or None."""
        found = self.table.execute(
            "SELECT offset, experiment, budget, cut FROM rows WHERE id = ?", (key_of(id_),)
        ).fetchone()
        return found if found and found[0] is not None else None

    def get(self, id_):
        """The raw row of an id, or None."""
        if (found := self.find(id_)) is None:
            return None
        self.reader.seek(found[0])
        return r.decode(self.reader.readline())

    def append(self, row):
        offset = self.file.tell()
        with r.naming(self.path):
            self.file.write(r.dumps(row))
            self.file.flush()  # to the kernel: survives kill -9 of this process
        self._note(row, offset)

    def place(self, id_, number):
        """Remember the place of a row in the input."""
        self.table.execute(
            "INSERT INTO rows (id, place) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET place = excluded.place",
            (key_of(id_), number),
        )

    def check(self, id_, expected):
        """True where the row's answer is there, False where it is missing, None where it was cut off at a smaller budget than there is
        now; BadInput where it belongs to another model, prompt or sampling."""
        if (found := self.find(id_)) is None:
            return False
        _, experiment, budget, cut = found
        sampling = expected["sampling"]
        if experiment != experiment_hash(expected) or budget > sampling["max_tokens"]:
            stored = self.get(id_)
            key = next(
                k for k in ("model", "sampling", "messages_hash") if stored[k] != expected[k]
            )
            name = "prompt (hash of the messages)" if key == "messages_hash" else key
            raise r.BadInput(
                f'{self.path}: row "{id_}" was made with {name} {json.dumps(stored[key])}, now it is '
                f"{json.dumps(expected[key])}; use another output, or --fresh to start over"
            )
        return None if 0 < cut < largest_budget(sampling) else True

    def spent(self):
        """Tokens of every answer in the file, with those of the tries before it."""
        sums = self.table.execute("SELECT sum(prompt_tokens), sum(completion_tokens) FROM rows")
        return dict(
            zip(
                ("prompt_tokens", "completion_tokens"),
                map(int, (n or 0 for n in sums.fetchone())),
                strict=True,
            )
        )

    def finish(self, failed):
        """Bring the rows into the order of the input, each once (rows of an earlier, larger input stay at the end); write the failed ones."""
        order = "FROM rows WHERE offset IS NOT NULL ORDER BY place IS NULL, place, offset"
        places = (offset for (offset,) in self.table.execute(f"SELECT offset {order}"))
        rows = sum(
            1
            for before, after in itertools.pairwise(itertools.chain([-1], places))
            if before < after
        )
        if rows < self.lines:
            with r.write_aside(self.path) as ordered:
                for (offset,) in self.table.execute(f"SELECT offset {order}"):
                    self.reader.seek(offset)
                    ordered.write(self.reader.readline())
        if failed:
            r.write(self.rejected_path, failed)
        else:
            self.rejected_path.unlink(missing_ok=True)

    def close(self):
        self.table.close()
        self.reader.close()
        self.file.close()


def key_of(id_):
    return id_.encode("utf-8", "surrogatepass")


def largest_budget(sampling):
    return max(sampling["max_tokens"], sampling.get("retry_max_tokens", 0))


def experiment_hash(row):
    """What must be the same for answers to stand in one file; the budgets may grow."""
    return hash_sampling(row["model"], r.quick_encode(row["sampling"])) + row["messages_hash"]


@functools.lru_cache(64)
def hash_sampling(model, encoded):
    sampling = r.quick_decode(encoded)
    budgets = ("max_tokens", "retry_max_tokens")
    return r.text_hash(model, {k: v for k, v in sampling.items() if k not in budgets})


def read_raw(rows, out_path):
    """Yield (row, raw row or None) for each row, in order; None where the model gave no answer, or was not asked (out_path is None)."""
    if out_path is None:
        yield from ((row, None) for row in rows)
        return
    raw = RawFile(out_path)
    try:
        for row in rows:
            yield row, raw.get(row["id"])
    finally:
        raw.close()


# ---- the run ----


def generate_jsonl(
    rows,
    to_messages,
    out_path,
    *,
    model,
    base_url=None,
    sampling=None,
    system_prompt=None,
    readable=None,
    adapter=None,
    workers=None,
    retries=6,
    tensor_parallel=1,
    engines=None,
    engine=None,
    backend=None,
    fresh=False,
    **changes,
):
    """Ask `model` about every row; its raw answers stand in out_path, one line per id, in the order of the rows.

    rows         iterable of dicts with `id` (streamed; a second pass is not needed); consecutive rows with the same messages are asked in
                 one request (n answers) where they are sampled
    to_messages  function row -> list of chat messages, or a string: a plain completion prompt without chat template
    sampling     a Sampling; `changes` are fields of it that differ in this call, e.g. max_tokens=512
    readable     function text -> bool: an answer that cannot be read is asked for once more, with another seed and warmer
    adapter      folder of a LoRA adapter (in-process engine only)
    engine       further arguments of vllm.LLM; engines: number of engines (default: GPUs / tensor_parallel)
    backend      function (requests, emit, setup) that answers in the place of vLLM, as run_eval's by transformers does

    Returns counts: rows, asked, failed, truncated, seconds, the tokens of this call and (`all_runs`) of every run. Raises BadInput where
    stored answers belong to another experiment, the file is broken, or no endpoint answers, OutOfBudget where BUDGET is spent. With
    base_url no tokenizer or model is loaded.
    """
    for path in (Path(out_path), r.beside(out_path, "rejected.jsonl")):
        if fresh and path.exists():
            r.say(f"--fresh: deleting {path}")
            path.unlink()
    if "temperature" in changes:
        changes = {"top_p": 1.0, **changes}
    sampling = dataclasses.replace(sampling or Sampling(), **changes).stored()
    name = (model if base_url else identify(model)) + (f"+{identify(adapter)}" if adapter else "")
    total = len(rows) if hasattr(rows, "__len__") else None
    book = Book(out_path, name, sampling, system_prompt, readable, total)
    requests = book.requests(rows, to_messages)
    try:
        if base_url:
            client = Client(base_url.split(","), model, sampling, workers, retries)
            book.counts["by_endpoint"] = run_async(client.run(requests, book.store))
        else:
            setup = dict(
                model=str(model),
                adapter=adapter and str(adapter),
                sampling=sampling,
                engine=dict(engine or {}),
            )
            if backend:
                backend(requests, book.store, setup)
            else:
                ask_engines(requests, book.store, setup, tensor_parallel, engines)
        return book.finish()
    finally:
        book.bar.close()
        book.raw.close()


def answer_of(old):
    """What a further try of a stored row must know: the answer that stands, and the tokens it took."""
    own = ("id", "model", "sampling", "messages_hash", "earlier", "retried", "asked_again")
    first, before = {k: v for k, v in old.items() if k not in own}, old.get("earlier", {})
    tokens = ("prompt_tokens", "completion_tokens")
    return {"first": first, "earlier": {k: old[k] + before.get(k, 0) for k in tokens}}


class OutOfBudget(r.BadInput):
    """BUDGET is spent: what was answered is kept."""

    exit_code = 4


class Book:
    """What is asked and what was answered in one run of generate_jsonl: requests() gives what is still to ask, store() keeps an answer.

    A request: ids (rows that share the messages), messages, expected (for each id, what its raw row says of the experiment), max_tokens,
    seed, and where it is a further try of one row: temperature, first (the answer before), earlier (tokens of the tries before).
    """

    def __init__(self, out_path, name, sampling, system_prompt, readable, total):
        self.raw, self.failed, self.started = RawFile(out_path), [], time.time()
        self.name, self.sampling, self.system_prompt = name, sampling, system_prompt
        self.readable, self.budget, self.warned = readable, largest_budget(sampling), False
        self.counts = dict.fromkeys(("rows", "asked", "failed", "truncated"), 0)
        self.counts |= {"prompt_tokens": 0, "completion_tokens": 0}
        self.money, self.stopped = Money(), False
        self.bar = r.progress(total=total, desc=self.raw.path.name)

    def requests(self, rows, to_messages):
        """Requests of the rows that have no answer yet, or one that was cut off while a larger budget is at hand."""
        for group in self.groups(self.missing(rows, to_messages)):
            if self.money.spent(self.counts, self.started):
                self.stopped = True
                return
            first = group[0]
            if not self.counts["asked"]:
                self.announce(first["messages"])
            self.counts["asked"] += len(group)
            expected = [one["expected"] for one in group]
            seed = row_seed(self.sampling["seed"], expected[0]["id"])
            yield {
                **first,
                "expected": expected,
                "ids": [one["id"] for one in expected],
                "seed": seed,
            }

    def missing(self, rows, to_messages):
        for row in rows:
            messages = self.with_system(to_messages(row))
            expected = dict(
                id=row["id"],
                model=self.name,
                sampling=self.sampling,
                messages_hash=r.text_hash(messages),
            )
            there = self.raw.check(row["id"], expected)
            one = dict(expected=expected, messages=messages, max_tokens=self.sampling["max_tokens"])
            if there is None:  # cut off in an earlier run
                old = self.raw.get(row["id"])
                one |= {"max_tokens": self.budget, **answer_of(old)}
            self.raw.place(row["id"], self.counts["rows"])
            self.counts["rows"] += 1
            if there:
                self.bar.update()
            else:
                yield one

    def groups(self, missing):
        """Lists of consecutive rows that one request can ask: the same messages and budget, and an answer that is drawn by lot."""
        sampled, group = self.sampling["temperature"] != 0, []
        for one in missing:
            joins = group and sampled and len(group) < GROUP and "first" not in one
            if group and not (
                joins and "first" not in group[0] and one["messages"] == group[0]["messages"]
            ):
                yield group
                group = []
            group.append(one)
        if group:
            yield group

    def with_system(self, messages):
        if not self.system_prompt:
            return messages
        if isinstance(messages, str):
            raise r.BadInput("--system-prompt needs a chat template; this prompt is plain text")
        return [{"role": "system", "content": self.system_prompt}, *messages]

    def announce(self, messages):
        show_first(self.raw.path.name, messages)
        if self.sampling.get("thinking"):
            self.warn_thinking()
        if self.bar.total:
            r.say(
                f"{self.raw.path.name}: at most {self.bar.total - self.bar.n:,} rows to ask ({self.bar.n:,} are there), up to "
                f"{self.sampling['max_tokens']:,} tokens each; the bar shows tokens/s and the time left"
            )

    def warn_thinking(self):
        """Say once what harms a model that reasons before it answers."""
        faults = []
        if self.sampling["temperature"] == 0:
            faults.append("greedy sampling makes it repeat itself (--sampling model takes its own)")
        if self.budget < THINKING_TOKENS:
            faults.append(
                f"{self.budget:,} tokens cut it off (--max-tokens {THINKING_TOKENS} or more)"
            )
        if faults and not self.warned:
            r.say(f"warning: this model reasons before it answers: {'; '.join(faults)}")
        self.warned = True

    def store(self, request, answer):
        """Keep an answer; returns the requests to ask again, one row each.

        answer: {"error": why} or {"texts": [one dict for each id: response, finish_reason, completion_tokens, ...], "prompt_tokens": n}
        """
        ids, again = request["ids"], []
        if len(ids) > 1 and "error" in answer:
            answer = {"texts": []}  # an endpoint without n, or one bad text: each row by itself
        for place, (id_, expected) in enumerate(zip(ids, request["expected"], strict=True)):
            alone = {**request, "ids": [id_], "expected": [expected]}
            if "error" in answer:
                one = answer
            elif place < len(answer["texts"]):
                # the prompt was read once for all of them
                prompt = answer["prompt_tokens"] if place == 0 else 0
                one = {"prompt_tokens": prompt, **answer["texts"][place]}
            else:
                again.append({**alone, "seed": row_seed(self.sampling["seed"], id_)})
                continue
            again += self.store_row(alone, one)
        return again

    def store_row(self, request, answer):
        """Keep one row's answer; returns [the request of a further try] where the answer is cut off or cannot be read."""
        tokens = {k: answer.get(k, 0) for k in ("prompt_tokens", "completion_tokens")}
        for key, number in tokens.items():
            self.counts[key] += number
        earlier = request.get("earlier", {})
        if "error" not in answer and (change := self.further_try(request, answer)):
            earlier = {k: n + earlier.get(k, 0) for k, n in tokens.items()}
            return [{**request, **change, "earlier": earlier, "first": answer}]
        # a longer try does not fit the context: what was there stands
        if "error" in answer and "first" in request:
            failed, answer = answer, {**request["first"], "retry_error": answer["error"]}
            earlier = {k: n - answer.get(k, 0) for k, n in earlier.items()}
        (expected,) = request["expected"]
        if "error" in answer:
            self.counts["failed"] += 1
            failed = {
                "reason": "generation failed",
                "error": answer["error"],
                "messages": request["messages"],
            }
            self.failed.append({"id": expected["id"], **failed})
        else:
            self.counts["truncated"] += answer["finish_reason"] == "length"
            retried = (
                {"retried": True} if request["max_tokens"] > self.sampling["max_tokens"] else {}
            )
            more = {"earlier": earlier} if any(earlier.values()) else {}
            more |= {"asked_again": True} if "temperature" in request else {}
            self.raw.append({"id": expected["id"], **answer, **retried, **more, **expected})
            if not self.warned and ("reasoning" in answer or "</think>" in answer["response"]):
                self.warn_thinking()
        speed = self.counts["completion_tokens"] / (time.time() - self.started)
        self.bar.set_postfix_str(f"{speed:,.0f} tokens/s", refresh=False)
        self.bar.update()
        return []

    def further_try(self, request, answer):
        """What a further try changes in the request, or None where the answer is good or there was one."""
        if answer["finish_reason"] == "length" and request["max_tokens"] < self.budget:
            return {"max_tokens": self.budget}
        if self.readable is None or "temperature" in request or self.readable(answer["response"]):
            return None
        return {
            "temperature": AGAIN_TEMPERATURE,
            "seed": request["seed"] + 1,
            "max_tokens": self.budget,
        }

    def finish(self):
        """Order the file, say what failed, and account for what was spent."""
        self.raw.finish(self.failed)
        self.counts["all_runs"] = self.raw.spent()
        self.counts["seconds"] = round(time.time() - self.started, 1)
        r.SPENT[self.raw.path.name] = self.counts["all_runs"]
        if self.failed:
            r.say(
                f"{self.raw.path.name}: {len(self.failed)} rows got no answer, see {self.raw.rejected_path.name}; "
                f"first: {self.failed[0]['error'][:200]}"
            )
        if self.stopped:
            raise OutOfBudget(
                f"{self.raw.path.name}: BUDGET is spent; {self.counts['rows'] - self.counts['asked']:,} rows and the rest stand unasked, "
                "the answers so far are kept, the same command with a larger BUDGET goes on"
            )
        return self.counts


class Money:
    """What this process may spend: BUDGET at PRICE_PER_GPU_HOUR (for each of GPUS) and PRICE_IN, PRICE_OUT (per million tokens)."""

    def __init__(self):
        def number(name):
            return float(os.environ.get(name) or 0)

        self.budget = number("BUDGET")
        self.hour = number("PRICE_PER_GPU_HOUR") * float(os.environ.get("GPUS") or 1)
        self.prices = {
            "prompt_tokens": number("PRICE_IN"),
            "completion_tokens": number("PRICE_OUT"),
        }

    def spent(self, counts, started):
        tokens = sum(counts[k] * price / 1e6 for k, price in self.prices.items())
        return self.budget and self.hour * (time.time() - started) / 3600 + tokens >= self.budget


def show_first(name, messages):
    text = (
        messages
        if isinstance(messages, str)
        else "\n".join(f"[{m['role']}] {m['content']}" for m in messages)
    )
    shown = (
        f"--- first prompt of {name} ---\n{text[:1500]}{' ...' if len(text) > 1500 else ''}\n---"
    )
    r.say(shown.encode(errors="replace").decode())


# ---- an endpoint ----


class Fault(Exception):
    """A request that brought no usable answer: sent again unless `final`; `wait` is what the server asked for in seconds."""

    def __init__(self, text, status=None, wait=0.0, final=False):
        super().__init__(r.redact(text.encode(errors="replace")).decode()[:1000])
        self.status, self.wait, self.final = status, wait, final


class Gone(Exception):
    """The endpoint itself does not answer any more."""


class Message(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class Choice(msgspec.Struct):
    message: Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    token_ids: list[int] | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Reply(msgspec.Struct):
    """The part of an OpenAI completion that is read; a field of another type is a fault."""

    choices: list[Choice]
    usage: msgspec.Raw = msgspec.Raw(b"null")


decode_reply = msgspec.json.Decoder(Reply).decode
decode_usage = msgspec.json.Decoder(Usage).decode


def parse_reply(data, request):
    """{"texts": [...], "prompt_tokens": n} of a reply's bytes; Fault where it holds no usable answer."""
    try:
        reply = decode_reply(data)
    except (ValueError, RecursionError) as error:
        raise Fault(f"bad reply: {error}; it begins {bytes(data[:100])!r}") from None
    if not reply.choices:
        raise Fault("bad reply: choices is empty")
    try:
        usage = decode_usage(reply.usage)
    except ValueError:
        usage = Usage()  # null or odd: the answer is good, its tokens are not known
    choices = reply.choices[: len(request["ids"])]
    texts = [parse_choice(choice, request) for choice in choices]
    share_tokens(texts, choices, usage.completion_tokens)
    return {"texts": texts, "prompt_tokens": usage.prompt_tokens}


def parse_choice(choice, request):
    message = choice.message or Message(content=choice.text)
    text, reasoning = message.content or "", message.reasoning or message.reasoning_content
    if "\0" in text:
        raise Fault("bad reply: its text holds NUL characters")
    finish = finish_reason(choice.finish_reason)
    if finish == "length":
        text = mark_thinking(text, reasoning, request)
    return {
        "response": text,
        "finish_reason": finish,
        **({"reasoning": reasoning} if reasoning else {}),
    }


def finish_reason(reason):
    """stop or length, whatever the server calls it; Fault where the answer was broken off."""
    reason = (reason or "stop").lower()
    if reason in ("error", "abort", "content_filter"):
        raise Fault(f"finish_reason {reason}")
    return "length" if reason in ("length", "max_tokens", "model_length") else "stop"


def mark_thinking(text, reasoning, request):
    """An answer cut off inside a think block that the prompt itself had opened gets the mark, so that no reader takes thoughts for an answer."""
    opened = request.get("opened") and not reasoning and "</think>" not in text
    return "<think>\n" + text if opened else text


def share_tokens(texts, choices, total):
    """Each text's completion_tokens: counted where the server sends the tokens, else the total by length of text; they add up to it."""
    counted = [None if choice.token_ids is None else len(choice.token_ids) for choice in choices]
    if None in counted or len(texts) == 1:
        length = sum(len(text["response"]) for text in texts) or 1
        counted = [total * len(text["response"]) // length for text in texts]
        counted[0] += total - sum(counted)
    for text, number in zip(texts, counted, strict=True):
        text["completion_tokens"] = number


class Endpoint:
    """One server: whether it answers, how many requests it has, how many it may have."""

    def __init__(self, url, session, limit):
        self.url, self.session = url.strip().rstrip("/"), session
        self.limit = self.most = limit
        self.workers, self.answered, self.refusals, self.metrics = 0, 0, 0, True
        self.ready, self.lock, self.closed, self.down = asyncio.Event(), asyncio.Lock(), None, False
        parts = urllib.parse.urlsplit(self.url)
        bypass = urllib.request.proxy_bypass(parts.netloc)
        self.proxy = None if bypass else urllib.request.getproxies().get(parts.scheme)

    async def send(self, method, path, body=None, seconds=TIMEOUT):
        """(status, headers, bytes of the body); raises aiohttp's errors, TimeoutError and Fault."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=30)
        url = path if path.startswith("http") else self.url + path
        sent = self.session.request(method, url, data=body, timeout=timeout, proxy=self.proxy)
        async with sent as reply:
            data = bytearray()
            async for piece in reply.content.iter_any():
                data += piece
                if len(data) > LARGEST:
                    raise Fault(f"bad reply: more than {LARGEST >> 20} MiB")
            if reply.headers.get("Content-Encoding", "identity") != "identity":
                raise Fault("bad reply: it is compressed, which was not asked for")  # or a bomb
            return reply.status, reply.headers, data

    async def answers(self):
        """Does the server answer at all? Many hosted endpoints do not list their models: any status will do."""
        try:
            await self.send("GET", "/models", seconds=30)
        except Exception as error:
            return isinstance(error, Fault)
        return True

    async def waiting(self):
        """Requests in the queue of a vLLM server, by its metrics; None where there are none."""
        try:
            status, _, data = await self.send(
                "GET", self.url.removesuffix("/v1") + "/metrics", seconds=10
            )
        except Exception:
            return None
        found = [
            line
            for line in data.decode(errors="replace").split("\n")
            if line.startswith("vllm:num_requests_waiting{")
        ]
        if status == 200 and found:
            return sum(float(line.rsplit(" ", 1)[1]) for line in found)
        return None

    def pause(self, seconds):
        """The server asked for time: nothing is sent meanwhile, and afterwards half as much at once."""
        if self.ready.is_set():
            self.limit = max(1, self.limit // 2)
            self.ready.clear()
            asyncio.get_running_loop().call_later(seconds, self.resume)

    def resume(self):
        if not self.down and not self.closed:
            self.ready.set()


def run_async(work):
    try:
        import uvloop

        return uvloop.run(work)
    except BaseExceptionGroup as group:
        error = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


class Client:
    """Requests to endpoints, many in flight. A bad reply costs a try of its row, an endpoint that goes away costs nothing: its rows go to
    the others, or wait for it."""

    def __init__(self, urls, model, sampling, workers, retries):
        self.urls, self.workers, self.retries = urls, workers, retries
        self.fixed = {"model": model, **sampler(sampling)}
        if "choices" in sampling:
            self.fixed["structured_outputs"] = {"choice": sampling["choices"]}
        if arguments := template_args(sampling):
            self.fixed["chat_template_kwargs"] = arguments
        if "json_schema" in sampling:
            schema = {"name": "answer", "schema": sampling["json_schema"], "strict": True}
            self.fixed["response_format"] = {"type": "json_schema", "json_schema": schema}
        self.back = collections.deque()  # requests to send again
        self.open, self.opened, self.exhausted, self.ended = 0, False, False, False
        self.wake = asyncio.Event()

    async def run(self, requests, emit):
        """Send all requests; emit(request, answer) -> requests to send again. Returns {url: answers}."""
        first = next(requests, END)
        if first is END:
            return {}
        import aiohttp

        self.requests, self.emit = itertools.chain([first], requests), emit
        key = os.environ.get("LLM_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
        async with aiohttp.ClientSession(
            headers=headers, connector=connector, auto_decompress=False
        ) as session:
            share = -(-self.workers // len(self.urls)) if self.workers else START
            self.endpoints = [Endpoint(url, session, share) for url in self.urls]
            await self.start(first)
            async with asyncio.TaskGroup() as self.tasks:
                for endpoint in self.endpoints:
                    self.hire(endpoint)
                    if not endpoint.ready.is_set():
                        self.tasks.create_task(self.revive(endpoint))
                    if not self.workers:
                        self.tasks.create_task(self.adapt(endpoint))
        shares = {endpoint.url: endpoint.answered for endpoint in self.endpoints}
        if len(shares) > 1:
            r.say("answers: " + ", ".join(f"{url} {n:,}" for url, n in shares.items()))
        return shares

    async def start(self, first):
        """See which endpoints answer, and whether the template opens a think block."""
        there = await asyncio.gather(*(endpoint.answers() for endpoint in self.endpoints))
        for endpoint, answers in zip(self.endpoints, there, strict=True):
            if answers:
                endpoint.ready.set()
                continue
            endpoint.down = True
            if any(there):
                r.say(f"{endpoint.url}: no server answers there; its rows go to the others")
        if not any(there):
            raise r.NoEndpoint(
                f"--base-url {','.join(self.urls)}: no server answers there; start it, or leave --base-url out to run vLLM in this process"
            )
        if not isinstance(first["messages"], str):
            endpoint = self.endpoints[there.index(True)]
            self.opened = await opens_thinking(
                endpoint,
                {k: self.fixed[k] for k in ("model", "chat_template_kwargs") if k in self.fixed},
                first["messages"],
            )

    def hire(self, endpoint):
        for _ in range(endpoint.limit - endpoint.workers):
            endpoint.workers += 1
            self.tasks.create_task(self.work(endpoint))

    async def adapt(self, endpoint):
        """As many requests in flight as a vLLM server's queue takes; an endpoint without metrics keeps START."""
        while not self.ended:
            await asyncio.sleep(1)
            if not endpoint.ready.is_set() or endpoint.limit >= MOST:
                continue
            if (waiting := await endpoint.waiting()) is None:
                return
            if waiting == 0 and self.open >= endpoint.limit:
                endpoint.limit = endpoint.most = min(2 * endpoint.limit, MOST)
                self.hire(endpoint)

    def take(self):
        """The next request, or None where there is none now."""
        request = self.back.popleft() if self.back else next(self.requests, None)
        self.open += request is not None
        self.exhausted = self.exhausted or request is None
        return request

    def settle(self, again):
        self.back.extend(again)
        self.open -= 1
        self.ended = self.exhausted and not self.open and not self.back
        if again or self.ended:
            self.wake.set()

    async def work(self, endpoint):
        """Send one request after the other; ends when all are answered, or where the endpoint is to have fewer at once."""
        while True:
            await self.free(endpoint)
            if self.ended or endpoint.workers > endpoint.limit:
                endpoint.workers -= 1
                return
            if (request := self.take()) is None:
                if not self.open:
                    self.ended = True
                    self.wake.set()
                    continue
                self.wake.clear()
                await self.wake.wait()
                continue
            try:
                answer = await self.ask(endpoint, request)
            except Gone as error:
                request["gone"] = request.get("gone", 0) + 1
                answer = {"error": str(error)} if request["gone"] > self.retries else None
            self.settle([request] if answer is None else self.emit(request, answer))

    async def free(self, endpoint):
        """Wait until the endpoint answers, or all is done."""
        while not endpoint.ready.is_set() and not self.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(endpoint.ready.wait(), 0.2)

    async def ask(self, endpoint, request):
        """The answer to a request after at most `retries` further tries; Gone where the endpoint is."""
        try:
            body = self.body(request)
        except UnicodeEncodeError:
            return {"error": "the prompt holds a lone surrogate, which has no UTF-8 form"}
        path = "/completions" if isinstance(request["messages"], str) else "/chat/completions"
        for attempt in range(self.retries + 1):
            try:
                return await self.exchange(endpoint, path, body, request)
            except Fault as fault:
                if fault.final or attempt == self.retries:
                    return {"error": str(fault)}
                await asyncio.sleep(
                    max(fault.wait, min(BACKOFF * 2**attempt, 30) * random.uniform(0.75, 1))
                )

    def body(self, request):
        kind = "prompt" if isinstance(request["messages"], str) else "messages"
        body = {
            **self.fixed,
            kind: request["messages"],
            "max_tokens": request["max_tokens"],
            "seed": request["seed"],
        }
        if "temperature" in request:
            body["temperature"] = request["temperature"]
        if len(request["ids"]) > 1:
            body |= {"n": len(request["ids"]), "return_token_ids": True}
        return r.quick_encode(body)

    async def exchange(self, endpoint, path, body, request):
        import aiohttp

        try:
            status, headers, data = await endpoint.send("POST", path, body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            if await self.is_gone(endpoint, why):
                raise Gone(f"{endpoint.url} went away while it had this row ({why})") from None
            raise Fault(why) from None
        if status == 200:
            answer = parse_reply(data, {**request, "opened": self.opened})
            endpoint.answered += 1
            endpoint.refusals = 0
            if endpoint.limit < endpoint.most and endpoint.answered % endpoint.limit == 0:
                endpoint.limit += 1
                self.hire(endpoint)
            return answer
        text = f"{status}: {data[:500].decode(errors='replace')}"
        if status in (401, 403, 404):
            await self.refused(endpoint, text)
        wait = retry_after(headers.get("Retry-After"))
        if status in (429, 503):
            endpoint.pause(max(wait, BACKOFF))
        final = status < 500 and status not in (401, 403, 404, 408, 409, 425, 429)
        raise Fault(text, status, wait, final)

    async def refused(self, endpoint, text):
        """A wrong key, model or path: the endpoint is of no use where it never answered, or 20 times in a row."""
        endpoint.refusals += 1
        if endpoint.answered and endpoint.refusals < 20:
            return
        endpoint.closed = endpoint.closed or text
        endpoint.ready.clear()
        if all(other.closed for other in self.endpoints):
            raise r.BadInput(
                f"--base-url {endpoint.url}: {Fault(text)}; the answers so far are kept, the same command goes on"
            )
        if endpoint.refusals == 1 or endpoint.answered:
            r.say(f"{endpoint.url}: refuses ({Fault(text)}); its rows go to the others")
        raise Gone(str(Fault(text)))

    async def is_gone(self, endpoint, why):
        """After a broken connection: is the whole server away? Then it is waited for, and the run ends where none is left."""
        async with endpoint.lock:
            if endpoint.down or await endpoint.answers():
                return endpoint.down
            endpoint.down = True
            endpoint.ready.clear()
        others = (
            "its rows go to the others"
            if any(e.ready.is_set() for e in self.endpoints)
            else "waiting for it"
        )
        r.say(f"{endpoint.url}: does not answer any more ({why}); {others}")
        self.tasks.create_task(self.revive(endpoint))
        return True

    async def revive(self, endpoint):
        """Look every few seconds whether the server is back; end the run where no endpoint has answered for PATIENCE seconds."""
        since = time.monotonic()
        while not self.ended:
            if await endpoint.answers():
                r.say(f"{endpoint.url}: answers again")
                endpoint.down = False
                return endpoint.ready.set()
            if any(e.ready.is_set() for e in self.endpoints):
                since = time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise r.BadInput(
                    f"--base-url {','.join(self.urls)}: no server has answered for {PATIENCE} s; the answers so far are kept, the same command goes on"
                )
            await asyncio.sleep(min(1, PATIENCE / 4))


def retry_after(value):
    """Seconds of a Retry-After header, at most five minutes; a date is not waited for."""
    try:
        return min(max(float(value or 0), 0.0), 300.0)
    except ValueError:
        return 0.0


async def opens_thinking(endpoint, named, messages):
    """Does the server's template end the prompt inside a think block? vLLM's /tokenize tells; other servers are not asked twice."""
    body = {**named, "messages": messages, "add_generation_prompt": True, "return_token_strs": True}
    try:
        status, _, data = await endpoint.send(
            "POST", endpoint.url.removesuffix("/v1") + "/tokenize", r.quick_encode(body), 30
        )
        return status == 200 and ends_in_thinking("".join(json.loads(data)["token_strs"][-8:]))
    except Exception:  # any trouble: the server is no vLLM
        return False


def ends_in_thinking(prompt_end):
    return "<think>" in prompt_end.rsplit("</think>", 1)[-1]


# ---- vLLM in this process, or one child process per group of GPUs ----


def visible_gpus():
    """Ids of the NVIDIA GPUs this process may use, without importing torch; [] where there is none."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        ids = [gpu.strip() for gpu in named.split(",")]
        return [gpu for gpu in ids if gpu not in ("", "-1", "NoDevFiles")]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return []
    lines = listed.stdout.splitlines() if listed.returncode == 0 else []
    return [str(number) for number, line in enumerate(lines) if line.startswith("GPU")]


def nvidia_smi(field):
    """A field of the first GPU as nvidia-smi tells it (driver_version, compute_cap), or None where there is none."""
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.split("\n")[0].strip() or None if told.returncode == 0 else None


def check_gpu():
    """Raise BadInput where nvidia-smi sees a GPU and torch does not: all would go on on the CPU without a word, a hundred times slower."""
    driver = nvidia_smi("driver_version") if visible_gpus() else None
    if not driver:
        return
    import torch

    if not torch.cuda.is_available():
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"
        raise r.BadInput(
            f"nvidia-smi sees a GPU (driver {driver}), but torch {torch.__version__}, built for {build}, cannot use it: run `bash setup.sh`, "
            "which takes the build for this driver, or set CUDA_VISIBLE_DEVICES= to work on the CPU"
        )


def ask_engines(requests, emit, setup, tensor_parallel, engines):
    """Generate with vLLM here, or in one child process per group of GPUs where there are several."""
    first = next(requests, END)
    if first is END:
        return  # nothing to ask: no engine is started
    requests = itertools.chain([first], requests)
    gpus = visible_gpus()
    check_gpu()
    if gpus and len(gpus) < tensor_parallel:
        raise r.BadInput(
            f"--tensor-parallel {tensor_parallel}: only {len(gpus)} GPU(s) are visible"
        )
    setup["engine"].setdefault("tensor_parallel_size", tensor_parallel)
    engines = engines or max(1, len(gpus) // tensor_parallel)
    if engines == 1:
        return drive(setup, lambda idle: next(requests, END), emit)
    Children(requests, emit).run(
        setup, [place_of(i, engines, gpus, tensor_parallel) for i in range(engines)]
    )


def place_of(i, engines, gpus, tensor_parallel):
    """Environment of engine i: its GPUs or cores, and a compile cache of its own (engines that write one at once break it)."""
    root = Path(os.environ.get("VLLM_CACHE_ROOT") or Path.home() / ".cache/vllm")
    cache = {"VLLM_CACHE_ROOT": str(root / f"engine{i}")} if i else {}
    if gpus:
        ours = gpus[i * tensor_parallel : (i + 1) * tensor_parallel]
        return {**cache, "CUDA_VISIBLE_DEVICES": ",".join(ours)}
    cores = sorted(os.sched_getaffinity(0))[i::engines]
    return {**cache, "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores))}


ENGINE = {}  # the engine of this process by its arguments: a second call with the same model pays no second start


def engine_for(setup):
    """The vllm.LLM of this setup: the running one where its arguments are the same, else a new one in its place."""
    deterministic = setup["sampling"].get("deterministic", False)
    key = json.dumps(
        [setup["model"], setup["adapter"], setup["engine"], deterministic], sort_keys=True
    )
    if key not in ENGINE:
        if ENGINE:
            import gc

            ENGINE.popitem()[1].llm_engine.engine_core.shutdown()
            gc.collect()
        if deterministic:
            os.environ["VLLM_BATCH_INVARIANT"] = "1"
        ENGINE[key] = start_engine(setup)
    return ENGINE[key]


TEMPLATES = r.ROOT / "03_sft" / "templates"
# For a base model without a chat template, the first of these whose tokens its vocabulary holds: the trainer's choice too, so that
# base and tuned model are asked alike.
TEMPLATE_OF_TOKENS = [
    ("chatml", ("<|im_start|>", "<|im_end|>")),
    ("llama3", ("<|start_header_id|>", "<|eot_id|>")),
    ("plain", ()),
]
MARK = "THE-ANSWER-ENDS-HERE"


def add_template(tokenizer):
    """Set the template of 03_sft/templates whose tokens the vocabulary holds, and say so; returns where it came from."""
    vocabulary = tokenizer.get_vocab()
    name = next(
        name for name, tokens in TEMPLATE_OF_TOKENS if all(token in vocabulary for token in tokens)
    )
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    return f"templates/{name}.jinja, since the model has none"


def end_of_turn(tokenizer):
    """Id of the special token the chat template puts behind an answer, or None."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    special = set(tokenizer.all_special_ids) | {
        i for i, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    behind = tokenizer(text[text.rfind(MARK) + len(MARK) :], add_special_tokens=False).input_ids
    return next((token for token in behind if token in special), None)


def prepare_chat(tokenizer):
    """Give a tokenizer without chat template the trainer's; returns the ids at which an answer stops beside the model's own end.

    A base model with a chat template knows only the end of a text as its end: without this it writes the next turns too.
    """
    if not tokenizer.chat_template:
        r.say(f"chat template: {add_template(tokenizer)}")
    end = end_of_turn(tokenizer)
    return [] if end is None else [end]


def cpu_has_bf16():
    """Does the processor have bfloat16 instructions? Without them a product of matrices takes a hundred times as long as in
    float32 (0.8 against 79 GFLOPS a core, AMD EPYC with AVX2 only), so that engine, trainer and encoder then use float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def start_engine(setup):
    """vllm.LLM with defaults that suit the machine."""
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    arguments = {"model": setup["model"], "seed": 0, **setup["engine"]}
    if setup["adapter"]:
        config = json.loads((Path(setup["adapter"]) / "adapter_config.json").read_text())
        arguments |= {"enable_lora": True, "max_lora_rank": config["r"]}
    if not visible_gpus():
        cores = sorted(os.sched_getaffinity(0))
        # "auto" keeps one core back
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores)))
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB
        # torch.compile pays back only after about 60,000 tokens on 2 cores
        plain = {} if cpu_has_bf16() else {"dtype": "float32"}
        arguments = {"enforce_eager": True, "max_model_len": 4096, **plain, **arguments}
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


class Driver:
    """One engine and its tokenizer: makes vLLM's prompts and parameters of our requests, and our answers of its outputs."""

    def __init__(self, setup):
        import vllm.exceptions
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        llm, self.sampling = engine_for(setup), setup["sampling"]
        self.engine, self.tokenizer = llm.llm_engine, llm.get_tokenizer()
        self.window = 2 * self.engine.vllm_config.scheduler_config.max_num_seqs
        self.base = (
            llm.get_default_sampling_params()
            if self.sampling["temperature"] == "model"
            else vllm.SamplingParams()
        )
        sampling, known = self.sampling, sampler(self.sampling)
        if "json_schema" in sampling or "choices" in sampling:
            known["structured_outputs"] = StructuredOutputsParams(
                json=sampling.get("json_schema"), choice=sampling.get("choices")
            )
        self.template = template_args(sampling)
        known["stop_token_ids"] = prepare_chat(self.tokenizer)
        self.known = {**known, "output_kind": RequestOutputKind.FINAL_ONLY}
        self.lora = setup["adapter"] and vllm.lora.request.LoRARequest(
            "adapter", 1, setup["adapter"]
        )
        # VLLMValidationError (a prompt longer than the context) is no ValueError; the engine's own death is no row's fault
        self.faults = (
            ValueError,
            TypeError,
            vllm.exceptions.VLLMClientError,
            vllm.exceptions.GenerationError,
        )

    def params(self, request):
        more = {k: request[k] for k in ("max_tokens", "seed", "temperature") if k in request}
        values = {**self.known, **more, "n": len(request["ids"])}
        if self.sampling["temperature"] == "model":
            own = {
                f: getattr(self.base, f)
                for f in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
            }
            values = {**own, **values}
        return type(self.base)(**values)

    def add(self, key, request):
        """Hand a request to the engine; raises one of self.faults where it cannot take it."""
        messages = request["messages"]
        if isinstance(messages, str):
            ids = self.tokenizer(messages).input_ids
        else:
            ids = self.tokenizer.apply_chat_template(
                messages,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
                **self.template,
            )
            request["opened"] = ends_in_thinking(self.tokenizer.decode(ids[-8:]))
        self.engine.add_request(
            key, {"prompt_token_ids": ids}, self.params(request), lora_request=self.lora
        )

    def answer(self, request, output):
        texts = []
        for done in output.outputs:
            finish = done.finish_reason or "stop"
            if finish in ("error", "abort"):
                return {"error": f"finish_reason {finish}"}
            finish = "length" if finish == "length" else "stop"
            text = mark_thinking(done.text, None, request) if finish == "length" else done.text
            number = len(done.token_ids)
            texts.append({"response": text, "finish_reason": finish, "completion_tokens": number})
        return {"texts": texts, "prompt_tokens": len(output.prompt_token_ids)}


def drive(setup, take, give, ready=lambda window: None):
    """Keep one engine busy until take() returns END: take(idle) -> request, END, or None (nothing now);
    give(request, answer) -> requests to ask again; ready(window) is told how many requests the engine takes at once."""
    driver = Driver(setup)
    ready(driver.window)
    asked, back, ended, number = {}, collections.deque(), False, itertools.count()
    while not ended or asked or back:
        while len(asked) < driver.window and (back or not ended):
            request = back.popleft() if back else take(not asked)
            if request is None:
                break
            if request is END:
                ended = True
                continue
            key = str(next(number))
            try:
                driver.add(key, request)
                asked[key] = request
            except driver.faults as error:  # this row's fault, not the run's
                back += give(request, {"error": f"{type(error).__name__}: {error}"[:1000]})
        for output in driver.engine.step() if asked else ():
            if output.finished:
                request = asked.pop(output.request_id)
                answer = driver.answer(request, output)
                request["broken"] = request.get("broken", 0) + ("error" in answer)
                # an engine that broke off an answer is asked again, twice at most
                repeat = "error" in answer and request["broken"] < 3
                back += [request] if repeat else give(request, answer)


class Children:
    """One child process per engine; requests and answers travel as JSON lines, and only this process writes files."""

    COMMAND = (sys.executable, __file__, "--engine-worker")

    def __init__(self, requests, emit):
        self.requests, self.emit = requests, emit
        self.back, self.messages, self.children = collections.deque(), queue.Queue(), []

    def start(self, setup, place):
        child = subprocess.Popen(
            [*self.COMMAND, json.dumps(setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **place},
        )
        child.waiting, child.window, child.number = {}, None, len(self.children)
        self.children.append(child)
        threading.Thread(target=self.listen, args=(child,), daemon=True).start()

    def listen(self, child):
        for line in child.stdout:
            self.messages.put((child, json.loads(line)))
        self.messages.put((child, None))

    def run(self, setup, places):
        try:
            for place in places:
                self.start(setup, place)
            living = list(self.children)
            while living:
                child, message = self.messages.get()
                if message is None:
                    living.remove(child)
                    self.lost(child, living)
                elif "window" in message:
                    child.window = message["window"]
                else:
                    request = child.waiting.pop(message.pop("key"))
                    self.back += self.emit(request, message)
                # dealt in turn, so that a small file is split evenly
                if all(other.window for other in living):
                    self.deal(living)
        finally:
            for child in self.children:
                child.terminate()

    def lost(self, child, living):
        """An engine ended: its rows go to the others; the run ends where none is left."""
        code = child.wait()
        if not child.waiting and (code == 0 or child.stdin.closed):  # its work was done
            return
        rows = sum(len(request["ids"]) for request in child.waiting.values())
        self.back += child.waiting.values()
        child.waiting = {}
        text = f"engine {child.number} ended with code {code}; its messages stand above"
        if not [other for other in living if not other.stdin.closed]:
            raise r.BadInput(
                f"{text}. No engine is left; the answers so far are kept, the same command goes on"
            )
        r.say(f"{text}. Its {rows} rows go to the others")

    def deal(self, living):
        """Fill the windows in turn; where nothing is left to ask or to wait for, the engines are told to end."""
        free = collections.deque(child for child in living if len(child.waiting) < child.window)
        while free:
            request = self.back.popleft() if self.back else next(self.requests, END)
            if request is END:
                break
            child = free.popleft()
            self.send(child, request)
            if len(child.waiting) < child.window:
                free.append(child)
        if free and not any(child.waiting for child in living) and not self.back:
            for child in living:
                child.stdin.close()

    def send(self, child, request):
        key = request["ids"][0]
        child.waiting[key] = request
        sent = {
            k: request[k]
            for k in ("ids", "messages", "max_tokens", "seed", "temperature")
            if k in request
        }
        try:
            child.stdin.write(json.dumps(sent) + "\n")
            child.stdin.flush()
        except OSError:
            pass  # it has just ended: lost() comes next, and deals the row again


def engine_worker(setup):
    """Child process: requests on stdin, answers on the real stdout; whatever else prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    incoming, waiting = queue.Queue(), set()

    def listen():
        for line in sys.stdin:
            request = json.loads(line)
            waiting.add(request["ids"][0])
            incoming.put(request)
        if waiting:  # the parent was killed: nobody waits for these answers
            os._exit(1)
        incoming.put(END)

    def give(request, answer):
        tell({"key": request["ids"][0], **answer})
        return []

    def tell(message):
        waiting.discard(message.get("key"))
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    def take(idle):
        try:
            return incoming.get(block=idle)
        except queue.Empty:
            return None

    threading.Thread(target=listen, daemon=True).start()
    drive(setup, take, give, lambda window: tell({"window": window}))


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
        return user_turn(args.prompt, **row)

    counts = generate_jsonl(rows, to_messages, args.output, fresh=args.fresh, **options(args))
    print(json.dumps(counts))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine-worker"]:
        engine_worker(json.loads(sys.argv[2]))
    else:
        r.run(main)
