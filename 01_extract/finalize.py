"""Make the data set of a run: final rows as JSONL and parquet, the funnel, a dataset card for the hub, and a sheet for checking 50 rows by hand.

    python 01_extract/finalize.py --input reference.jsonl --output textbook_qa.jsonl [--push-to-hub USER/NAME]

in   question-answer rows: id, question, answer; subject, reference_answer, source, license, pages, source_id, standard are used where they are there
out  textbook_qa.jsonl and textbook_qa.parquet  the rows, main fields first, all others carried through
     README.md (dataset card), funnel.md, funnel.png, spot_check.html (source passages from --chunks), all in the folder of the output.
     Rejected: "empty question", "empty answer", "same question" (duplicate_of: refinement can make two questions one), "license not allowed",
     "restricted" (--allow-licenses)

--push-to-hub uploads parquet, card and plot to a dataset repository with the token of HF_TOKEN or `hf auth login`; it is private unless
--public, which is refused while a row names no licence.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hashlib
import heapq
import json
import re
from collections import Counter

import funnel
import quality
from replies import Passages

import rows as r

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
    "consistent": "share of an independent solver's answers that agree with the reference",
    "pages": "pages of the source that the passage covers",
    "source_id": "passage (chunk) of the source",
    "standard": "`high`: needs reasoning and the source holds a full solution; `low`: complete question and answer",
    "original_question": "question before refinement",
    "original_answer": "answer before refinement",
    "reasoning": "`given`: the answer had its reasoning; `added`: a model wrote it; `none`",
    "cot_agrees": "the added reasoning comes to the known answer",
    "short_answer": "answer before reasoning was added",
}
# there in every row, null where nothing is known
CONTRACT = ("id", "question", "answer", "subject", "reference_answer", "source", "license")
HUB_LICENSES = {  # licences that the hub has an id for
    *(f"cc-by-{v}" for v in ("2.0", "2.5", "3.0", "4.0")),
    *(f"cc-by-sa-{v}" for v in ("3.0", "4.0")),
    *(f"cc-by-nc-{v}" for v in ("2.0", "3.0", "4.0")),
    *(f"cc-by-nc-nd-{v}" for v in ("3.0", "4.0")),
    *(f"cc-by-nc-sa-{v}" for v in ("2.0", "3.0", "4.0")),
    *("cc-by-nd-4.0", "cc0-1.0", "mit", "apache-2.0", "gfdl", "odc-by"),
}
SIZES = [
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
]
OPTIONAL = ("subject?", "reference_answer?", "source?", "license?", "pages?")
SIDE_FILES = ("README.md", "funnel.md", "funnel.png", "spot_check.html")


def hub_license(text):
    """Licence id of the hub for a licence as the sources spell it; "other" where it has none."""
    found = re.sub(r"^(gfdl|odc-by)-.*", r"\1", r.license_id(text) or "other")
    return found if found in HUB_LICENSES else "other"


def not_allowed(row, allowed):
    """Why a row may not go into a set under the licences allowed (None: any), or None."""
    if allowed is None or r.license_id(row.get("license")) in allowed and not row.get("restricted"):
        return None
    return "restricted" if row.get("restricted") else "license not allowed"


def check_public(path):
    """Raise BadInput unless each row of a set that goes to everybody names a licence and is not restricted."""
    unfit = Counter(
        str(row.get("source"))
        for row in r.read(path)
        if r.license_id(row.get("license")) is None or row.get("restricted")
    )
    if unfit:
        books = ", ".join(f"{name} ({n:,} rows)" for name, n in unfit.most_common(5))
        raise r.BadInput(
            f"--public {path}: {unfit.total():,} rows name no licence or are restricted, of {books}; state it by "
            "digitize_pdfs.py --metadata, leave them out by --allow-licenses, or push without --public"
        )


class Parquet:
    """Rows into a parquet file in batches. The type of a column is that of all its values; what is mixed or nested is kept as JSON text."""

    def __init__(self, columns, path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        plain = {
            "str": pa.string(),
            "int": pa.int64(),
            "float": pa.float64(),
            "bool": pa.bool_(),
            "list of str": pa.list_(pa.string()),
            "list of int": pa.list_(pa.int64()),
            "list of ": pa.list_(pa.string()),
            "": pa.string(),
        }
        self.as_json = {name for name, types in columns.items() if self.joined(types) not in plain}
        self.schema = pa.schema(
            [
                (name, pa.string() if name in self.as_json else plain[self.joined(types)])
                for name, types in columns.items()
            ]
        )
        self.pa, self.rows = pa, []
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd")

    @staticmethod
    def kind(value):
        """Name of a value's type, "list of str" for a list; "" for None."""
        if value is None:
            return ""
        if isinstance(value, list):
            return "list of " + "+".join(sorted({type(item).__name__ for item in value}))
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
            return "big int"
        return type(value).__name__

    @staticmethod
    def joined(types):
        types = types - {""}
        if types == {"int", "float"}:
            return "float"
        if len(types) > 1:
            types = types - {"list of "} if all(t.startswith("list of ") for t in types) else types
        return "+".join(sorted(types))

    def write(self, row):
        self.rows.append({name: self.value(name, row.get(name)) for name in self.schema.names})
        if len(self.rows) == 10_000:
            self.flush()

    def value(self, name, value):
        """A value as its column holds it; lone surrogates, which have no UTF-8 form, become question marks."""
        if name in self.as_json and value is not None:
            return json.dumps(value)
        if isinstance(value, list):
            return [self.value(None, item) for item in value]
        if isinstance(value, str) and not value.isascii():
            return value.encode("utf-8", "replace").decode()
        return value

    def flush(self):
        self.writer.write_table(self.pa.Table.from_pylist(self.rows, schema=self.schema))
        self.rows = []

    def close(self):
        if self.rows:
            self.flush()
        self.writer.close()


