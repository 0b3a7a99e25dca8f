"""Ask a language model about every row of a file and keep its raw answers, with resume.

    python batch_generate.py --input questions.jsonl --output answers.raw.jsonl \\
        --model Qwen/Qwen3-8B --prompt "Solve: <question>"

in   rows with the fields that the prompt names in angle brackets
out  one line per row: id, response, finish_reason (stop | length), prompt_tokens,
     completion_tokens, model, sampling, messages_hash; rows that failed after all retries stand in
     answers.raw.rejected.jsonl and are asked again by the next run

Without --base-url vLLM runs in this process, on several groups of GPUs as its own server. With it,
requests go to any OpenAI-compatible endpoints, separated by commas; the rows of one that goes
away go to the others; the key is read from LLM_API_KEY or OPENAI_API_KEY. After a crash the same
command asks only for the missing rows, with a larger --max-tokens only for those that were cut off.
Answers of another model, prompt or sampling are never mixed in. BUDGET (money, at
PRICE_PER_GPU_HOUR, or PRICE_IN and PRICE_OUT per million tokens) stops a run cleanly.
"""

# A request is made of a row in Book.request_for, sent by Endpoints.answer (which tries again) or,
# to the engine of this process, by drive(); its answer goes through Book.store to RawFile.append.

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from array import array
from pathlib import Path

import rows as r

# requests in flight at an endpoint: at first, and where its queue stays empty
START, MOST = 64, 2048
TIMEOUT, PATIENCE = 3600, 60  # seconds for one answer; without any endpoint before the run ends
BACKOFF = 0.5  # seconds before the first retry, then twice as long each time, up to 32
LOOK = 0.5  # seconds between two looks at a server
REFUSED = (401, 402, 403, 404)  # status of a wrong key, an empty account, a wrong model or path
BUSY = (429, 503)
ROWS_FAULT = (400, 413, 422)  # status of a prompt that no further try makes better


# ---- prompts ----

# Names of the tags that rows' texts stand between in prompts.
FENCES = (
    "question answer known_answer reference response passage document training_row "
    "benchmark_question"
).split()
FENCE = re.compile(rf"(?i)<(?=\s*/?\s*(?:{'|'.join(FENCES)})\b)")


def fill(prompt, /, **values):
    """The prompt with its placeholders <name> filled in; one that stands in a text is left."""
    return re.sub(r"<([^<>\n]+)>", lambda found: str(values.get(found[1], found[0])), prompt)


def defused(text):
    """The text with &lt; for the < of every tag of FENCES; HTML stays as it is."""
    return FENCE.sub("&lt;", str(text))


def fenced(name, text):
    """A text between tags that nothing in it opens or closes: instructions in it stay text."""
    assert name in FENCES, name
    return f"<{name}>\n{defused(text)}\n</{name}>"


def user_turn(prompt, /, texts=(), **values):
    """Chat messages of one prompt; `texts` stand between their tags, `values` as they are."""
    blocks = {name: fenced(name, text) for name, text in dict(texts).items()}
    return [{"role": "user", "content": fill(prompt, **blocks, **values)}]


# ---- options ----


def json_object(text):
    with contextlib.suppress(ValueError):
        if isinstance(value := json.loads(text), dict):
            return value
    raise argparse.ArgumentTypeError(f"{text} is no JSON object")


def add_options(parser, **defaults):
    """Options of every script that asks a model; model=None in `defaults` makes it optional."""
    add = parser.add_argument
    model = "hub id or folder of the model, or its name at the endpoint"
    add("--model", required="model" not in defaults, metavar="M", help=model)
    urls = "OpenAI-compatible endpoint(s), comma-separated; default: vLLM in this process"
    add("--base-url", metavar="URL", help=urls)
    add("--temperature", type=float, default=0.0, help="default %(default)s")
    longest = "longest answer (default %(default)s)"
    add("--max-tokens", type=r.positive, default=4096, metavar="N", help=longest)
    sampling = 'more sampling parameters of vLLM, e.g. {"top_p": 0.95}'
    add("--sampling", type=json_object, default={}, metavar="JSON", help=sampling)
    thinking = "for models that can be told (Qwen3): reason in a think block or not"
    add("--thinking", choices=("on", "off"), help=thinking)
    same = "answers that do not depend on the batch (vLLM's batch-invariant kernels, slower)"
    add("--deterministic", action="store_true", help=same)
    gpus = "GPUs an engine (default %(default)s); rows are split among engines"
    add("--tensor-parallel", type=r.positive, default=1, metavar="N", help=gpus)
    engine = 'more arguments of vllm.LLM, e.g. {"max_model_len": 8192, "quantization": "fp8"}'
    add("--engine", type=json_object, default={}, metavar="JSON", help=engine)
    edited = "ask: again where a prompt was edited, old answers go to X.raw.old.jsonl"
    add("--changed", choices=("refuse", "ask"), default="refuse", help=edited)
    for name in ("limit", "seed", "workers", "shard", "fresh"):
        add(f"--{name}", **r.STANDARD_OPTIONS[name])
    parser.set_defaults(**defaults)


