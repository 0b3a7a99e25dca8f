"""Make the data set of a run: final rows as JSONL and parquet, the funnel, a dataset card for the
hub, and a sheet for checking 50 rows by hand.

    python 01_extract/finalize.py --input reference.jsonl --output textbook_qa.jsonl

in   question-answer rows: id, question, answer; subject, reference_answer, source, license, pages,
     source_id, standard are used where they are there
out  textbook_qa.jsonl and textbook_qa.parquet, main fields first, all others carried through;
     README.md (dataset card), funnel.md, spot_check.html (source passages from --chunks) beside
     them. Rejected: "empty question", "empty answer", "same question"
     (duplicate_of: refinement can make two questions one), "license not allowed", "restricted"
     (--allow-licenses)

On the hub, after `hf auth login`; the folder also holds the steps' files, with texts of the books:

    hf upload USER/NAME FOLDER . --repo-type dataset --private --include textbook_qa.parquet \\
        --include README.md
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import heapq
import json
import re

import funnel
import quality
from replies import Passages

import rows as r

SPOT_CHECK = 50  # rows of the sheet
FIELDS = {
    "id": "stable identifier, made of the content",
    "question": "self-contained question",
    "answer": "worked answer",
    "subject": "one of the subjects counted below",
    "reference_answer": "short final answer, for graders",
    "reference_by": "where the reference answer was found: box, stated, whole, or named by a model",
    "source": "book or chapter",
    "license": "licence of the source, null where none is stated",
    "generator": "models that wrote or changed the row",
    "grounded": "a place of the passage supports the answer",
    "proof": "that place: characters and pages of the source, and how it was found",
    "self_contained": "a judge's view: can the question be answered without the book",
    "missing": "what the question leaves out, by the same judge",
    "level": "recall, routine or multi-step, by the same judge",
    "consistent": "an independent solver comes to the reference",
    "pages": "pages of the source that the passage covers",
    "source_id": "passage (chunk) of the source",
    "standard": "`high`: reasoning, and the source holds a full solution; `low`: complete",
    "original_question": "question before refinement",
    "original_answer": "answer before refinement",
    "reasoning": "`given`: the answer had its reasoning; `added`: a model wrote it; `none`",
    "cot_agrees": "the added reasoning comes to the known answer",
    "short_answer": "answer before reasoning was added",
}
# there in every row, null where nothing is known
CONTRACT = ("id", "question", "answer", "subject", "reference_answer", "source", "license")
READ = ("question", "answer", *(f"{name}?" for name in (*CONTRACT[3:], "pages", "standard")))
HUB_LICENSES = """cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0
    cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0 cc-by-nd-4.0 cc0-1.0 mit apache-2.0 gfdl odc-by""".split()
FOLDER = Path(__file__).parent


# ---- licences ----


def hub_license(text):
    """Licence id of the hub for a licence as the sources spell it; "other" where it has none."""
    found = re.sub(r"^(gfdl|odc-by)-.*", r"\1", r.license_id(text) or "other")
    return found if found in HUB_LICENSES else "other"


# ---- rows ----


def kind(value):
    """A value's type for parquet: "int", "list of str"; "" for null; "big int" has no column."""
    if isinstance(value, list):
        return "list of " + "+".join(sorted({type(item).__name__ for item in value}))
    if type(value) is int and abs(value) >= 2**63:
        return "big int"
    return "" if value is None else type(value).__name__


def column_type(kinds):
    """Arrow's type for values of these kinds; None where they are mixed or nested."""
    import pyarrow as pa

    for fitting, type_ in (  # null fits each, the empty list each list
        ({"str"}, pa.string()),
        ({"bool"}, pa.bool_()),
        ({"int"}, pa.int64()),
        ({"int", "float"}, pa.float64()),
        ({"list of ", "list of str"}, pa.list_(pa.string())),
        ({"list of ", "list of int"}, pa.list_(pa.int64())),
    ):
        if kinds <= {"", *fitting}:
            return type_
    return None


