"""Read and write rows: whole files or none, rejected and meta files beside, clear errors of bad
input.

A script that makes X.jsonl from A.jsonl is written like this:

    parser = rows.parser(__doc__, "input", "output", "limit", "fresh")
    args = parser.parse_args()
    step = rows.Step(args, inputs=[args.input])
    if step.finished():                               # same inputs, options and code as last time
        return
    for row in step.read(args.input, "question"):     # counts the row, checks its `question`
        step.keep(row) if good(row) else step.reject(row, "too short")
    step.finish()                                     # X.rejected.jsonl, X.jsonl, X.meta.json

A row is a dict with a stable string `id`; unknown fields are carried through. Files are UTF-8 JSONL
split on "\\n" only (texts may hold U+2028); .jsonl.gz, .parquet, .json and .csv are read too.

    python rows.py join X.jsonl     joins the parts X.1of8.jsonl ... of --shard: the files of one
                                    run
"""

import argparse
import ast
import atexit
import collections
import contextlib
import csv
import errno
import fcntl
import functools
import glob
import gzip
import hashlib
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import zlib
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent


class BadInput(Exception):
    """Something the user can mend: one sentence that names the file, the line and the field."""

    exit_code = 2


class NoRoom(BadInput):
    """The disk is full (exit code 1): finished work is kept, the same command goes on."""

    exit_code = 1


class NoEndpoint(BadInput):
    """A model is needed and its server is not there (exit code 3: run_all.sh then starts one)."""

    exit_code = 3


class NoAccess(BadInput):
    """A set or model of the hub that is gated or private, and no token at hand that opens it."""


class LineByLine:
    """stderr for a progress bar where it is no terminal: each update is a line of its own."""

    def write(self, text):
        sys.stderr.write(text.replace("\r", "\n"))

    def flush(self):
        sys.stderr.flush()


def say(*words):
    """A line on stderr: what a step tells its user, without the keys of this process."""
    line = " ".join(map(str, words)) + "\n"
    sys.stderr.write(redact(line.encode(errors="replace")).decode())


def progress(iterable=None, total=None, desc="", unit="row"):
    """tqdm bar on stderr; one line a minute when stderr is not a terminal."""
    from tqdm import tqdm

    how = dict(mininterval=0.2, dynamic_ncols=True)
    if not sys.stderr.isatty():
        how = dict(mininterval=60, maxinterval=60, delay=30, file=LineByLine())
    return tqdm(iterable, total=total, desc=desc, unit=f" {unit}", **how)


class Parser(argparse.ArgumentParser):
    def parse_args(self, *given):
        args = super().parse_args(*given)
        if getattr(args, "shard", None) and hasattr(args, "input"):
            take_shard(args)
        return args


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


FILE = dict(metavar="FILE", required=True)
COUNT = dict(metavar="N", type=positive)
STANDARD_OPTIONS = {
    "input": dict(FILE, help="rows to read (.jsonl, .jsonl.gz, .parquet, .json, .csv)"),
    "output": dict(FILE, help="rows to write (.jsonl); rejected and meta files stand beside it"),
    "limit": dict(COUNT, help="only the first N rows"),
    "seed": dict(type=int, default=42, metavar="N", help="seed of everything random (default 42)"),
    "workers": dict(
        COUNT, help="processes, or requests in flight (default: what machine or server takes)"
    ),
    "shard": dict(metavar="I/N", help="only part I of N, into X.IofN.jsonl; rows.py join joins"),
    "fresh": dict(action="store_true", help="start over: delete what an earlier run left"),
}


def parser(doc, *standard):
    """Argument parser whose help is the script's docstring; `standard` names STANDARD_OPTIONS."""
    made = Parser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    for name in standard:
        made.add_argument(f"--{name}", **STANDARD_OPTIONS[name])
    return made


def parse_shard(text):
    try:
        number, of = map(int, text.split("/"))
    except ValueError:
        number, of = 0, 0
    if not 1 <= number <= of:
        raise BadInput(f"--shard {text}: write I/N, for instance 3/8 for the third of eight parts")
    return number, of