# How an answer is sampled, by the names that vLLM has (top_k, repetition_penalty, ...) and ours:
# seed                  of the run; each row's own is a hash of it and of the row's id
# json_schema, choices  the answer must be JSON of this schema, or one of these strings
# thinking              the chat template's enable_thinking; without: its default
# deterministic         answers that do not depend on the batch
SAMPLING = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 4096, "seed": 42}
NOT_THE_SAMPLERS = "seed n json_schema choices thinking deterministic".split()  # a seed is a row's


def full_sampling(**changes):
    """SAMPLING with these changes, as the raw rows keep it; None leaves a name out."""
    return {name: value for name, value in {**SAMPLING, **changes}.items() if value is not None}


def sampler(sampling):
    """The parameters that sampler and endpoints know by these names."""
    return {name: value for name, value in sampling.items() if name not in NOT_THE_SAMPLERS}


def template_args(sampling):
    return {"enable_thinking": sampling["thinking"]} if "thinking" in sampling else {}


def options(args):
    """The parsed options of add_options as keyword arguments of generate_jsonl."""
    sampling = {"temperature": args.temperature, **args.sampling}
    sampling |= {"max_tokens": args.max_tokens, "seed": args.seed}
    sampling["thinking"] = {"on": True, "off": False, None: None}[args.thinking]
    sampling["deterministic"] = args.deterministic or None
    engine = {"tensor_parallel_size": args.tensor_parallel, **args.engine}
    return dict(
        model=args.model,
        base_url=args.base_url,
        workers=args.workers,
        sampling=sampling,
        engine=engine,
        changed=args.changed,
    )


def row_seed(seed, id_):
    """Seed of one row (31 bits), whatever the other rows are."""
    return int(r.text_hash(str(seed), id_), 16) % 2**31


def identify(model):
    """Name of a model for resume and meta files; a folder gets a hash of its weights' sizes and
    dates and of its small files: a model trained again under the same path is another one."""
    folder = Path(model)
    if not folder.is_dir():
        return str(model)
    kinds = (".safetensors", ".json", ".jinja", ".model", ".bin", ".gguf")
    parts = []
    for path in sorted(folder.iterdir()):
        if path.suffix in kinds:
            stat = path.stat()
            state = stat.st_mtime_ns if stat.st_size > 1 << 22 else r.file_hash(str(path))
            parts.append((path.name, stat.st_size, state))
    return f"{model}@{r.text_hash(parts)[:8]}"


# ---- the raw file ----


class RawFile:
    """The answers on disk: an index of what is there, appends, and at the end the order of the
    input.

    The index is a temporary SQLite database that spills to disk: memory does not grow with the
    rows. `tokens`: of every answer in the file.
    """

    def __init__(self, path):
        self.path, self.rejected_path = Path(path), r.beside(path, "rejected.jsonl")
        r.lock(self.path)
        r.aside_of(self.path)
        self.file, self.reader = open(self.path, "ab"), open(self.path, "rb")
        self.lines, self.tokens = 0, dict.fromkeys(r.TOKENS, 0)
        self.table = sqlite3.connect("", isolation_level=None)
        self.table.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE places (id BLOB PRIMARY "
            "KEY, place) WITHOUT ROWID; CREATE TABLE answers (id BLOB PRIMARY KEY, offset) WITHOUT "
            "ROWID; BEGIN"
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
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?)", row["id"], offset)
        self.tokens = {key: before + row[key] for key, before in self.tokens.items()}
        self.lines += 1

    def _run(self, query, id_, *values):
        key = id_.encode("utf-8", "surrogatepass")
        return self.table.execute(query, (key, *values)).fetchone()

    def get(self, id_):
        """The raw row of an id, or None."""
        found = self._run("SELECT offset FROM answers WHERE id = ?", id_)
        if found is None:
            return None
        self.reader.seek(found[0])
        return r.decode(self.reader.readline())

    def append(self, row):
        if cut_off := self.get(row["id"]):
            self.set_aside(cut_off)
        offset = self.file.tell()
        with r.naming(self.path):
            self.file.write(r.dumps(row))
            self.file.flush()  # to the kernel: survives kill -9 of this process
        self._note(row, offset)

    def check(self, id_, number, expected, changed):
        """The stored row of an id, or None where it is to be asked; BadInput where it is of another
        model, sampling or messages_hash. One that was cut off at a smaller max_tokens stays until
        there is a longer one; with changed="ask" one of other messages is set aside. `number`: its
        place in the input."""
        self._run("INSERT OR REPLACE INTO places VALUES (?, ?)", id_, number)
        if (stored := self.get(id_)) is None:
            return None
        cut_off = changed_prompt = False
        for key, value in expected.items():
            if stored[key] == value:
                continue
            if key == "sampling" and has_grown(stored[key], value):
                cut_off = stored["finish_reason"] == "length"
            elif key == "messages_hash" and changed == "ask":
                changed_prompt = True
            else:
                name = "prompt (hash of the messages)" if key == "messages_hash" else key
                raise r.BadInput(
                    f'{self.path}: row "{id_}" was made with {name} {json.dumps(stored[key])}, now '
                    f"it is {json.dumps(value)}; use another output, --fresh to start over, or "
                    "--changed ask where only prompts changed"
                )
        if changed_prompt:
            self.set_aside(stored)
        return None if cut_off or changed_prompt else stored

    def set_aside(self, stored):
        """Move an answer to X.old.jsonl: its row is asked about again."""
        with open(r.beside(self.path, "old.jsonl"), "ab") as old:
            old.write(r.dumps(stored))
        self._run("DELETE FROM answers WHERE id = ?", stored["id"])

    def finish(self, failed):
        """Bring the rows into the order of the input, each once; others stay at the end."""
        found = self.table.execute(
            "SELECT offset FROM answers LEFT JOIN places USING (id) "
            "ORDER BY place IS NULL, place, offset"
        )
        order = array("q", (offset for (offset,) in found))
        in_order = all(before < after for before, after in itertools.pairwise(order))
        if len(order) < self.lines or not in_order:
            with r.write_aside(self.path) as ordered:
                for offset in order:
                    self.reader.seek(offset)
                    ordered.write(self.reader.readline())
        if failed:
            r.write(self.rejected_path, failed)
        else:
            self.rejected_path.unlink(missing_ok=True)

    def close(self):
        for opened in (self.table, self.reader, self.file):
            opened.close()
        r.unlock(self.path)