class Sample:
    """The n rows whose hash with the seed is smallest: random, and the same whatever the order of the file."""

    def __init__(self, n, seed):
        self.n, self.seed, self.heap = n, seed, []

    def add(self, row):
        rank = -int.from_bytes(
            hashlib.sha256(f"{self.seed}/{row['id']}".encode("utf-8", "surrogatepass")).digest()[
                :8
            ],
            "big",
        )
        (heapq.heappush if len(self.heap) < self.n else heapq.heappushpop)(
            self.heap, (rank, row["id"], row)
        )

    def rows(self):
        return [row for _, _, row in sorted(self.heap, key=lambda item: -item[0])]


class Statistics:
    """Counts for the card: rows by field, subject, standard, licence and book, lengths in words."""

    def __init__(self, marked=()):
        self.fields, self.subjects, self.licenses = Counter(), Counter(), Counter()
        self.books, self.generators = set(), Counter()
        self.grounded, self.marked, self.alone = Counter(), set(marked), {}
        self.lengths = {name: Counter() for name in ("question", "answer", "reference_answer")}

    def add(self, row):
        self.fields.update(name for name, value in row.items() if value is not None)
        self.subjects[str(row.get("subject") or "none"), str(row.get("standard") or "no")] += 1
        self.licenses[str(row.get("license") or "not stated")] += 1
        self.books.add(row.get("source"))
        if row.get("grounded") is not None:
            self.grounded[bool(row["grounded"])] += 1
        if row["id"] in self.marked:
            self.alone[row["id"]] = row.get("self_contained")
        named = row.get("generator") or []
        self.generators.update([named] if isinstance(named, str) else named)
        for name, lengths in self.lengths.items():
            if row.get(name) is not None:
                lengths[len(str(row[name]).split())] += 1

    def length_table(self):
        """(field, mean, median, 90th percentile, longest) in words; a Counter of lengths needs no list of all rows."""
        for name, lengths in self.lengths.items():
            values, n, seen, marks = sorted(lengths), lengths.total(), 0, {}
            for value in values:
                seen += lengths[value]
                for share in (0.5, 0.9):
                    if seen >= share * n:
                        marks.setdefault(share, value)
            if n:
                yield (
                    name,
                    sum(v * c for v, c in lengths.items()) / n,
                    marks[0.5],
                    marks[0.9],
                    values[-1],
                )


def final_row(row):
    """The row with the main fields first; the main fields of the contract are there even where they are empty."""
    return {**{name: row.get(name) for name in FIELDS if name in row or name in CONTRACT}, **row}