def take_shard(args):
    """Make --shard I/N a range of the input's rows (args.limit) and a name (args.output)."""
    number, of = parse_shard(args.shard)
    total = sum(1 for _ in read(args.input, limit=args.limit, unique=False))
    args.whole_limit = args.limit
    args.limit = range(total * (number - 1) // of, total * number // of)
    args.output = str(beside(args.output, f"{number}of{of}.jsonl"))


def within(limit):
    """A --limit (N, None, or the range of a shard) as the range of positions that are read."""
    return limit if isinstance(limit, range) else range(sys.maxsize if limit is None else limit)


def explain(error):
    """The sentence of a full disk or a file that may not be touched; raises other OSErrors."""
    place = os.fsdecode(error.filename or ".")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(
            f"{place}: the disk is full; make room and give the same command again: finished work "
            "is kept"
        )
    if error.filename:
        return BadInput(f"{place}: {error.strerror.lower()}")
    raise error


@contextlib.contextmanager
def naming(path):
    """Name the file where a write to it fails: the system's error names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def run(main):
    """Call a script's main(): bad input ends with one line and its exit code, Ctrl-C with 130."""
    try:
        main()
    except (BadInput, OSError) as error:
        error = error if isinstance(error, BadInput) else explain(error)
        say(f"{Path(sys.argv[0]).name}: {' '.join(str(error).split())}")
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        say("\ninterrupted; finished work is kept, the same command goes on from there")
        raise SystemExit(130) from None
    finally:
        if sys.modules["__main__"].__dict__.get("main") is main:  # it ends now, without a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def text_hash(*texts):
    """Short hash of texts, messages or other values (16 hex digits)."""
    joined = "\x1f".join(
        text if isinstance(text, str) else json.dumps(text, sort_keys=True, default=str)
        for text in texts
    )
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def content_id(row):
    """Id of a row that came without one: a hash of its fields."""
    return text_hash({name: value for name, value in row.items() if name != "id"})


@functools.cache
def file_hash(path):
    """SHA-256 of a file, or of all files below a folder with their names."""
    path = Path(path)
    if path.is_dir():
        inside = [
            (str(p.relative_to(path)), file_hash(p)) for p in sorted(path.rglob("*")) if p.is_file()
        ]
        return hashlib.sha256(json.dumps(inside).encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# made once: json.dumps makes an encoder at each call, a fifth more time
encode_line = json.JSONEncoder(ensure_ascii=False).encode
encode_pretty = json.JSONEncoder(ensure_ascii=False, indent=2, default=str).encode
quick_encode = msgspec.json.Encoder().encode
quick_decode = msgspec.json.Decoder().decode


def decode(line):
    """The JSON value of a line of bytes; raises ValueError where it is not valid.

    What msgspec accepts, it reads as json does, in a quarter of the time (0.10 against 0.44 s for
    100,000 rows of 620 bytes); NaN, 1e400, lone surrogates or a byte order mark go on to json.
    """
    try:
        return quick_decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(line if line[:1] != b"{" else line.decode("utf-8", "surrogatepass"))


@functools.cache
def secrets():
    """Keys of this process as bytes: a server's error text may echo one; none is written."""
    names = ("LLM_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    keys = (os.environ.get(name, "").encode() for name in names)
    return [key for key in keys if len(key) > 7]


def redact(data):
    """Bytes that are to be written or printed, without the keys of this process."""
    for secret in secrets():
        data = data.replace(secret, b"[key]")
    return data


def dumps(value, encode=encode_line):
    """JSON of a row (or another value) and a line end as bytes, without this process's keys. A lone
    surrogate, which has no UTF-8 form, is escaped: Python's \\ud800 for it is JSON's too."""
    return redact((encode(value) + "\n").encode(errors="backslashreplace"))


# ---- rows of a file ----

LONGEST = 1 << 26  # bytes of a line: a file that is no JSONL may be one line


def _parquet_rows(path):
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=64)
        rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
        yield from enumerate(map(as_json, rows), 1)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path}: not a whole parquet file ({error})") from None


def as_json(value):
    """A value of Arrow's types as JSON knows it: dates, times, decimals and bytes become text."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def _json_rows(path):
    """Rows of an array, of an object of rows by id (as PubMedQA has them), of an object that holds
    a list of rows, or the object; None for a file that is not one JSON value."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    inside = list(value.values())
    if inside and all(isinstance(row, dict) for row in inside):
        return [{"id": key, **row} for key, row in value.items()]
    for rows in inside:
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return rows
    return [value]


def _json_lines(path):
    # binary files split on b"\n" only
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb", buffering=1 << 20) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
            if len(line) == LONGEST:
                raise BadInput(f"{path}, line {number}: longer than {LONGEST >> 20} MB")
            if line.isspace():
                continue
            try:
                yield number, decode(line)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"{path}, line {number}: not valid JSON ({error})") from None