def has_grown(stored, now):
    """Is a sampling the stored one but for a larger max_tokens?"""
    grown = stored["max_tokens"] < now["max_tokens"]
    return grown and {**stored, "max_tokens": now["max_tokens"]} == now


def read_raw(rows, out_path):
    """Yield (row, raw row) for each row; None where there is no answer, or out_path is None."""
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
    adapter=None,
    workers=None,
    retries=6,
    engine=None,
    backend=None,
    fresh=False,
    changed="refuse",
    **changes,
):
    """Ask `model` about every row; its raw answers stand in out_path, one line per id, in order.

    rows         iterable of dicts with `id`, read once
    to_messages  function row -> chat messages
    sampling     changes of SAMPLING; `changes` are more of them: max_tokens=512
    adapter      folder of a LoRA adapter, not with base_url
    engine       more arguments of vllm.LLM
    backend      function (requests, emit, setup) in the place of vLLM
    changed      "ask": stored answers to other messages are set aside, not refused

    Returns counts: rows, asked, failed, truncated, seconds, tokens of this call. Raises BadInput
    where stored answers belong to another experiment, the file is broken, or no endpoint answers,
    OutOfBudget where BUDGET is spent. With base_url no model is loaded.
    """
    if fresh:
        r.start_over((Path(out_path), r.beside(out_path, "rejected.jsonl")))
    sampling = full_sampling(**{**(sampling or {}), **changes})
    name = (model if base_url else identify(model)) + (f"+{identify(adapter)}" if adapter else "")
    total = len(rows) if hasattr(rows, "__len__") else None
    book = Book(out_path, name, sampling, changed, total)
    requests = book.requests(rows, to_messages)
    setup = dict(model=str(model), adapter=adapter and str(adapter), sampling=sampling)
    setup["engine"] = {"tensor_parallel_size": 1, **(engine or {})}
    try:
        first = next(requests, None)
        requests = itertools.chain([first], requests)
        if first is None:
            pass  # nothing to ask: no engine is started, no server is needed
        elif base_url:
            ask_endpoints(requests, book.store, setup, base_url.split(","), workers, retries)
        else:
            (backend or ask_engines)(requests, book.store, setup)
        return book.finish()
    finally:
        book.bar.close()
        book.raw.close()


class OutOfBudget(r.BadInput):
    """BUDGET is spent: what was answered is kept."""

    exit_code = 4