class Parquet:
    """Rows into a parquet file in batches; columns of mixed or nested values become JSON text."""

    def __init__(self, path, kinds):
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {name: column_type(seen) for name, seen in kinds.items()}
        self.as_json = {name for name, type_ in types.items() if type_ is None}
        self.schema = pa.schema([(name, type_ or pa.string()) for name, type_ in types.items()])
        self.make = pa.Table.from_pylist
        self.writer, self.rows = pq.ParquetWriter(path, self.schema, compression="zstd"), []

    def write(self, row):
        texts = {k: json.dumps(row[k]) for k in self.as_json if row.get(k) is not None}
        self.rows.append({**row, **texts})
        if len(self.rows) == 10_000:
            self.flush()

    def flush(self):
        try:
            table = self.make(self.rows, schema=self.schema)
        except UnicodeEncodeError:  # lone surrogates, which have no UTF-8 form, become "?"
            text = json.dumps(self.rows, ensure_ascii=False).encode("utf-8", "replace")
            table = self.make(json.loads(text), schema=self.schema)
        self.writer.write_table(table)
        self.rows = []

    def close(self):
        self.flush()
        self.writer.close()


def final_row(row):
    """The row with the main fields first; those of the contract are there even where nothing is
    known."""
    return {**{name: row.get(name) for name in FIELDS if name in row or name in CONTRACT}, **row}


def why_not(row, allowed, seen):
    """(why a row does not go into the set, what explains it), or None. allowed: licences, None for
    any; seen: {question: id} of the rows before it."""
    for field in ("question", "answer"):
        if not (row[field] or "").strip():
            return f"empty {field}", {}
    if allowed is not None and row.get("restricted"):
        return "restricted", {}
    if allowed is not None and r.license_id(row.get("license")) not in allowed:
        return "license not allowed", {}
    first = seen.setdefault(r.text_hash(" ".join(row["question"].lower().split())), row["id"])
    return None if first == row["id"] else ("same question", {"duplicate_of": first})


def write_rows(step, args, marked):
    """Write JSONL and parquet; returns statistics and the spot check: the rows whose hash with the
    seed is smallest, whatever the order of the file."""
    kinds = {name: set() for name in final_row({})}
    for row in r.read(args.input, *READ):
        for name, value in row.items():
            kinds.setdefault(name, set()).add(kind(value))
    names = ",".join(args.allow_licenses or []).split(",")
    allowed = {r.license_id(name) for name in names} if args.allow_licenses else None
    statistics, seen = quality.Statistics(marked), {}
    with r.write_aside(args.output.with_suffix(".parquet")) as file:
        parquet = Parquet(file, kinds)

        def written():
            for row in step.read(args.input, *READ):
                if found := why_not(row, allowed, seen):
                    step.reject(row, found[0], **found[1])
                    continue
                row = final_row(row)
                step.keep(row)
                parquet.write(row)
                statistics.add(row)
                yield row

        sample = heapq.nsmallest(
            SPOT_CHECK, written(), key=lambda row: r.text_hash(str(args.seed), row["id"])
        )
        parquet.close()
    return statistics, sample


# ---- card and spot check ----


def front_matter(statistics, args):
    """YAML of the card in the terms of the hub, between the two lines of dashes."""
    import yaml

    licenses = sorted({hub_license(text) for text in statistics.licenses}) or ["other"]
    subjects = sorted(subject.replace(" ", "-") for subject in statistics.subjects)
    files = [{"split": "train", "path": args.output.with_suffix(".parquet").name}]
    meta = {
        "pretty_name": args.name,
        "language": ["en"],
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "task_categories": ["question-answering", "text-generation"],
        "tags": ["science", "reasoning", "textbooks", "synthetic", *subjects],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    if "other" in licenses:
        meta |= {"license_name": "as-the-sources", "license_link": "README.md"}
    return yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)


def write_page(template, path, autoescape, **values):
    """Fill a template of this folder; lone surrogates, which have no UTF-8 form, become "?"."""
    import jinja2

    environment = jinja2.Environment(autoescape=autoescape, keep_trailing_newline=True)
    text = environment.from_string((FOLDER / template).read_text(encoding="utf-8")).render(values)
    with r.write_aside(path) as file:
        file.write(text.encode("utf-8", "replace"))