def raw_rows(path):
    """Yield (line number, row) of a file of rows: .jsonl, .jsonl.gz, .parquet, .json, .csv."""
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
    elif path.suffix == ".csv":
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from enumerate(csv.DictReader(file), 2)
    else:
        whole = _json_rows(path) if path.suffix == ".json" else None
        for number, row in _json_lines(path) if whole is None else enumerate(whole, 1):
            if not isinstance(row, dict):
                raise BadInput(
                    f"{path}, line {number}: a row must be a JSON object, not {type(row).__name__}"
                )
            yield number, row


def read(path, *fields, limit=None, unique=True):
    """Yield the rows of a file (see raw_rows); a row without `id` gets a content hash.

    Each of `fields` must be there ("subject?" may be absent) and of its type (FIELD_TYPES; else a
    text) or null (not "question!"). Raises BadInput for a file that is missing or broken, a field
    that is missing or of another type, an id that occurs twice.
    """
    path = Path(path)
    if path.is_dir():
        raise BadInput(f"{path} is a folder, a file of rows is needed")
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    seen, copies, part = {}, collections.Counter(), within(limit)
    try:
        for count, (number, row) in enumerate(raw_rows(path)):
            if count >= part.stop:
                return
            for field in fields:
                _check_field(row, field, path, number)
            if row.get("id") is None:
                row["id"] = content_id(row)
                # the same row once more: its copies are counted
                if unique and hash(row["id"]) in seen:
                    copies[row["id"]] += 1
                    row["id"] += f"-{copies[row['id']] + 1}"
            row["id"] = str(row["id"])
            if unique and seen.setdefault(hash(row["id"]), number) != number:
                first = seen[hash(row["id"])]
                raise BadInput(
                    f'{path}, line {number}: id "{row["id"]}" stands already in line {first}'
                )
            if count >= part.start:
                yield row
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read to its end ({error})") from None


# Types of the fields that scripts ask for by name; every other one is a text.
FIELD_TYPES = {
    **dict.fromkeys(("pages", "options", "prompt", "completion"), (list, "a list")),
    "n_tokens": (int, "a whole number"),
    "correct": (bool, "true or false"),
    "reference": ((str, list), "a text or a list of texts"),
}


def _check_field(row, wanted, path, number):
    field = wanted.rstrip("?!")
    value, (kind, kind_name) = row.get(field), FIELD_TYPES.get(field, (str, "a text"))
    none_will_do = not wanted.endswith("!") if field in row else wanted.endswith("?")
    if isinstance(value, kind) or (value is None and none_will_do):
        return
    if field not in row:
        fault = f"is missing (this row has: {', '.join(row) or 'nothing'})"
    else:
        shown = "null" if value is None else f"{str(value)[:60]!r} ({type(value).__name__})"
        fault = f"must be {kind_name}, this is {shown}"
    raise BadInput(f'{path}, line {number}: field "{field}" {fault}')


# Hidden files, what a run leaves beside its output, documents, names without a suffix.
NO_ROWS = re.compile(
    r"(?i)(?:^|/)(?:\.|[^./]*$)|\.(?:rejected\.jsonl|raw\.jsonl|meta\.json|md|txt|py|license)$"
)


def files_below(path, option):
    """The files of a folder that may hold rows, in order; a file is taken as it is."""
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{option} {path}: there is no such file or folder")
    if path.is_file():
        return [path]
    found = (p for p in sorted(path.rglob("*")) if p.is_file())
    return [p for p in found if not NO_ROWS.search(p.relative_to(path).as_posix())]


# ---- the hub ----


def hub_commit(hub, revision):
    """Full commit of a revision (branch, tag, short commit) of a hub data set."""
    from huggingface_hub import HfApi

    if re.fullmatch("[0-9a-f]{7,39}", revision):  # the hub itself knows full commits only
        commits = (each.commit_id for each in HfApi().list_repo_commits(hub, repo_type="dataset"))
        revision = next((full for full in commits if full.startswith(revision)), revision)
    return HfApi().dataset_info(hub, revision=revision).sha