class Book:
    """One run of generate_jsonl: requests() gives what is still to ask, store() keeps an answer.

    A request: id, messages, messages_hash, seed.
    """

    def __init__(self, out_path, name, sampling, changed, total):
        self.raw, self.failed, self.started = RawFile(out_path), [], time.time()
        self.experiment = {"model": name, "sampling": sampling}
        self.sampling, self.changed = sampling, changed
        self.warned, self.stopped = False, False
        self.counts = dict.fromkeys(("rows", "asked", "failed", "truncated", *r.TOKENS), 0)
        self.bar = r.progress(total=total, desc=self.raw.path.name)

    def requests(self, rows, to_messages):
        for row in rows:
            request = self.request_for(row["id"], to_messages(row))
            if request is None:
                self.bar.update()
                continue
            spent = money(self.counts, time.time() - self.started)
            if spent >= setting("BUDGET") > 0:
                self.stopped = True
                return
            if not self.counts["asked"]:
                self.announce(request["messages"])
            self.counts["asked"] += 1
            yield request

    def request_for(self, id_, messages):
        hashed = r.text_hash(messages)
        expected = {**self.experiment, "messages_hash": hashed}
        stored = self.raw.check(id_, self.counts["rows"], expected, self.changed)
        self.counts["rows"] += 1
        if stored:
            return None
        seed = row_seed(self.sampling["seed"], id_)
        return dict(id=id_, messages=messages, messages_hash=hashed, seed=seed)

    def announce(self, messages):
        text = "\n".join(f"[{m['role']}] {m['content']}" for m in messages)
        text = text if len(text) <= 1500 else f"{text[:1500]} ..."
        r.say(f"--- first prompt of {self.raw.path.name} ---\n{text}\n---")
        if self.bar.total:
            r.say(
                f"{self.raw.path.name}: at most {self.bar.total - self.bar.n:,} rows to ask "
                f"({self.bar.n:,} are there), up to {self.sampling['max_tokens']:,} tokens each"
            )

    def store(self, request, answer):
        """Keep an answer: {"error": why}, or response, finish_reason, the numbers of TOKENS,
        `reasoning` where the server parted it from the response."""
        if "error" in answer:
            failed = {"id": request["id"], "reason": "generation failed", "error": answer["error"]}
            self.failed.append({**failed, "messages": request["messages"]})
            self.counts["failed"] += 1
        else:
            row = {"id": request["id"], **answer, "messages_hash": request["messages_hash"]}
            self.raw.append(row | self.experiment)
            self.count(row)
        self.show()

    def count(self, row):
        for key in r.TOKENS:
            self.counts[key] += row[key]
        self.counts["truncated"] += row["finish_reason"] == "length"
        thinks = "reasoning" in row or "</think>" in row["response"]
        if thinks and self.sampling["temperature"] == 0 and not self.warned:
            self.warned = True
            r.say(
                "warning: this model reasons before it answers, and greedy sampling makes it "
                "repeat itself; its page says what it is made for, such as --temperature 0.6"
            )

    def show(self):
        speed = self.counts["completion_tokens"] / (time.time() - self.started)
        self.bar.set_postfix_str(f"{speed:,.0f} tokens/s", refresh=False)
        self.bar.update()

    def finish(self):
        """Order the file, say what failed, and account for what was spent."""
        self.raw.finish(self.failed)
        r.SPENT[self.raw.path.name] = self.raw.tokens
        self.counts["seconds"] = round(time.time() - self.started, 1)
        if self.failed:
            r.say(
                f"{self.raw.path.name}: {len(self.failed)} rows got no answer, see "
                f"{self.raw.rejected_path.name}; first: {self.failed[0]['error'][:200]}"
            )
        if self.stopped:
            raise OutOfBudget(
                f"{self.raw.path.name}: BUDGET is spent; the answers so far are kept, the same "
                "command with a larger BUDGET goes on"
            )
        return self.counts


def setting(name, default=0.0):
    return float(os.environ.get(name) or default)


def money(tokens, seconds):
    """What tokens and seconds cost: PRICE_PER_GPU_HOUR is of each of GPUS, PRICE_IN and PRICE_OUT
    of a million tokens."""
    spent = setting("PRICE_PER_GPU_HOUR") * setting("GPUS", 1) * seconds / 3600
    spent += setting("PRICE_IN") * tokens["prompt_tokens"] / 1e6
    return spent + setting("PRICE_OUT") * tokens["completion_tokens"] / 1e6


# ---- endpoints ----


class Fault(Exception):
    """A request that brought no usable answer: sent again unless `final`, after the `wait` seconds
    that the server asked for. busy: the server has too much to do."""

    def __init__(self, text, wait=0.0, final=False, busy=False):
        super().__init__(text[:1000])
        self.wait, self.final, self.busy = wait, final, busy


@dataclasses.dataclass
class Endpoint:
    url: str
    proxy: str | None
    workers: int = 0
    answered: int = 0
    refusals: int = 0  # since its last answer
    refused: str | None = None  # why it is of no use
    down: bool = False

    @property
    def root(self):
        """Where vLLM tells what OpenAI's interface lacks."""
        return self.url.removesuffix("/v1")