def write_card(statistics, sample, table, measures, args):
    n, books = statistics.subjects.total(), len(statistics.books)
    counts = {name: statistics.fields[name] for name in FIELDS if name in statistics.fields}
    counts |= dict(sorted(statistics.fields.items()))
    write_page(
        "dataset_card.md",
        r.card_beside(args.output),
        autoescape=False,
        front_matter=front_matter(statistics, args),
        name=args.name,
        n=n,
        examples=[{k: shortened(v) for k, v in row.items()} for row in sample[:3]],
        funnel=table,
        measures=measures,
        books=f"{books:,} book{'s' * (books != 1)} or chapters" if books else "textbooks",
        subjects=statistics.subjects.most_common(),
        fields=[(name, n, FIELDS.get(name, "carried through")) for name, n in counts.items()],
        licenses=statistics.licenses.most_common(),
        stated=100 * (1 - statistics.licenses["not stated"] / max(1, n)),
        generators=statistics.generators.most_common(),
        terms=r.model_terms(statistics.generators),
    )


def shortened(value):
    """A field as an example shows it: at most 1,200 characters, and no fence that would end it."""
    text = str(value).replace("````", "''''") if value is not None else ""
    return text if len(text) <= 1200 else text[:1200].rstrip() + " ..."


def write_spot_check(sample, total, args):
    """The sampled rows beside their passages, with marks that the browser saves as CSV."""
    passages = Passages(args.chunks)
    write_page(
        "spot_check.html.jinja",
        args.output.with_name("spot_check.html"),
        autoescape=True,
        rows=[{**row, "passage": passages.of(row)} for row in sample],
        name=args.name,
        seed=args.seed,
        total=f"{total:,}",
        marks=quality.MARKS,
        katex=r.copy_katex(args.output.parent),
        key=r.text_hash([row["id"] for row in sample]),
    )


# ---- the run ----


def parse_options():
    parser = r.parser(__doc__, "input", "output", "seed", "fresh")
    add = parser.add_argument
    add("--chunks", metavar="FILE", help="passages (default: chunks.jsonl beside the input)")
    add("--name", default="Textbook QA", help="of the data set in the card (default Textbook QA)")
    add(
        "--allow-licenses",
        nargs="+",
        metavar="L",
        help="reject rows under other licences, without one, or restricted, e.g. cc-by-4.0,cc0-1.0",
    )
    add(
        "--marks",
        nargs="+",
        default=[],
        metavar="FILE",
        help="people's marks of spot_check.html, a CSV each: their shares stand in the card",
    )
    args = parser.parse_args()
    args.output = Path(args.output)
    beside = Path(args.input).parent / "chunks.jsonl"
    args.chunks = args.chunks or (str(beside) if beside.is_file() else None)
    return args


def make(step, args, marks, before):
    """The rows and all that stands beside them."""
    statistics, sample = write_rows(step, args, {id_ for of in marks.values() for id_ in of})
    measures = quality.measures(statistics, before, marks)
    table = funnel.table([*before, {"name": args.output.stem, "counts": step.counts}])
    with r.write_aside(args.output.with_name("funnel.md"), "w") as file:
        file.write(table)
    write_card(statistics, sample, table, measures, args)
    write_spot_check(sample, step.counts["out"], args)
    step.finish()


def main():
    args = parse_options()
    r.card_beside(args.output)
    marks = quality.read_marks(args.marks)
    before = funnel.chain(args.input)
    inputs = [args.input, *filter(None, [args.chunks]), *args.marks]
    inputs += [r.beside(step["path"], "meta.json") for step in before]
    code = ("funnel.py", "quality.py", "dataset_card.md", "spot_check.html.jinja")
    step = r.Step(args, inputs, code=[FOLDER / name for name in code])
    side_files = ("README.md", "funnel.md", "spot_check.html")
    beside = [args.output.with_suffix(".parquet"), *map(args.output.with_name, side_files)]
    if not (all(map(Path.is_file, beside)) and step.finished()):
        make(step, args, marks, before)


if __name__ == "__main__":
    r.run(main)
