"""Bring training sources of any form into one: named sets of sources.yaml, and your own files, as rows with provenance.

    python 02_mix/load_sources.py --sources natural_reasoning mine=data/mine.jsonl --output data/runs/x/02_mix/sources.jsonl
    python 02_mix/load_sources.py --recipe 02_mix/recipes/megascience.yaml --output data/runs/x/02_mix/sources.jsonl

in   names of sources.yaml (streamed from the Hugging Face hub), and paths of .jsonl, .jsonl.gz, .json (array or lines) or .parquet files, also as NAME=PATH,
     in one of the forms  question/answer (problem, solution, options, rationale ... too), chat messages, ShareGPT conversations, alpaca instruction/input/output,
     prompt/completion; which form a file has is told row by row and said on stderr
out  id, question, answer, reference_answer (or null), subject (or null), source, source_id (the row's own id, else its content hash), license, and the
     row's other fields (source and license of the file stand in origin_source, where the name differs). Rows that cannot train anything are rejected:
     empty question, empty answer, answer repeats the question, empty \\boxed{}, unfinished thinking, several turns, unknown form, license not allowed,
     already loaded (the same question and answer twice in one source)

The order of --sources matters later: of two duplicates 01_extract/dedup.py keeps the one that stands first. A local copy of a named set is read by
NAME=PATH with the fields and licence of the table. A name of the recipe can be given a path in the same way.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import json
import os
import re
import string

import rows as r

TABLE = Path(__file__).with_name("sources.yaml")
QUESTION = ("question", "problem", "problem_text", "query", "goal")
ANSWER = ("answer", "solution", "response", "long_answer", "answer_text")
REASONED = ("rationale", "cot", "solution", "explanation")        # a worked solution beside a short `answer` or `correct`
REFERENCE = ("reference_answer", "ground_truth", "final_answer", "correct", "final_decision", "answer_number", "answer_letter")
SUBJECT = ("subject", "domain", "category", "topic", "field", "subject_name")
IDS = ("uuid", "qid", "pubid", "question_id", "unique_id", "id")   # a set that has one of the longer names uses `id`, if at all, for a mere number
ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system", "model": "assistant", "chatgpt": "assistant"}
OWN = ("id", "question", "answer", "reference_answer", "subject", "source", "source_id", "license")


class Unusable(Exception):
    """The row cannot be used; the message is the reason it is rejected with."""


# ---- one row of any form -> question, answer, reference ----

def text_of(value):
    """Text of a field: a string, a number, a list of answers (the first), or a dict that holds a response."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("response", value.get("content", value.get("value", value.get("text"))))
    return "" if value is None else str(value).strip()


def turns(messages):
    """(system or None, question, answer) of a conversation; raises Unusable unless it is one question and one answer."""
    said = collections.defaultdict(list)
    for message in messages:
        if not isinstance(message, dict):
            raise Unusable("unknown form")
        role = ROLES.get(str(message.get("role", message.get("from"))).lower())
        if role is None:
            raise Unusable("unknown form")
        said[role].append(text_of(message.get("content", message.get("value"))))
    if len(said["user"]) > 1 or len(said["assistant"]) > 1:
        raise Unusable("several turns")
    return ("\n".join(said["system"]) or None, "".join(said["user"]), "".join(said["assistant"]))


def options_text(question, options):
    """The question with its options as lettered lines, unless it holds them already."""
    if isinstance(options, dict):
        options = [f"{letter}) {text_of(text)}" for letter, text in options.items()]
    options = [text_of(option) for option in options]
    if not options or all(option and re.sub(r"^\(?[A-Z][).:]\s*", "", option) in question for option in options):
        return question
    lettered = all(re.match(r"\(?[A-Z][).:]", option) for option in options)
    return "\n".join([question, *(options if lettered else [f"{letter}) {text}" for letter, text in zip(string.ascii_uppercase, options, strict=False)])])


def first_of(row, names):
    """(name, text) of the first of the fields that holds something."""
    return next(((name, text_of(row[name])) for name in names if row.get(name) not in (None, "", [], {})), (None, ""))


def final_of(answer):
    """The short final answer of an answer: itself where it is short, GSM8K's "#### x", the last \\boxed{x}, a last line "Answer: x"; None without."""
    line = re.search(r"(?:^|\n)(?:####|\**(?:Final )?Answer:?\**:?) *(\S.{0,80}?)\s*$", answer)
    start = answer.rfind("\\boxed{")
    if line and line.start() > start:
        return line[1]
    depth = 0
    for place in range(start + 6, len(answer)) if start >= 0 else ():
        depth += {"{": 1, "}": -1}.get(answer[place], 0)
        if depth == 0:
            return answer[start + 7:place].strip() or None
    return answer if 0 < len(answer) <= 40 and "\n" not in answer else None