class Endpoints:
    """Sends requests to OpenAI-compatible servers. Each has workers that take one request after the
    other; those of a server that goes away send theirs to another, or wait for it."""

    def __init__(self, urls, setup, workers, retries, engines=1):
        self.share = -(-workers // len(urls)) if workers else START * engines
        self.most = self.share if workers else MOST * engines
        urls = [url.strip().rstrip("/") for url in urls]
        self.endpoints = [Endpoint(url, proxy_of(url)) for url in urls]
        self.retries, self.fixed, self.queue = retries, fixed_body(setup), asyncio.Queue(1)

    async def run(self, requests, emit):
        import aiohttp

        key = os.environ.get("LLM_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as self.session:
            first = next(requests)
            await self.start(first["messages"])
            async with asyncio.TaskGroup() as self.tasks:
                self.emit, self.running = emit, [self.tasks.create_task(self.watch())]
                for _, endpoint in itertools.product(range(self.share), self.endpoints):
                    self.add_worker(endpoint)
                for request in itertools.chain([first], requests):
                    await self.queue.put(request)
                await self.queue.join()
                for task in self.running:
                    task.cancel()

    async def start(self, messages):
        """See which endpoints answer, and whether the template opens a think block."""
        for endpoint in self.endpoints:
            await self.look_at(endpoint, "no server there")
        up = [endpoint for endpoint in self.endpoints if not endpoint.down]
        if not up:
            urls = ",".join(endpoint.url for endpoint in self.endpoints)
            raise r.NoEndpoint(
                f"--base-url {urls}: no server answers there; start it, or leave --base-url out "
                "to run vLLM in this process"
            )
        self.opened = await self.opens_thinking(up[0], messages)

    def add_worker(self, endpoint):
        endpoint.workers += 1
        self.running.append(self.tasks.create_task(self.work(endpoint)))

    async def work(self, endpoint):
        while not endpoint.refused:
            if endpoint.down:
                await asyncio.sleep(LOOK)
                continue
            await self.answer(endpoint, await self.queue.get())
            self.queue.task_done()
        await self.useful(endpoint)  # raises where no other is left to take the rows

    async def answer(self, endpoint, request):
        """Send a request until it has an answer, `retries` times more at most. A busy server costs
        no try as long as it answers others; with a limit of requests a minute that takes a minute."""
        tries, sent, busy, answered = 0, 0, 0, None
        while True:
            endpoint = await self.useful(endpoint)
            try:
                return self.emit(request, await self.exchange(endpoint, request))
            except Fault as fault:
                tries += not fault.busy
                busy = busy + 1 if fault.busy and endpoint.answered == answered else 0
                if fault.final or tries > self.retries or busy > 3 * self.retries:
                    return self.emit(request, {"error": str(fault)})
                answered = endpoint.answered
                await asyncio.sleep(max(fault.wait, BACKOFF * 2 ** min(sent, 6)))
                sent += 1

    async def useful(self, endpoint):
        """The endpoint, or another where it is away or refuses; waits where all are away."""
        while useful := [e for e in (endpoint, *self.endpoints) if not e.refused]:
            if up := [each for each in useful if not each.down]:
                return up[0]
            await asyncio.sleep(LOOK)
        raise r.BadInput(
            f"{endpoint.refused}; no other is left; the answers so far are kept, the same command "
            "goes on"
        )

    async def exchange(self, endpoint, request):
        import aiohttp

        body = {**self.fixed, "messages": request["messages"], "seed": request["seed"]}
        try:
            url, body = f"{endpoint.url}/chat/completions", r.quick_encode(body)
            status, headers, data = await self.send(endpoint, url, body, TIMEOUT)
        except UnicodeEncodeError:
            why = "the prompt holds a lone surrogate, which has no UTF-8 form"
            raise Fault(why, final=True) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            await self.look_at(endpoint, why)
            raise Fault(why) from None
        if status != 200:
            raise self.fault(endpoint, status, headers, data)
        answer = parse_reply(data, self.opened)
        before, closed, _ = answer["response"].partition("</think>")
        self.opened = self.opened or bool(closed) and "<think>" not in before
        endpoint.answered += 1
        endpoint.refusals = 0
        return answer

    async def send(self, endpoint, url, body=None, seconds=30):
        """(status, headers, bytes) of a POST, without a body of a GET; raises aiohttp's errors and
        TimeoutError."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=30)
        how = dict(data=body, timeout=timeout, proxy=endpoint.proxy)
        async with self.session.request("POST" if body else "GET", url, **how) as reply:
            return reply.status, reply.headers, await reply.read()

    def fault(self, endpoint, status, headers, data):
        """The error of a reply that is no answer; notes what it says about the server."""
        text = f"{status}: {data[:500].decode(errors='replace')}"
        endpoint.refusals += status in REFUSED
        # at once, or later where a key is revoked or a model unloaded
        if status in REFUSED and (not endpoint.answered or endpoint.refusals >= 20):
            if not endpoint.refused:
                r.say(f"{endpoint.url}: refuses ({text}); its rows go to the others")
            endpoint.refused = f"--base-url {endpoint.url}: {text}"
        wait = retry_after(headers.get("Retry-After"))
        return Fault(text, wait, final=status in ROWS_FAULT, busy=status in BUSY)

    async def look_at(self, endpoint, why=""):
        """Note whether the whole server is away: the rows of one that is go to the others. Any
        status is an answer: many hosted endpoints list no models."""
        there = await self.look_up(endpoint, f"{endpoint.url}/models") is not None
        if there and endpoint.down:
            r.say(f"{endpoint.url}: answers again")
        elif not there and not endpoint.down:
            where = "its rows go to the others, or wait for it"
            r.say(f"{endpoint.url}: does not answer ({why}); {where}")
        endpoint.down = not there

    async def watch(self):
        """Is a server back, does one take more? Raises after PATIENCE seconds without any."""
        since = time.monotonic()
        while True:
            await asyncio.sleep(LOOK)
            await asyncio.gather(*map(self.look_again, self.endpoints))
            if not all(endpoint.down or endpoint.refused for endpoint in self.endpoints):
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise r.BadInput(
                    f"{self.endpoints[0].url}: no server has answered for {PATIENCE} s; the "
                    "answers so far are kept, the same command goes on"
                )

    async def look_again(self, endpoint):
        """A server that was away may be back; one without a queue gets twice as many workers."""
        if endpoint.down:
            await self.look_at(endpoint)
        elif endpoint.workers < self.most:
            data = await self.look_up(endpoint, f"{endpoint.root}/metrics") or b""
            waiting = re.findall(rb"^vllm:num_requests_waiting\{.*\} (\S+)", data, re.M)
            if waiting and not any(map(float, waiting)):
                for _ in range(min(endpoint.workers, self.most - endpoint.workers)):
                    self.add_worker(endpoint)

    async def look_up(self, endpoint, url, body=None):
        """What a server tells beside answers, as bytes; None where none answers."""
        try:
            return (await self.send(endpoint, url, body))[2]
        except Exception:  # whatever aiohttp raises: it is no server that can be used
            return None

    async def opens_thinking(self, endpoint, messages):
        """Does the chat template end the prompt inside a think block? vLLM's /tokenize tells."""
        named = {k: self.fixed[k] for k in ("model", "chat_template_kwargs") if k in self.fixed}
        more = {"add_generation_prompt": True, "return_token_strs": True}
        try:
            body = r.quick_encode({**named, "messages": messages, **more})
            told = json.loads(await self.look_up(endpoint, f"{endpoint.root}/tokenize", body))
            return ends_in_thinking("".join(told["token_strs"][-8:]))
        except (ValueError, LookupError, TypeError):  # a server that is no vLLM
            return False


def ask_endpoints(requests, emit, setup, urls, workers, retries, engines=1):
    """Send all requests to the servers; engines: behind each of them."""
    import uvloop

    try:
        uvloop.run(Endpoints(urls, setup, workers, retries, engines).run(requests, emit))
    except BaseExceptionGroup as group:
        error = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def fixed_body(setup):
    sampling = setup["sampling"]
    body = {"model": setup["model"], **sampler(sampling)}
    if "choices" in sampling:
        body["structured_outputs"] = {"choice": sampling["choices"]}
    if arguments := template_args(sampling):
        body["chat_template_kwargs"] = arguments
    if "json_schema" in sampling:
        schema = {"name": "answer", "schema": sampling["json_schema"], "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def proxy_of(url):
    """The proxy for an address; aiohttp would look it up at each request, which costs 0.15 ms."""
    parts = urllib.parse.urlsplit(url)
    bypass = urllib.request.proxy_bypass(parts.netloc)
    return None if bypass else urllib.request.getproxies().get(parts.scheme)


def retry_after(value):
    """Seconds of a Retry-After header, at most five minutes; a date is not waited for."""
    try:
        return min(max(float(value or 0), 0.0), 300.0)
    except ValueError:
        return 0.0


def parse_reply(data, opened=False):
    """The answer in a reply's bytes, as Book.store takes it; Fault where there is none."""
    try:
        reply = r.quick_decode(data)
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        message = choice.get("message") or {}
        answer = {"response": message.get("content") or ""}
        answer["finish_reason"] = finish_reason(choice.get("finish_reason"))
        answer |= {key: int(usage.get(key) or 0) for key in r.TOKENS}
        reasoning = message.get("reasoning") or message.get("reasoning_content")
        if not isinstance(answer["response"], str):
            raise TypeError("its content is no text")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Fault(f"bad reply: {error}; it begins {bytes(data[:100])!r}") from None
    if reasoning:
        answer["reasoning"] = reasoning
    elif opened:
        answer["response"] = mark_thinking(answer["response"], answer["finish_reason"])
    return answer


def finish_reason(reason):
    """stop or length, whatever the server calls it; Fault where the answer was broken off."""
    reason = (reason or "stop").lower()
    if reason in ("error", "abort", "content_filter"):
        raise Fault(f"finish_reason {reason}")
    return "length" if reason in ("length", "max_tokens", "model_length") else "stop"


def mark_thinking(response, finish_reason):
    """The text, marked where it was cut off in a think block that the prompt itself had opened: no
    reader may take thoughts for an answer."""
    cut_off = finish_reason == "length" and "</think>" not in response
    return f"<think>\n{response}" if cut_off else response


def ends_in_thinking(prompt_end):
    return "<think>" in prompt_end.rsplit("</think>", 1)[-1]


# ---- vLLM in this process or on several groups of GPUs ----


def listed_gpus():
    """Lines of nvidia-smi, one a GPU; [] where there is none."""
    try:
        told = subprocess.check_output(
            ["nvidia-smi", "--list-gpus"], stderr=subprocess.DEVNULL, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line for line in told.splitlines() if line.startswith("GPU")]


def visible_gpus():
    """Ids of the NVIDIA GPUs this process may use; does not import torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(number) for number in range(len(listed_gpus()))]
    ids = named.replace(" ", "").split(",")
    return [gpu for gpu in ids if gpu not in ("", "-1", "NoDevFiles")]


def check_gpu():
    """BadInput where nvidia-smi sees a GPU and torch does not: all would run on the CPU."""
    if not visible_gpus() or not listed_gpus():
        return
    import torch

    if not torch.cuda.is_available():
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"
        raise r.BadInput(
            f"nvidia-smi sees a GPU, but torch {torch.__version__}, built for {build}, cannot use "
            "it: run `bash setup.sh`, which takes the build for this driver, or set "
            "CUDA_VISIBLE_DEVICES= to work on the CPU"
        )


def cpu_has_bf16():
    """Does the processor have bfloat16 instructions? Without them a product of matrices takes a
    hundred times as long as in float32 (0.8 against 79 GFLOPS a core, AMD EPYC with AVX2 only), so
    that engine, trainer and encoder then use float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


SERVER = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]


def ask_engines(requests, emit, setup):
    """Generate with vLLM here; on several groups of GPUs with its server, which deals to them."""
    gpus, size = visible_gpus(), setup["engine"]["tensor_parallel_size"]
    check_gpu()
    if gpus and len(gpus) < size:
        raise r.BadInput(f"--tensor-parallel {size}: only {len(gpus)} GPU(s) are visible")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    if "deterministic" in setup["sampling"]:
        os.environ["VLLM_BATCH_INVARIANT"] = "1"
    groups = len(gpus) // size
    if groups < 2:
        return drive(requests, emit, setup)
    arguments, setup = server_arguments(setup)
    server = start_server({**arguments, "data_parallel_size": groups})
    try:
        ask_endpoints(requests, emit, setup, [wait_until_up(server)], None, 2, engines=groups)
    finally:
        stop(server)


def engine_arguments(setup):
    arguments = {"model": setup["model"], "seed": 0, **setup["engine"]}
    if setup["adapter"]:
        config = json.loads((Path(setup["adapter"]) / "adapter_config.json").read_text())
        arguments |= {"enable_lora": True, "max_lora_rank": config["r"]}
    return arguments


def server_arguments(setup):
    """Arguments of the server, and the setup of the requests to it."""
    from transformers import AutoTokenizer

    own = {"uvicorn_log_level": "warning", "generation_config": "vllm"}
    arguments = {**engine_arguments(setup), **own}
    sampling, model = setup["sampling"], setup["model"]
    tokenizer = AutoTokenizer.from_pretrained(model)
    has_template = bool(tokenizer.chat_template)
    sampling = {**sampling, "stop_token_ids": prepare_chat(tokenizer)}
    if not has_template:
        arguments["chat_template"] = tokenizer.chat_template
    if setup["adapter"]:
        arguments["lora_modules"], model = f"adapter={setup['adapter']}", "adapter"
    return arguments, {**setup, "model": model, "sampling": sampling}


def start_server(arguments):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--host=127.0.0.1", f"--port={port}"]
    for name, value in arguments.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{name}" if value else f"--no-{name}")
        else:
            options.append(f"--{name}={value if isinstance(value, str) else json.dumps(value)}")
    server = subprocess.Popen([*SERVER, *options], stdout=2, start_new_session=True)
    server.watchdog = end_with_this_process(f"-{server.pid}")
    server.port = port
    return server


def wait_until_up(server):
    """The server's URL, once it takes connections."""
    while server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port)):
            return f"http://127.0.0.1:{server.port}/v1"
        time.sleep(0.5)
    raise r.BadInput(f"the engines ended with code {server.returncode}; their messages stand above")