def hub_rows(place, hub, config, split, revision="main", file=None, *, hint):
    """Yield the rows of a split of a hub data set at one commit, or of its one data file `file`.
    place, hint: how the message of a BadInput begins and what it offers instead."""
    from huggingface_hub import constants

    revision = revision or "main"
    with hub_errors(f"{place} ({hub} at {revision[:12]})", hub, hint):
        import datasets

        local = Path(hub).is_dir()
        if not local and not constants.HF_HUB_OFFLINE:
            revision = hub_commit(hub, revision)
        if file:
            url = f"hf://datasets/{hub}@{revision}/{file}"
            kind = "json" if file.endswith((".json", ".jsonl")) else "parquet"
            builder = datasets.load_dataset_builder(kind, data_files={split: url})
        else:
            builder = datasets.load_dataset_builder(hub, config, revision=revision)
            pinned = not local and re.fullmatch("[0-9a-f]{7,40}", revision)
            if pinned and not builder.hash.startswith(revision):
                # where the hub does not answer, datasets takes what its cache holds, of any commit
                raise ConnectionError(f"only commit {builder.hash} is in the cache")
        yield from map(as_json, builder.as_streaming_dataset(split=split))


def check_count(place, found, wanted, other_rows):
    """Raise BadInput where a set of the hub gave another number of rows than its table says (None:
    nothing); only say it with other_rows."""
    if wanted is None or found == wanted:
        return
    text = f"{place} gave {found:,} rows, the table says {wanted:,}"
    if not other_rows:
        raise BadInput(f"{text}; --allow-other-rows goes on with them")
    say(text)


@contextlib.contextmanager
def hub_errors(place, hub, hint):
    """Turn what the hub's clients raise into BadInput (NoAccess where a token is missing); hint:
    what can be done instead."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        # of all errors that led to it, without lines of code: they may say "aggregated"
        if "gated" in "".join(traceback.format_exception(error, limit=0)).lower():
            where = f"https://huggingface.co/datasets/{hub}"
            raise NoAccess(
                f"{place}: the set is gated: accept its terms at {where}, then set HF_TOKEN "
                f"or run `hf auth login`; or {hint}"
            ) from None
        raise BadInput(
            f"{place}: {type(error).__name__}: {str(error)[:300]}; where the hub cannot be reached "
            f"the same command goes on later; or {hint}"
        ) from error


# ---- question and options of rows in any form ----

QUESTION_FIELDS = "question problem problem_text goal query prompt input instruction".split()
LETTERED_FIELDS = (  # columns, one an option
    tuple("abcdefghij"),  # CS-Bench
    ("opa", "opb", "opc", "opd"),  # MedMCQA
    ("sol1", "sol2"),  # PIQA
    ("correct answer", "incorrect answer 1", "incorrect answer 2", "incorrect answer 3"),  # GPQA
)


def lower_names(row):
    """The row with its field names in lower case; the first of two such names counts."""
    return {str(name).lower(): row[name] for name in reversed(row)}


def as_value(value):
    """A list or dict, also from its JSON or Python text; None for other texts."""
    for parse in (json.loads, ast.literal_eval):
        if isinstance(value, str):
            with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                value = parse(value)
    return None if isinstance(value, str) else value


def first_example(low):
    """The one entry of ChemBench's `examples`; else {}."""
    examples = as_value(low.get("examples"))
    found = examples[0] if isinstance(examples, list | tuple) and examples else None
    return found if isinstance(found, dict) else {}


def question_of(row):
    """The question's text under any of its names, or None."""
    low = lower_names(row)
    for field in QUESTION_FIELDS:
        if isinstance(low.get(field), str) and low[field].strip():
            return low[field]
    asked = first_example(low).get("input")
    return asked if isinstance(asked, str) else None


def options_of(row):
    """Option texts in order, [] where the question has none: a list, a dict by letter, ARC's
    {"text": [...], "label": [...]}, [{"key", "value"}, ...], lettered columns, target_scores."""
    low = lower_names(row)
    for field in ("options", "choices"):
        if texts := option_texts(as_value(low.get(field))):
            return texts
    for fields in LETTERED_FIELDS:
        if all(low.get(field) is not None for field in fields[:2]):
            return [str(low[field]) for field in fields if low.get(field) not in (None, "")]
    scores = as_value(first_example(low).get("target_scores"))
    return list(map(str, scores)) if isinstance(scores, dict) else []


def option_texts(value):
    if isinstance(value, dict):
        values = [text for text in value.values() if text is not None]
        value = value["text"] if isinstance(value.get("text"), list) else values
    if not isinstance(value, list | tuple):
        return []
    named = [option if isinstance(option, dict) else {"text": option} for option in value]
    return [str(option.get("text", option.get("value", option))) for option in named]