def read_form(row):
    """Tell the form of a row apart: (form, question, answer, reference, system, fields used up). Raises Unusable."""
    fields = {str(name).lower(): name for name in row}
    low = {name: row[own] for name, own in fields.items()}
    system = text_of(low.get("system")) or None
    reference_field, reference = first_of(low, REFERENCE)
    for form, name in (("chat messages", "messages"), ("ShareGPT", "conversations"), ("ShareGPT", "conversation")):
        if isinstance(low.get(name), list):
            inside, question, answer = turns(low[name])
            used = (name,)
            break
    else:
        inside = None
        if "instruction" in low and "output" in low:
            form, used = "alpaca", ("instruction", "input", "output")
            question = "\n\n".join(part for part in (text_of(low["instruction"]), text_of(low.get("input"))) if part)
            answer = text_of(low["output"])
            if not reference and low.get("answer") is not None:
                reference, used = text_of(low["answer"]), (*used, "answer")
        elif "prompt" in low and ("completion" in low or "response" in low):
            form, used = "prompt/completion", ("prompt", second := "completion" if "completion" in low else "response")
            asked = low["prompt"] if isinstance(low["prompt"], list) else [{"role": "user", "content": low["prompt"]}]
            given = low[second] if isinstance(low[second], list) else [{"role": "assistant", "content": low[second]}]
            inside, question, answer = turns([*asked, *given])
        else:
            form = "question/answer"
            asked, question = first_of(low, QUESTION)
            given, answer = first_of(low, ANSWER)
            reasoned, worked = first_of(low, REASONED)
            used = (asked, given)
            if not any(name in low for name in QUESTION):
                raise Unusable("unknown form")
            if worked and reasoned != given and len(worked) > max(len(answer), 20):   # a short answer beside its worked solution
                reference, answer, used = reference or answer, worked, (asked, given, reasoned)
                if reference and not re.search(rf"(?<!\w){re.escape(reference)}(?!\w)", worked[-80:]):
                    answer += f"\nAnswer: {reference}"
            if isinstance(low.get("options"), list | dict):
                question = options_text(question, low["options"])
    reference = reference or final_of(answer)
    used = {fields[name] for name in (*used, reference_field) if name in fields} | ({fields["system"]} if system else set())
    return form, question, answer, reference or None, inside or system, used


def read_mapped(row, mapping):
    """The same with the field names of the table."""
    named = {ours: theirs if isinstance(theirs, list) else [theirs] for ours, theirs in mapping.items()}
    if not any(name in row for name in named["question"]):
        raise Unusable("unknown form")
    _, question = first_of(row, named["question"])
    name = next(n for n in named["question"] if n in row)
    system = None
    if isinstance(row[name], list):   # a prompt in chat form
        system, question, _ = turns(row[name])
    _, answer = first_of(row, named["answer"])
    _, reference = first_of(row, [n for n in named.get("reference_answer", []) if n != "after_thinking"])
    return "as in the table", question, answer, reference or None, system, {n for names in named.values() for n in names} & row.keys()


def strip_thinking(answer, keep):
    """An answer without its <think> block; raises Unusable where the block never ends."""
    if "<think>" not in answer and "</think>" not in answer:
        return answer
    if "</think>" not in answer:
        raise Unusable("unfinished thinking")
    return answer if keep else answer.rsplit("</think>", 1)[1].strip()


def malformed(question, answer, unanswered_too):
    """Reason why this pair cannot train anything, or None."""
    if not question.strip():
        return "empty question"
    if not re.search(r"\w", answer):
        return None if unanswered_too and not answer.strip() else "empty answer"
    if answer.strip() == question.strip():
        return "answer repeats the question"
    if re.search(r"\\boxed\s*\{\s*\}", answer):
        return "empty \\boxed{}"
    return None


# ---- sources ----

def spdx(license_):
    """Licence names as hub identifiers: "CC BY-NC 4.0" -> cc-by-nc-4.0; unknown where there is none."""
    return re.sub(r"[\s_]+", "-", str(license_ or "unknown").strip().lower())


def non_commercial(license_):
    return bool(re.search(r"(^|-)nc(-|$)|non-?commercial", spdx(license_)))


