"""Bring training sources of any form into one: named sets of sources.yaml, and your own files, as
rows with provenance.

    python 02_mix/load_sources.py --sources natural_reasoning mine=data/mine.jsonl --output data/runs/x/02_mix/sources.jsonl
    python 02_mix/load_sources.py --recipe 02_mix/recipes/megascience.yaml --output data/runs/x/02_mix/sources.jsonl

in   names of sources.yaml (streamed from the Hugging Face hub), and files of rows, also as
     NAME=PATH: question/answer (problem, solution, options, rationale ... too), chat messages,
     ShareGPT, alpaca, prompt/completion; the form is told row by row and said on stderr
out  id, question, answer, reference_answer (or null), subject (or null), source, source_id (the
     row's own id, else its content hash), license, and the row's other fields (origin_source: what
     the file names as its source). Rejected: empty question, empty answer, answer repeats the
     question, empty \\boxed{}, unfinished thinking, several turns, unknown form, license not
     allowed, already loaded (the same question and answer twice in one source)

Of two duplicates 01_extract/dedup.py keeps the one that stands first in --sources. A copy of a
named set is read by NAME=PATH with the fields and licence of the table, or of the recipe.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import itertools

import row_forms

import rows as r

TABLE = Path(__file__).with_name("sources.yaml")


# ---- sources ----


def read_table():
    import yaml

    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


RECIPE_KEYS = {"name", "about", "sources"}
SOURCE_KEYS = set("source path hub config split fields license citation revision".split())
SOURCE_KEYS |= set("method count annotate limit".split())


def read_recipe(path):
    """A recipe as a dict with `name` and `sources` (a list of dicts with `source`); raises BadInput
    where it is not one."""
    import yaml

    try:
        recipe = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        sources = recipe["sources"]
        unknown = recipe.keys() - RECIPE_KEYS
        unknown = unknown.union(*(entry.keys() - SOURCE_KEYS for entry in sources))
        nameless = not all(entry["source"] for entry in sources)
    except yaml.YAMLError as error:
        raise r.BadInput(f"--recipe {path}: not valid YAML ({error})") from None
    except (TypeError, AttributeError, KeyError):
        nameless, unknown = True, ()
    if nameless:
        raise r.BadInput(
            f"--recipe {path}: a recipe is a mapping with a list `sources`, each with its name in `source`"
        )
    if unknown:
        raise r.BadInput(f'--recipe {path}: unknown key "{min(unknown)}"')
    return {"name": Path(path).stem, **recipe}


def names_of(recipe, chosen):
    """Names of the sources of a recipe (its path) whose entries are `chosen`; None, without a
    recipe, names all."""
    if not recipe:
        return None
    return sorted(entry["source"] for entry in read_recipe(recipe)["sources"] if chosen(entry))


def is_named(row, names):
    return names is None or row.get("source") in names


def plan(named, recipe=None):
    """Sources to load, in order: {name: dict with name, path or hub, fields, license ...}.

    named: NAME, PATH or NAME=PATH, also several with commas; NAME=PATH gives a source of the recipe
    its path. Raises BadInput for an unknown name.
    """
    table, listed = read_table(), {}
    for entry in recipe["sources"] if recipe else ():
        name = entry["source"]
        listed[name] = {**table.get(name, {}), **entry, "name": name}
    for text in filter(None, ",".join(named).split(",")):
        name, given, path = text.rpartition("=")
        if not given:
            name, path = name_of(text, table)
        if name in listed and not given:
            raise r.BadInput(
                f"--sources {text}: the name {name} occurs twice; tell the files apart with NAME=PATH"
            )
        source = listed.setdefault(name, {**table.get(name, {}), "name": name})
        if path:
            source["path"] = path
    for name, source in listed.items():
        if not Path(source.get("path", TABLE)).is_file() or not {"path", "hub"} & source.keys():
            what = (
                f"there is no file {source['path']}"
                if "path" in source
                else "it has no path or hub"
            )
            raise r.BadInput(f"source {name}: {what}; give its place with --sources {name}=PATH")
    return listed


def name_of(text, table):
    """(name, path or None) of a file, or of a source of the table."""
    if Path(text).is_file():
        return Path(text).name.split(".")[0], text
    if text in table:
        return text, None
    raise r.BadInput(
        f"--sources {text}: neither a file nor a name of {TABLE.name} ({', '.join(table)})"
    )


def stream(source, limit=None):
    """Rows of a source as they are, each with `id` (its own, or a content hash)."""
    if "path" in source:
        yield from r.read(source["path"], limit=limit, unique=False)
        return
    hint = f"read a copy of your own with --sources {source['name']}=PATH"
    where = source["hub"], source.get("config"), source.get("split", "train")
    rows = r.hub_rows(f"source {source['name']}", *where, source.get("revision"), hint=hint)
    for row in itertools.islice(rows, limit):
        yield {**row, "id": r.content_id(row) if row.get("id") is None else str(row["id"])}


def load(source, step, seen, args):
    """Stream one source into the step; returns the count of rows in each form."""
    forms = collections.Counter()
    limit = min(filter(None, (source.get("limit"), args.limit)), default=None)
    allowed = set(map(r.license_id, ",".join(args.allow_licenses).split(","))) - {None}
    for row in r.progress(stream(source, limit), desc=source["name"]):
        step.counts["in"] += 1
        try:
            form, made = row_forms.to_row(row, source)
        except row_forms.Unusable as reason:
            forms["unusable"] += 1
            step.reject(row_forms.unusable_row(row, source), str(reason))
            continue
        forms[form] += 1
        pair = hash((source["name"], made["question"], made["answer"]))
        if allowed and made["license"] not in allowed:
            step.reject(made, "license not allowed")
        elif pair in seen:
            step.reject(made, "already loaded")
        else:
            seen.add(pair)
            step.keep(made)
    if "path" not in source and "rows" in source:
        place = f"source {source['name']}: {source['hub']} at {source['revision'][:12]}"
        wanted = min(source["rows"], limit or source["rows"])
        r.check_count(place, forms.total(), wanted, args.allow_other_rows)
    return forms


def main():
    parser = r.parser(__doc__, "output", "fresh")
    add = parser.add_argument
    add("--sources", nargs="+", default=[], metavar="S", help="names, paths, or NAME=PATH")
    add("--recipe", metavar="FILE", help="take the sources from a recipe")
    add("--limit", type=r.positive, metavar="N", help="only the first N rows of each source")
    add("--allow-licenses", nargs="+", default=[], metavar="L", help="e.g. cc-by-4.0,mit")
    add("--allow-other-rows", action="store_true", help="than the table says of a hub set")
    args = parser.parse_args()
    recipe = read_recipe(args.recipe) if args.recipe else None
    sources = plan(args.sources, recipe)
    if not sources:
        raise r.BadInput(
            f"--sources: name at least one of {', '.join(read_table())}, or a file; or give a --recipe"
        )
    paths = [source["path"] for source in sources.values() if "path" in source]
    step = r.Step(args, inputs=paths, code=[TABLE, row_forms], sources=sources)
    if step.finished():
        return
    seen, loaded = set(), {}
    for name, source in sources.items():
        forms = load(source, step, seen, args)
        loaded[name] = forms.total()
        if set(forms) == {"unusable"}:
            first = next(stream(source, 1))
            raise r.BadInput(
                f"source {name}: no row could be used; the first has the fields {', '.join(first)}; "
                f"rename them to question and answer, or give the mapping in {TABLE.name}"
            )
        told = ", ".join(f"{n:,} rows {form}" for form, n in forms.most_common())
        r.say(f"{name}: {told}")
    step.finish(loaded=loaded)


if __name__ == "__main__":
    r.run(main)