def option_letter(answer, options):
    """The letter of an answer that is an index, a letter, or an option's text; else None."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(options)]
    if isinstance(answer, bool) or answer is None:
        return None
    text = str(answer).strip()
    if isinstance(answer, int) or text.isdigit() and text not in options:
        return letters[int(answer)] if 0 <= int(answer) < len(letters) else None
    letter = text.strip("().").upper()
    if len(letter) == 1 and letter in letters:
        return letter
    return letters[options.index(text)] if text in options else None


# ---- licences: of rows, and of the models that wrote them ----

# How names and addresses of Creative Commons write the parts of an identifier.
CC_PARTS = (
    (r"creative ?commons(?:\.org/licenses)?", "cc"),
    ("attribution", "by"),
    ("share[ -]?alike", "sa"),
    ("non[ -]?commercial", "nc"),
    ("no-?deriv(?:ative)?s", "nd"),
)
# "cc by (2.5 canada)", "cc/by-nc/4.0/"
CC_NAME = re.compile(r"\bcc[ /-]*by((?:[ -](?:nc|sa|nd))*)[ /(-]*v?(\d\.\d)?")
COMMON_NAMES = (
    ("cc0|(?:cc|creative commons) zero|.*publicdomain/zero", "cc0-1.0"),
    (".*publicdomain/mark", "public-domain"),
    ("apache", "apache-2.0"),
    (r"(?:the )?mit\b", "mit"),
    ("gnu free doc|gfdl", "gfdl-1.3"),
    ("odc[ -]by", "odc-by-1.0"),
)
TERMS = (  # of the models that write rows, as their licences ask for them on 25 November 2026
    (r"llama", "Built with Llama: the rows were made with {model}, whose licence (Llama Community License) asks models "
     "trained on them to bear `Llama` at the beginning of their name and copies to hold its notice."),
    (r"qwen2\.5-(?:72b|3b)", "Built with Qwen: the rows were made with {model}, whose Qwen licence asks for these words."),
    (r"gemma", "The rows were made with {model}: the Gemma Terms of Use hold for models trained on them."),
)  # fmt: skip


@functools.lru_cache(4096)
def license_id(text):
    """Licence as its SPDX identifier in lower case: "CC BY-NC 4.0" or its address -> cc-by-nc-4.0.
    None where none is named; what SPDX does not know stays as it is, with hyphens."""
    plain = " ".join(str(text or "").lower().split())
    if plain in ("", "unknown", "none", "null", "not stated", "n/a", "-"):
        return None
    from license_expression import ExpressionError, ExpressionParseError, get_spdx_licensing

    try:
        return str(get_spdx_licensing().parse(plain, validate=True)).lower()
    except (ExpressionError, ExpressionParseError):
        pass
    for pattern, name in COMMON_NAMES:
        if re.match(pattern, plain):
            return name
    for pattern, part in CC_PARTS:
        plain = re.sub(pattern, part, plain)
    if found := CC_NAME.search(plain):
        return "-".join(filter(None, ("cc-by" + found[1].replace(" ", "-"), found[2])))
    return re.sub(r"[\s_]+", "-", plain)


def written_by(row, *models):
    """Names of the models that wrote or changed a row (its `generator`, a name or a list of them),
    and of these more, each once, in order."""
    before = row.get("generator") or []
    return list(dict.fromkeys([*([before] if isinstance(before, str) else before), *models]))


def model_terms(models):
    """What the licences of generating models ask of a data set's card: a list of sentences."""
    return [
        text.replace("{model}", model)
        for model in sorted(models)
        for pattern, text in TERMS
        if re.search(pattern, model, re.I)
    ]


# ---- files, whole or none ----