def read_table(path=TABLE):
    import yaml

    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def read_recipe(path):
    """A recipe as a dict with `name` and `sources` (a list of dicts with `source`); raises BadInput where it is not one."""
    import yaml

    path = Path(path)
    if not path.is_file():
        raise r.BadInput(f"--recipe {path}: there is no such file")
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise r.BadInput(f"--recipe {path}: not valid YAML ({error})") from None
    known = {"name", "about", "seed", "tokenizer", "max_tokens", "append_reference", "sources"}
    known_source = {"source", "path", "hub", "config", "split", "fields", "license", "citation", "revision", "method", "count", "weight", "annotate", "limit"}
    if not isinstance(recipe, dict) or not isinstance(recipe.get("sources"), list):
        raise r.BadInput(f"--recipe {path}: a recipe is a mapping with a list `sources`")
    for entry in [recipe, *recipe["sources"]]:
        wrong = entry.keys() - (known if entry is recipe else known_source)
        if wrong or (entry is not recipe and "source" not in entry):
            raise r.BadInput(f"--recipe {path}: " + (f"unknown key \"{min(wrong)}\"" if wrong else "an entry of `sources` without its name in `source`"))
    return {"name": path.stem, **recipe}


def plan(named, recipe=None):
    """List of sources to load, in order: dicts with name, path or hub, fields, license ... Raises BadInput for an unknown name."""
    table, listed = read_table(), []
    for entry in (recipe or {}).get("sources", []):
        listed.append({**table.get(entry["source"], {}), **entry, "name": entry["source"]})
    given = [part for text in named for part in text.split(",") if part]
    for text in given:
        name, path = text.split("=", 1) if "=" in text else (None, text)
        if name is None and text in table:
            listed.append({**table[text], "name": text})
        elif any(source["name"] == name for source in listed):
            next(source for source in listed if source["name"] == name)["path"] = path
        elif Path(path).is_file():
            name = name or Path(path).name.split(".")[0]
            listed.append({**table.get(name, {}), "name": name, "path": path})
        else:
            raise r.BadInput(f"--sources {text}: neither a file nor a name of {TABLE.name} ({', '.join(table)})")
    for source in listed:
        if "path" in source and not Path(source["path"]).is_file():
            raise r.BadInput(f"source {source['name']}: {source['path']}: there is no such file; make it, or give another place with --sources {source['name']}=PATH")
        if "path" not in source and "hub" not in source:
            raise r.BadInput(f"source {source['name']}: not in {TABLE.name}, and the recipe gives neither path nor hub; give its place with --sources {source['name']}=PATH")
    if len({source["name"] for source in listed}) < len(listed):
        raise r.BadInput(f"--sources: a name occurs twice in {', '.join(source['name'] for source in listed)}; name the files apart with NAME=PATH")
    return listed


def stream(source, limit=None):
    """Rows of a source as they are, each with `id` (its own, or a content hash)."""
    path = source.get("path")
    if path and Path(path).suffix == ".json" and Path(path).read_bytes()[:64].lstrip()[:1] == b"[":
        try:
            listed = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise r.BadInput(f"{path}: not valid JSON ({error})") from None
    elif path:
        yield from r.read(path, limit=limit, unique=False)
        return
    else:
        listed = from_hub(source)
    for number, row in enumerate(listed):
        if limit is not None and number >= limit:
            return
        if not isinstance(row, dict):
            raise r.BadInput(f"{path}, entry {number + 1}: a row must be a JSON object, this is a {type(row).__name__}")
        yield {**row, "id": r.content_id(row) if row.get("id") is None else str(row["id"])}


def from_hub(source):
    """Stream a set of the hub; a set that is gated, gone or out of reach is BadInput with what to do."""
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    place = f"source {source['name']} ({source['hub']}, {source.get('config')}, split {source.get('split')})"
    hint = f"or read a copy of your own with --sources {source['name']}=PATH"
    try:
        stream = datasets.load_dataset(source["hub"], source.get("config"), split=source.get("split", "train"), revision=source.get("revision"), streaming=True)
        first = next(iter(stream), None)
    except datasets.exceptions.DatasetNotFoundError as error:
        gated = "gated" in str(error).lower()
        raise r.BadInput(f"{place}: " + (f"the set is gated: accept its terms at https://huggingface.co/datasets/{source['hub']} and run `hf auth login`" if gated
                                         else "the hub knows no such set (or it is private: run `hf auth login`)") + f", {hint}") from None
    except (ConnectionError, HfHubHTTPError, OSError) as error:
        raise r.BadInput(f"{place}: the hub cannot be reached ({type(error).__name__}); check the network, {hint}") from None
    except (ValueError, datasets.exceptions.DatasetGenerationError) as error:
        raise r.BadInput(f"{place}: {str(error)[:200]}; mend the entry in {TABLE.name}, {hint}") from None
    if first is None:
        raise r.BadInput(f"{place}: the set is empty")
    yield from stream