def write_rows(step, args, marks):
    """Pass every row on or reject it; returns statistics and the sample."""
    columns = {name: set() for name in final_row({})}
    for row in r.read(args.input, "question", "answer", *OPTIONAL):
        for name, value in final_row(row).items():
            columns.setdefault(name, set()).add(Parquet.kind(value))
    marked = {id_ for of in marks.values() for id_ in of}
    statistics, sample, seen = Statistics(marked), Sample(args.spot_check, args.seed), {}
    allowed = args.allow_licenses and {
        r.license_id(name) for text in args.allow_licenses for name in text.split(",")
    }
    with r.write_aside(args.output.with_suffix(".parquet")) as file:
        parquet = Parquet(columns, file)
        for row in step.read(args.input, "question", "answer", *OPTIONAL):
            question, answer = (str(row[name] or "").strip() for name in ("question", "answer"))
            key = hashlib.sha256(
                " ".join(question.lower().split()).encode("utf-8", "surrogatepass")
            ).digest()[:8]
            if not question or not answer:
                step.reject(row, "empty answer" if question else "empty question")
            elif reason := not_allowed(row, allowed):
                step.reject(row, reason)
            elif seen.setdefault(key, row["id"]) != row["id"]:
                step.reject(row, "same question", duplicate_of=seen[key])
            else:
                row = final_row(row)
                step.keep(row)
                parquet.write(row)
                statistics.add(row)
                sample.add(row)
        parquet.close()
    return statistics, sample.rows()


def front_matter(statistics, args):
    """YAML of the card in the terms of the hub, between the two lines of dashes."""
    import yaml

    n = sum(statistics.subjects.values())
    licenses = sorted({hub_license(text) for text in statistics.licenses}) or ["other"]
    meta = {
        "pretty_name": args.name,
        "language": ["en"],
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "task_categories": ["question-answering", "text-generation"],
        "annotations_creators": ["machine-generated"],
        "size_categories": [next((name for limit, name in SIZES if n < limit), "n>1T")],
        "tags": [
            "science",
            "reasoning",
            "textbooks",
            "synthetic",
            *sorted({s.replace(" ", "-") for s, _ in statistics.subjects} - {"none"}),
        ],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": args.output.with_suffix(".parquet").name}
                ],
            }
        ],
    }
    if "other" in licenses:
        meta["license_name"] = "as-the-sources"
        meta["license_link"] = "README.md"
    return yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)


def quality_of(statistics, before, marks):
    """What the card says of the rows' worth: lines of its two tables, measures and agreement."""
    quality.check_ids(marks, statistics.alone)
    measured = next((meta for meta in reversed(before) if meta.get("measures")), {})
    judge = Path(str(measured.get("model"))).name
    grounded = list(statistics.grounded.elements())
    return {
        "measures": quality.table(grounded, measured.get("measures"), judge, marks),
        "agreement": quality.agreements(marks, statistics.alone),
    }


def write_card(statistics, sample, table, worth, args):
    """README.md from dataset_card.md."""
    import jinja2

    n, by_subject = sum(statistics.subjects.values()), Counter()
    for (subject, _), count in statistics.subjects.items():
        by_subject[subject] += count
    standards = sorted({standard for _, standard in statistics.subjects} - {"no"})
    subjects = [
        (
            subject,
            count,
            100 * count / n,
            [statistics.subjects[subject, standard] for standard in standards],
        )
        for subject, count in sorted(by_subject.items(), key=lambda item: (-item[1], item[0]))
    ]
    books = len(statistics.books - {None})
    examples = [{k: shortened(v) for k, v in row.items()} for row in sample[:3]]
    template = jinja2.Environment(keep_trailing_newline=True).from_string(
        (Path(__file__).parent / "dataset_card.md").read_text(encoding="utf-8")
    )
    text = template.render(
        front_matter=front_matter(statistics, args),
        name=args.name,
        n=n,
        repo=args.push_to_hub or "USER/NAME",
        examples=examples,
        funnel=table,
        worth=worth,
        books=f"{books:,} book{'s' * (books != 1)} or chapters" if books else "textbooks",
        subjects=subjects,
        standards=standards,
        fields=[
            (name, count, FIELDS.get(name, "carried through"))
            for name, count in sorted(
                statistics.fields.items(),
                key=lambda item: (
                    list(FIELDS).index(item[0]) if item[0] in FIELDS else len(FIELDS),
                    item[0],
                ),
            )
        ],
        lengths=list(statistics.length_table()),
        licenses=sorted(statistics.licenses.items(), key=lambda item: (-item[1], item[0])),
        stated=100 * (1 - statistics.licenses["not stated"] / max(1, n)),
        generators=statistics.generators.most_common(),
        terms=r.model_terms(statistics.generators),
    )
    with r.write_aside(args.output.with_name("README.md"), "w") as file:
        file.write(text)


def shortened(value):
    """A field as an example shows it: at most 1,200 characters, and no fence of backticks that would end the example."""
    text = str(value).replace("````", "''''") if value is not None else ""
    return text if len(text) <= 1200 else text[:1200].rstrip() + " ..."