def aside_of(path):
    """Where a file is written before it has its name; what killed processes left is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = old.name.removesuffix(".part").rpartition(".")[2]
        if pid.isdecimal() and not alive(int(pid)):
            old.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


LOCKS = {}  # output -> open lock file of this process


def lock(output):
    """Hold an output as long as this process lives; BadInput names another that holds it."""
    path = Path(output).absolute()
    if path in LOCKS:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.lock")
    file = open(name, "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "process unknown"
        raise BadInput(
            f"{output}: another run is writing it ({owner}); wait for it or stop it"
        ) from None
    if not name.exists() or not os.path.samestat(os.stat(name), os.fstat(file.fileno())):
        file.close()
        return lock(output)  # the owner before removed it in between
    file.truncate(0)
    file.write(f"process {os.getpid()}: {shlex.join(sys.argv)[:200]}")
    file.flush()
    if not LOCKS:
        atexit.register(lambda: [unlock(held) for held in list(LOCKS)])
    LOCKS[path] = file


def unlock(output):
    path = Path(output).absolute()
    if file := LOCKS.pop(path, None):
        path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
        file.close()


def end_with_parent():
    """Initializer of a worker process: it ends with its parent, even where that is killed."""

    import multiprocessing

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


FEW_ROWS = 2000  # up to so many a pool of processes costs more than it saves
HANDED = 100  # rows that a process is handed at a time


def in_processes(function, rows, workers=None):
    """Yield function(row) of each row, in order; more than FEW_ROWS are shared out to `workers`
    processes (default: the cores), as many again at a time for each. A daemonic process may start
    no other: it works alone."""
    import concurrent.futures
    import multiprocessing

    rows = iter(rows)
    first = list(itertools.islice(rows, FEW_ROWS + 1))
    rows, workers = itertools.chain(first, rows), workers or len(os.sched_getaffinity(0))
    if workers == 1 or len(first) <= FEW_ROWS or multiprocessing.current_process().daemon:
        yield from map(function, rows)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads can lock up
    with concurrent.futures.ProcessPoolExecutor(workers, spawn, end_with_parent) as pool:
        while part := list(itertools.islice(rows, workers * FEW_ROWS)):
            yield from pool.map(function, part, chunksize=HANDED)


def card_beside(output):
    """The place of a dataset card, README.md in the folder of `output`, a path; an earlier card there
    may go. Raises BadInput where a README.md stands there that is no card (without YAML at its head)."""
    path = output.with_name("README.md")
    if path.is_file():
        with open(path, "rb") as file:
            if file.read(4).rstrip() != b"---":
                raise BadInput(f"{path} is no dataset card; give --output in a folder of its own")
    return path


@contextlib.contextmanager
def write_aside(path, mode="wb"):
    """Open a file that appears under its name only when the block ends well."""
    path = Path(path)
    aside = aside_of(path)
    try:
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        with naming(path), open(aside, mode, **text) as file:
            yield file
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write(path, rows):
    """Write rows to a JSONL file, whole or not at all; returns their number."""
    count = 0
    with write_aside(path) as file:
        for row in rows:
            file.write(dumps(row))
            count += 1
    return count


def write_json(path, value):
    with write_aside(path) as file:
        file.write(dumps(value, encode_pretty))


def beside(path, kind):
    """Name of a file beside an output: beside("a.out.jsonl", "raw.jsonl") -> a.out.raw.jsonl."""
    path = Path(path)
    return path.with_name(f"{path.stem}.{kind}")


def copy_katex(folder):
    """Names of KaTeX's two scripts, copied into a page's folder; none where not installed.

    They come with sphinxcontrib-katex (MIT); as MathML they need neither fonts nor network.
    """
    import importlib.metadata

    names = ("katex.min.js", "auto-render.min.js")
    try:
        found = importlib.metadata.distribution("sphinxcontrib-katex")
    except importlib.metadata.PackageNotFoundError:
        return ()
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(found.locate_file(f"sphinxcontrib/{name}"), Path(folder) / name)
    return names


# ---- a script's run ----


def duration(seconds):
    # 3.2 s, 4 min 10 s, 2 h 5 min
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def starting(output, *details):
    script = Path(sys.argv[0]).stem
    say(", ".join([f"{script} -> {output}", *filter(None, details)]))


def start_over(paths):
    for path in paths:
        if path.exists():
            say(f"--fresh: deleting {path}")
            path.unlink()


TOKENS = ("prompt_tokens", "completion_tokens")
SPENT = {}  # raw file -> tokens of every run of this step, for the meta file


def total_tokens(spent):
    """Sum of {"prompt_tokens", "completion_tokens"} over raw files, or parts."""
    return {key: sum(tokens[key] for tokens in spent) for key in TOKENS}


def read_meta(path):
    """The meta file beside an output as a dict, or None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        meta = json.loads(beside(path, "meta.json").read_text())
        return meta if meta["counts"]["rejected"] is not None and "out" in meta["counts"] else None