def stop(server):
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
        server.wait(30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)  # what it started too


def end_with_this_process(targets):
    """A shell that ends processes, or groups (-PGID), once this process has ended: vLLM's outlive
    one that was killed."""
    return subprocess.Popen(
        ["sh", "-c", f"trap '' INT TERM; cat >/dev/null; sleep 10; kill -9 {targets} 2>/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


ENGINE = {}  # the engine of this process by its arguments: a second call pays no second start


def engine_for(setup):
    """The vllm.LLM of this setup: the one that runs where it is the same, else a new one."""
    deterministic = setup["sampling"].get("deterministic")
    key = json.dumps([setup["adapter"], deterministic, engine_arguments(setup)], sort_keys=True)
    if key not in ENGINE:
        if ENGINE:
            import gc

            ENGINE.popitem()[1].llm_engine.engine_core.shutdown()
            gc.collect()
        ENGINE[key] = start_engine(engine_arguments(setup))
    return ENGINE[key]


def start_engine(arguments):
    """vllm.LLM with defaults that suit the machine."""
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
    started = psutil.Process().children(recursive=True)
    llm.watchdog = end_with_this_process(" ".join(str(child.pid) for child in started))
    return llm


TEMPLATES = r.ROOT / "03_sft" / "templates"
# For a base model without chat template: the first whose tokens its vocabulary holds.
TEMPLATE_OF_TOKENS = {
    "chatml": {"<|im_start|>", "<|im_end|>"},
    "llama3": {"<|start_header_id|>", "<|eot_id|>"},
    "plain": set(),
}
MARK = "THE-ANSWER-ENDS-HERE"


def add_template(tokenizer):
    """Set the template whose tokens the vocabulary holds; returns its source."""
    vocabulary = tokenizer.get_vocab().keys()
    name = next(name for name, tokens in TEMPLATE_OF_TOKENS.items() if tokens <= vocabulary)
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    return f"templates/{name}.jinja, since the model has none"


def end_of_turn(tokenizer):
    """Id of the special token the chat template puts behind an answer, or None."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    added = tokenizer.added_tokens_decoder.items()
    special = {*tokenizer.all_special_ids, *(i for i, token in added if token.special)}
    behind = tokenizer(text[text.rfind(MARK) + len(MARK) :], add_special_tokens=False).input_ids
    return next((token for token in behind if token in special), None)


def prepare_chat(tokenizer):
    """Give a tokenizer without chat template the trainer's; returns the ids that end an answer.

    A base model knows only the end of a text as its end: without them it writes the next turns too.
    """
    if not tokenizer.chat_template:
        r.say(f"chat template: {add_template(tokenizer)}")
    end = end_of_turn(tokenizer)
    return [] if end is None else [end]


class Driver:
    """One engine: makes vLLM's prompts and parameters of requests, and answers of its outputs."""

    def __init__(self, setup):
        import vllm.exceptions
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        llm, sampling = engine_for(setup), setup["sampling"]
        self.engine, self.tokenizer = llm.llm_engine, llm.get_tokenizer()
        self.window = 2 * self.engine.vllm_config.scheduler_config.max_num_seqs
        self.template = template_args(sampling)
        self.asked, self.numbers = {}, itertools.count()  # key -> request that the engine has
        self.known = {**sampler(sampling), "output_kind": RequestOutputKind.FINAL_ONLY}
        self.known["stop_token_ids"] = prepare_chat(self.tokenizer)
        if "json_schema" in sampling or "choices" in sampling:
            self.known["structured_outputs"] = StructuredOutputsParams(
                json=sampling.get("json_schema"), choice=sampling.get("choices")
            )
        self.lora = setup["adapter"] and vllm.lora.request.LoRARequest(
            "adapter", 1, setup["adapter"]
        )
        # a prompt that is too long is no ValueError; the engine's own death is no row's fault
        errors = vllm.exceptions
        self.faults = (ValueError, TypeError, errors.VLLMClientError, errors.GenerationError)

    def add(self, request):
        """Hand a request to the engine; returns why it does not take it, or None."""
        import vllm

        how = dict(add_generation_prompt=True, tokenize=True, return_dict=False, **self.template)
        key = str(next(self.numbers))
        try:
            prompt = self.tokenizer.apply_chat_template(request["messages"], **how)
            params = vllm.SamplingParams(**self.known, seed=request["seed"])
            self.engine.add_request(
                key, {"prompt_token_ids": prompt}, params, lora_request=self.lora
            )
        except self.faults as error:  # this row's fault, not the run's
            return f"{type(error).__name__}: {error}"[:1000]
        self.asked[key] = request

    def step(self):
        """One step of the engine: [(request, answer), ...] of what is finished with it."""
        finished = [output for output in self.engine.step() if output.finished]
        return [(self.asked.pop(output.request_id), self.answer(output)) for output in finished]

    def answer(self, output):
        (done,), prompt = output.outputs, output.prompt_token_ids
        try:
            answer = {"response": done.text, "finish_reason": finish_reason(done.finish_reason)}
        except Fault as fault:
            return {"error": str(fault)}
        if ends_in_thinking(self.tokenizer.decode(prompt[-8:])):
            answer["response"] = mark_thinking(**answer)
        numbers = len(prompt), len(done.token_ids)
        return {**answer, **dict(zip(r.TOKENS, numbers, strict=True))}


def drive(requests, emit, setup):
    driver = Driver(setup)
    while True:
        while len(driver.asked) < driver.window and (request := next(requests, None)):
            if error := driver.add(request):
                emit(request, {"error": error})
        if not driver.asked:
            return
        for request, answer in driver.step():
            emit(request, answer)


def main():
    parser = r.parser(__doc__, "input", "output")
    prompt = "the user message; <field> is replaced by that field of the row"
    parser.add_argument("--prompt", required=True, metavar="TEXT", help=prompt)
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
    r.run(main)