def to_row(row, source, thinking="drop", unanswered=False, license_=None):
    """One row of any form -> (form, row of ours); raises Unusable with the reason."""
    mapping = source.get("fields")
    form, question, answer, reference, system, used = read_mapped(row, mapping) if mapping else read_form(row)
    bare = strip_thinking(answer, keep=False)
    if mapping and mapping.get("reference_answer") == "after_thinking":
        reference = bare or None
    answer = answer if thinking == "keep" else bare
    subject_field = mapping.get("subject", "subject") if mapping else next((name for name in SUBJECT if isinstance(row.get(name), str) and row[name]), None)
    own = next((str(row[name]) for name in IDS if isinstance(row.get(name), str | int)), row["id"])
    made = dict(id=f"{source['name']}-{r.text_hash(own, question, answer)}", question=question, answer=answer, reference_answer=reference,
                subject=(text_of(row.get(subject_field)) or None) if subject_field else None, source=source["name"], source_id=own,
                license=spdx(row.get("license") or source.get("license") or license_))
    reason = malformed(question, answer, unanswered)
    if reason:
        raise Unusable(reason)
    if system:
        made["system"] = system
    for name, value in row.items():
        if name in ("source", "source_id") and value != made[name]:
            made[f"origin_{name}"] = value
        elif name not in OWN and name not in used and name != subject_field:
            made[name] = value
    return form, made


def load(source, step, seen, args):
    """Stream one source into the step; returns the count of rows in each form."""
    forms = collections.Counter()
    limit = args.limit if source.get("limit") is None else min(source["limit"], args.limit or source["limit"])
    allowed = [spdx(name) for text in args.allow_licenses or () for name in text.split(",")]
    for row in r.progress(stream(source, limit), desc=source["name"]):
        step.counts["in"] += 1
        forms["rows"] += 1
        named = {"source": source["name"], "source_id": str(row["id"])}
        try:
            form, made = to_row(row, source, args.thinking, args.unanswered, args.license)
        except Unusable as reason:
            forms["unusable"] += 1
            license_ = spdx(row.get("license") or source.get("license") or args.license)
            origin = {"origin_source": row["source"]} if row.get("source") else {}
            step.reject({**row, **origin, **named, "license": license_}, str(reason))
            continue
        forms[form] += 1
        if allowed and made["license"] not in allowed:
            step.reject(made, "license not allowed")
        elif (pair := hash((source["name"], made["question"], made["answer"]))) in seen:
            step.reject(made, "already loaded")
        else:
            seen.add(pair)
            step.keep(made)
    return forms


def main():
    parser = r.parser(__doc__, "output", "fresh")
    parser.add_argument("--sources", nargs="+", default=[], metavar="S", help="names of sources.yaml, paths, or NAME=PATH; commas separate too")
    parser.add_argument("--recipe", metavar="FILE", help="take the sources from a recipe")
    parser.add_argument("--limit", type=r.positive, metavar="N", help="only the first N rows of each source")
    parser.add_argument("--allow-licenses", nargs="+", metavar="L", help="reject rows under other licences, e.g. cc-by-4.0,mit,apache-2.0")
    parser.add_argument("--license", metavar="L", help="licence of the rows of local files that name none (default: unknown)")
    parser.add_argument("--thinking", choices=("drop", "keep"), default="drop", help="<think> blocks in answers: drop them (default) or keep them")
    parser.add_argument("--unanswered", action="store_true", help="keep rows without an answer, for annotate.py to answer")
    args = parser.parse_args()
    recipe = read_recipe(args.recipe) if args.recipe else None
    sources = plan(args.sources, recipe)
    if not sources:
        raise r.BadInput(f"--sources: name at least one of {', '.join(read_table())}, or a file; or give a --recipe")
    step = r.Step(args, inputs=[source["path"] for source in sources if "path" in source], code=[TABLE],
                  sources={source["name"]: {k: v for k, v in source.items() if k != "name"} for source in sources})
    if step.finished():
        return
    seen = set()
    loaded = {}
    for source in sources:
        forms = load(source, step, seen, args)
        loaded[source["name"]] = forms.pop("rows", 0)
        if set(forms) == {"unusable"}:
            first = next(stream(source, 1))
            raise r.BadInput(f"source {source['name']}: no row could be used; the first has the fields {', '.join(first)}; rename them to question and answer, "
                             f"or give the mapping in {TABLE.name}")
        print(f"{source['name']}: " + ", ".join(f"{n:,} rows {form}" for form, n in forms.most_common()), file=sys.stderr)
    step.finish(loaded=loaded)


if __name__ == "__main__":
    r.run(main)