def count_rows(path):
    """Lines of a .jsonl file; None for other files."""
    path = Path(path)
    if path.suffix != ".jsonl" or not path.is_file():
        return None
    with open(path, "rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


@functools.cache
def git_commit():
    """Short commit of the scripts, with "+" where files differ from it; null outside a checkout."""
    describe = ("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+")
    try:
        return subprocess.check_output(
            ["git", "-C", ROOT, *describe], stderr=subprocess.DEVNULL, text=True, timeout=10
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return None


class Step:
    """One script's run: keeps or rejects each row; leaves X.jsonl, X.rejected.jsonl, X.meta.json.

    args    the parsed options: `output`, `fresh`, and those that the result depends on
    inputs  files or folders the result depends on, by their hashes
    prompt  the prompt text where a model is asked
    code    modules or files whose change makes the output stale (the script itself always counts)
    ignore  options that do not change the result (where a model is served)
    """

    IGNORED = "output fresh changed workers base_url show help shard whole_limit".split()

    def __init__(self, args, inputs=(), prompt=None, code=(), ignore=(), **meta):
        self.args, self.output, self.started = vars(args), Path(args.output), time.time()
        self.raw_path = beside(self.output, "raw.jsonl")
        self.rejected_path = beside(self.output, "rejected.jsonl")
        self.meta_path = beside(self.output, "meta.json")
        self.check_paths(inputs)
        lock(self.output)
        if self.args.get("fresh"):
            kinds = ("jsonl", "raw.jsonl", "raw.rejected.jsonl", "rejected.jsonl", "meta.json")
            start_over(beside(self.output, kind) for kind in kinds)
        options = {k: v for k, v in self.args.items() if k not in (*self.IGNORED, *ignore)}
        if self.args.get("shard"):
            options["limit"] = args.whole_limit
            meta = {"shard": args.shard, **meta}
        sources = [Path(getattr(source, "__file__", source)) for source in (sys.argv[0], *code)]
        same_if = dict(
            options=options,
            inputs={str(p): file_hash(str(p)) for p in inputs},
            prompt=text_hash(prompt) if prompt else None,
            code={p.name: file_hash(str(p.resolve()))[:16] for p in sources if p.is_file()},
        )
        self.same_if = json.loads(json.dumps(same_if, default=str))
        self.meta = {"model": self.args.get("model"), "seed": self.args.get("seed"), **meta}
        self.counts = {"in": 0, "out": 0, "rejected": collections.Counter(), "split": 0}
        self._files = None
        SPENT.clear()

    def check_paths(self, inputs):
        if self.output.suffix != ".jsonl":
            raise BadInput(f"--output {self.output}: the name must end in .jsonl")
        if self.output.is_dir():
            raise BadInput(f"--output {self.output} is a folder, the name of a file is needed")
        for path in map(Path, inputs):
            if not path.exists():
                raise BadInput(f"{path}: there is no such file")
            if path.resolve() == self.output.resolve():
                raise BadInput(f"--output {self.output} is also an input; choose another name")

    def finished(self):
        """Does the output stand, of the same inputs, options and code? Says so, or what starts."""
        old = read_meta(self.output) if self.output.is_file() else None
        why = self.why_again(old) if old else None
        if old and not why:
            say(f"{self.output.name}: finished already ({self.funnel(old['counts'])})")
            unlock(self.output)
            return True
        if why:
            say(f"{self.output.name}: made again, since {why}")
        self.announce()
        return False

    def why_again(self, old):
        """Why the output that stands must be made again, or None."""
        before = old.get("same_if", {})
        changed = [key for key in self.same_if if before.get(key) != self.same_if[key]]
        if changed:
            return f"its {' and '.join(changed)} changed"
        if old["counts"]["rejected"].get("generation failed"):
            return "some rows got no answer last time"

    def announce(self):
        """The line at the start: of how many rows."""
        source, part = self.args.get("input"), within(self.args.get("limit"))
        number = count_rows(source) if isinstance(source, str) else None
        asked = number is not None and f"{len(range(number)[part.start : part.stop]):,} rows of"
        starting(self.output.name, asked and f"{asked} {Path(source).name}")

    def read(self, path, *fields, limit=None, unique=True):
        """Rows of an input file, counted; each must then be kept, rejected or split."""
        for row in read(path, *fields, limit=limit, unique=unique):
            self.counts["in"] += 1
            yield row

    def _write(self, index, row=None):
        if self._files is None:
            self._aside = [aside_of(p) for p in (self.output, self.rejected_path)]
            self._files = [open(p, "wb", buffering=1 << 20) for p in self._aside]
            atexit.register(self._clean)
        if row is not None:
            with naming(self.output):
                self._files[index].write(dumps(row))

    def _clean(self):
        for path in self._aside:
            path.unlink(missing_ok=True)

    def keep(self, row):
        self.counts["out"] += 1
        self._write(0, row)

    def reject(self, row, reason, **more):
        self.counts["rejected"][reason] += 1
        self._write(1, {**row, "reason": reason, **more})

    def split(self, into):
        """Account for one row that became `into` rows (0 only with a reject beside it)."""
        self.counts["split"] += into - 1

    def funnel(self, counts=None):
        counts = counts or self.counts
        text = f"{counts['in']:,} rows -> {counts['out']:,}"
        if by_reason := sorted(counts["rejected"].items(), key=lambda item: -item[1]):
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in by_reason)
            text += f"; rejected {sum(counts['rejected'].values()):,}: {reasons}"
        return text

    def finish(self, **meta):
        """Check that no row was lost, let the three files appear, print the funnel."""
        counts = self.counts
        gone_on = counts["out"] + sum(counts["rejected"].values())
        assert counts["in"] + counts["split"] == gone_on, (
            f"rows were lost in {self.output}: {counts}"
        )
        self._write(0)  # opens the files where no row came: an empty result is a result
        with naming(self.output):
            for file in self._files:
                file.close()
        # a crash between the renames leaves an output without meta, which is made again
        self.meta_path.unlink(missing_ok=True)
        os.replace(self._aside[1], self.rejected_path)
        os.replace(self._aside[0], self.output)
        made = dict(command=shlex.join(["python", *map(str, sys.argv)]), commit=git_commit())
        made |= {**self.meta, **meta}
        if SPENT:
            made["tokens"] = {**total_tokens(SPENT.values()), "files": dict(SPENT)}
        took = time.time() - self.started
        made |= dict(counts=counts, seconds=round(took, 1), same_if=self.same_if)
        write_json(self.meta_path, {**made, "date": time.strftime("%Y-%m-%dT%H:%M:%S")})
        say(f"{self.output.name}: {self.funnel()}; {duration(took)}")
        unlock(self.output)


# ---- the parts of --shard put together ----


def join(output):
    """Join the parts of a file and what stands beside them; returns the counts of the whole."""
    output = Path(output)
    lock(output)
    parts = parts_of(output)
    whole = {**total_meta(list(parts.values())), "parts": [part.name for part in parts]}
    kinds = {
        path.name.removeprefix(f"{part.stem}.")
        for part in parts
        for path in part.parent.glob(f"{glob.escape(part.stem)}.*jsonl")
    }
    for kind in (*sorted(kinds - {"jsonl"}), "jsonl"):  # raw.jsonl, rejected.jsonl, ...
        with write_aside(beside(output, kind)) as joined:
            for piece in filter(Path.is_file, (beside(part, kind) for part in parts)):
                with open(piece, "rb") as file:
                    shutil.copyfileobj(file, joined, 1 << 20)
    write_json(beside(output, "meta.json"), whole)
    unlock(output)
    return whole["counts"]


def parts_of(output):
    """{path of a part: its meta} in order; BadInput where one is missing, or of another run."""
    name = re.compile(rf"{re.escape(output.stem)}\.\d+of(\d+)\.jsonl")
    sizes = {found[1] for path in output.parent.iterdir() if (found := name.fullmatch(path.name))}
    if len(sizes) != 1:
        sets = ", ".join(f"of {size}" for size in sorted(sizes)) or "none"
        raise BadInput(f"{output}: the parts of one sharding are needed, found: {sets}")
    (size,) = sizes
    paths = [beside(output, f"{i}of{size}.jsonl") for i in range(1, int(size) + 1)]
    parts = {path: read_meta(path) for path in paths}
    if missing := [path.name for path in paths if not (path.is_file() and parts[path])]:
        raise BadInput(f"{output}: parts are missing: {', '.join(missing)}")
    for path in paths:
        if parts[path]["same_if"] != parts[paths[0]]["same_if"]:
            raise BadInput(f"{path}: made from other inputs, options or code than {paths[0].name}")
    return parts


def total_meta(metas):
    """The first part's meta with counts, seconds and tokens of all."""
    counts = {key: sum(meta["counts"][key] for meta in metas) for key in ("in", "out", "split")}
    counts["rejected"] = collections.Counter()
    for meta in metas:
        counts["rejected"].update(meta["counts"]["rejected"])
    whole = {**metas[0], "counts": counts, "seconds": round(sum(m["seconds"] for m in metas), 1)}
    whole.pop("shard", None)
    if spent := [meta["tokens"] for meta in metas if "tokens" in meta]:
        whole["tokens"] = total_tokens(spent)
    return whole


def main():
    parsed = parser(__doc__)
    parsed.add_argument("action", choices=["join"])
    parsed.add_argument("output", metavar="X.jsonl")
    args = parsed.parse_args()
    counts = join(args.output)
    say(f"{args.output}: {counts['in']:,} rows in, {counts['out']:,} out")


if __name__ == "__main__":
    run(main)