def write_spot_check(sample, total, args):
    """spot_check.html: the sampled rows beside their source passages, with marks that the browser keeps and saves as CSV."""
    import jinja2

    passages = Passages(args.chunks) if args.chunks else None
    rows = [
        {**row, "passage": passages.get(row.get("source_id")) if passages else None}
        for row in sample
    ]
    environment = jinja2.Environment(autoescape=True)
    page = environment.from_string(
        (Path(__file__).parent / "spot_check.html.jinja").read_text(encoding="utf-8")
    )
    text = page.render(
        rows=rows,
        name=args.name,
        seed=args.seed,
        total=f"{total:,}",
        marks=quality.MARKS,
        katex=r.copy_katex(args.output.parent),
        key=r.text_hash([row["id"] for row in rows]),
    )
    with r.write_aside(args.output.with_name("spot_check.html"), "w") as file:
        file.write(text.encode("utf-8", "replace").decode())


def push(args, token):
    """Upload parquet, card and plot to the dataset repository, as one commit."""
    import huggingface_hub as hub

    api, folder = hub.HfApi(token=token), args.output.parent
    names = [args.output.with_suffix(".parquet").name, "README.md", "funnel.png", "funnel.md"]
    try:
        api.create_repo(
            args.push_to_hub, repo_type="dataset", private=not args.public, exist_ok=True
        )
        done = api.create_commit(
            args.push_to_hub,
            repo_type="dataset",
            commit_message=f"{args.name}: rows, card, funnel",
            operations=[
                hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name)
                for name in names
            ],
        )
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
        raise r.BadInput(
            f"--push-to-hub {args.push_to_hub}: the hub refused: {str(error)[:300]}; the files are in {folder}"
        ) from None
    r.say(f"uploaded: {getattr(done, 'repo_url', None) or args.push_to_hub}")


def hub_token():
    """The user's token, looked for before any work is done."""
    import huggingface_hub as hub

    token = hub.get_token()
    if not token:
        raise r.BadInput(
            "--push-to-hub needs a token with write permission: set HF_TOKEN, or run `hf auth login`"
        )
    return token


def main():
    parser = r.parser(__doc__, "input", "output", "seed", "fresh")
    add = parser.add_argument
    add(
        "--chunks",
        metavar="FILE",
        help="passages for the spot check (default: chunks.jsonl beside the input, where it is)",
    )
    add(
        "--name",
        default="Textbook QA",
        help="name of the data set in the card (default Textbook QA)",
    )
    add(
        "--spot-check",
        type=int,
        default=50,
        metavar="N",
        help="rows of the spot check (default 50)",
    )
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
        help="marks that people saved from spot_check.html, a CSV each: they go into the card with their agreement",
    )
    add("--push-to-hub", metavar="USER/NAME", help="upload to this dataset repository")
    add("--public", action="store_true", help="a new repository is public (default: private)")
    args = parser.parse_args()
    args.output = Path(args.output)
    beside = Path(args.input).parent / "chunks.jsonl"
    args.chunks = args.chunks or (str(beside) if beside.is_file() else None)
    marks = quality.read_marks(args.marks)
    token = hub_token() if args.push_to_hub else None
    before = funnel.chain(args.input)
    metas = [r.beside(step["path"], "meta.json") for step in before]
    step = r.Step(
        args,
        inputs=[args.input, *([args.chunks] if args.chunks else []), *metas, *args.marks],
        ignore=("public",),
        code=[
            Path(__file__).parent / name
            for name in ("funnel.py", "quality.py", "dataset_card.md", "spot_check.html.jinja")
        ],
    )
    side_files = [
        args.output.with_suffix(".parquet"),
        *(args.output.with_name(name) for name in SIDE_FILES),
    ]
    if not (all(path.is_file() for path in side_files) and step.finished()):
        statistics, sample = write_rows(step, args, marks)
        worth = quality_of(statistics, before, marks)
        own = {
            "name": args.output.stem,
            "counts": step.counts,
            "path": args.output,
            "subjects": subject_totals(statistics),
        }
        table = funnel.table([*before, own])
        with r.write_aside(args.output.with_name("funnel.md"), "w") as file:
            file.write(table)
        funnel.plot([*before, own], args.output.with_name("funnel.png"))
        write_card(statistics, sample, table, worth, args)
        write_spot_check(sample, step.counts["out"], args)
        step.finish(quality=worth)
    if args.push_to_hub:
        if args.public:
            check_public(args.output)
        push(args, token)


def subject_totals(statistics):
    totals = Counter()
    for (subject, _), count in statistics.subjects.items():
        totals[subject] += count
    return dict(totals)


if __name__ == "__main__":
    r.run(main)
