"""Cut documents into chunks of at most --max-tokens tokens, at paragraph and heading bounds.

    python 01_extract/chunk_documents.py --input classified.jsonl --output chunks.jsonl --tokenizer Qwen/Qwen3-8B

in   documents with text, subject, pages, source, license
out  one row a chunk: id, doc_id, subject, text, n_tokens, pages ([first, last] page or null), start (character in the document),
     page_starts ([[page, character of the chunk], ...] or null), source, license, and the document's other fields

A chunk never ends inside a worked example, a display formula, program text or a table that fits into one, nor between a heading and its text, a
theorem and its proof, or an exercise and the solution printed after it. What is longer than a chunk is cut at paragraphs, then sentences, then
words. Chunks are slices of the document: laid end to end they give its text again, white space between them aside.
--tokenizer is a hub id, a folder or file with a tokenizer.json, or "words" (white space; needs no files). 1.2 million characters take about 2 s.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools
import re

import book_blocks
import worked_problems
from book_blocks import find_blocks, find_units
from pdf import text as pdf_text
from pdf.formulas import MARK

import rows as r

SENTENCE = re.compile(r"(?<=[.!?])[”\"')\]]*\s+(?=[A-Z0-9“\"$(\\*])|\n")
WORDS_A_FORMULA = 120  # a chunk with fewer words for each formula that could not be read is no source of questions
CUT_BACK = 0.75  # a chunk at least this full ends before the last heading rather than at the last unit that fits


# ---- packing ----


class Counter:
    """Token counts by a named tokenizer, without torch."""

    def __init__(self, name):
        self.tokenizer = None
        if name == "words":
            return
        import tokenizers

        path = Path(name) / "tokenizer.json" if Path(name).is_dir() else Path(name)
        try:
            self.tokenizer = (
                tokenizers.Tokenizer.from_file(str(path))
                if path.is_file()
                else tokenizers.Tokenizer.from_pretrained(name)
            )
        except (
            Exception
        ) as error:  # the library raises plain Exception for a missing, gated or broken tokenizer
            raise r.BadInput(
                f"--tokenizer {name}: no tokenizer.json there, and it cannot be loaded from the hub ({str(error)[:200]}); "
                "give a folder that has one, a hub id, or words"
            ) from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def __call__(self, texts):
        """Number of tokens of each text, without special tokens."""
        if self.tokenizer is None:
            return [len(text.split()) for text in texts]
        return [
            len(encoded.ids)
            for encoded in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]


def pieces_of(text, start, end, limit, count):
    """Cut text[start:end], too long for a chunk, at sentences, then at words, then anywhere:
    [(start, end), ...] of at most `limit` tokens."""
    for pattern in (SENTENCE, re.compile(r"\s+"), None):
        cuts = (
            [m.end() for m in pattern.finditer(text, start, end)]
            if pattern
            else range(start + max(limit // 4, 1), end, max(limit // 4, 1))
        )
        bounds = [start, *(cut for cut in cuts if start < cut < end), end]
        spans = list(itertools.pairwise(bounds))
        sizes = count([text[a:b] for a, b in spans])
        if max(sizes) <= limit or pattern is None:
            break
    made, total = [], 0
    for span, size in zip(spans, sizes, strict=True):
        if made and total + size <= limit:
            made[-1] = (made[-1][0], span[1])
            total += size
        else:
            made.append(span)
            total = size
    return made


def whole_units(text):
    """find_units(), those joined that hold one problem and the solution printed after it: a
    solution may go on in prose ("Therefore, ...")."""
    units, spans = [], []
    for pair in worked_problems.find_pairs(text)[0]:
        if pair.kind != "key":
            spans.append((pair.start, pair.answer_end))
    spans.sort(reverse=True)
    end = 0
    for unit in find_units(text, find_blocks(text)):
        if unit[0].start < end:
            units[-1] = units[-1] + unit
        else:
            units.append(unit)
        while spans and spans[-1][0] < unit[-1].end:
            end = max(end, spans.pop()[1])
    return units


def fitting_units(text, limit, count):
    """[(start, heading level or 0, tokens), ...] of a document: units that fit into a chunk; longer
    ones in parts, as few as possible."""
    units = whole_units(text)
    made = []
    if not units:
        return made
    ends = [unit[0].start for unit in units[1:]] + [len(text)]
    for unit, end, size in zip(
        units,
        ends,
        count([text[unit[0].start : end] for unit, end in zip(units, ends, strict=True)]),
        strict=True,
    ):
        if size <= limit:
            made.append((unit[0].start, unit[0].level, size))
            continue
        inner = [*(block.start for block in unit[1:]), end]
        sizes = count([text[block.start : stop] for block, stop in zip(unit, inner, strict=True)])
        parts = []
        for block, stop, part in zip(unit, inner, sizes, strict=True):
            spans = (
                [(block.start, stop)]
                if part <= limit
                else pieces_of(text, block.start, stop, limit, count)
            )
            parts += zip((a for a, _ in spans), count([text[a:b] for a, b in spans]), strict=True)
        first = len(made)
        for (
            begin,
            part,
        ) in (
            parts
        ):  # its beginning stays whole as far as a chunk reaches, wherever the chunk before ends
            if len(made) > first and made[-1][2] + part <= limit:
                made[-1] = (*made[-1][:2], made[-1][2] + part)
            else:
                made.append((begin, unit[0].level if len(made) == first else 0, part))
    return made


def pack(units, limit):
    """Starts of chunks over units in order: as many as fit, cut back to a heading where that leaves
    the chunk CUT_BACK full or more."""
    starts, held, total = [], [], 0
    for unit in units:
        while held and total + unit[2] > limit:
            filled, cut = 0, len(held)
            for k, (_, level, size) in enumerate(held):
                if k and (level and filled >= CUT_BACK * limit):
                    cut = k
                filled += size
            # a heading goes with what follows it
            while cut > 1 and held[cut - 1][1] and cut == len(held):
                cut -= 1
            starts.append(held[0][0])
            held = held[cut:]
            total = sum(size for *_, size in held)
        held.append(unit)
        total += unit[2]
    return starts + ([held[0][0]] if held else [])


def chunk_text(text, count, max_tokens):
    """[(start, end, tokens), ...] of a document's chunks; text[start:end] has no white space at its
    ends and at most max_tokens tokens."""
    room = max_tokens
    while True:  # the tokens of a whole may be a few more than those of its parts
        starts = pack(fitting_units(text, room, count), room)
        spans = []
        for start, end in zip(starts, [*starts[1:], len(text)], strict=False):
            spans.append((start, start + len(text[start:end].rstrip())))
        sizes = count([text[a:b] for a, b in spans])
        excess = max(sizes, default=0) - max_tokens
        if excess <= 0 or room <= 1:
            return [(a, b, size) for (a, b), size in zip(spans, sizes, strict=True) if b > a]
        room = max(room - excess - 1, 1)


def chunk_rows(row, count, max_tokens):
    """The chunks of a document row as rows, in order."""
    text, pages, doc_id = row["text"], row.get("pages"), row["id"]
    carried = {k: v for k, v in row.items() if k not in ("id", "text", "pages")}
    rows = []
    for start, end, size in chunk_text(text, count, max_tokens):
        chunk = {
            "id": f"{doc_id}-{r.text_hash(doc_id, text[start:end], str(start))[:10]}",
            "doc_id": doc_id,
            "subject": row.get("subject"),
            "text": text[start:end],
            "n_tokens": size,
            "pages": pdf_text.pages_of(pages, start, end),
            "start": start,
            "page_starts": page_starts(pages, start, end),
        }
        rows.append(
            {
                **chunk,
                "source": row.get("source"),
                "license": row.get("license"),
                **{k: v for k, v in carried.items() if k not in chunk},
            }
        )
    return rows


def page_starts(pages, start, end):
    """[[page, character of the chunk where it starts], ...], null for a document without pages."""
    if not pages:
        return None
    first = max([offset for _, offset in pages if offset <= start], default=pages[0][1])
    return [[page, max(at - start, 0)] for page, at in pages if first <= at < end]


def draw(rows, count, args):
    """Ids of --sample chunks: in turn from every document, within it at random by --seed."""
    ranked = []
    for row in rows:
        hashes = sorted(
            (r.text_hash(str(args.seed), chunk["id"]), chunk["id"])
            for chunk in chunk_rows(row, count, args.max_tokens)
        )
        ranked += [(rank, *pair) for rank, pair in enumerate(hashes)]
    return {chunk_id for *_, chunk_id in sorted(ranked)[: args.sample]}


def rests_on_formulas(chunk):
    """True for a chunk with more than one unread formula in WORDS_A_FORMULA words."""
    return chunk["text"].count(MARK) * WORDS_A_FORMULA > max(len(chunk["text"].split()), 1)


def has_text(row):
    return isinstance(row["text"], str) and bool(row["text"].strip())


def main():
    parser = r.parser(__doc__, "input", "output", "limit", "seed", "fresh")
    add = parser.add_argument
    add(
        "--tokenizer",
        required=True,
        metavar="T",
        help='hub id, folder or tokenizer.json, or "words"',
    )
    add(
        "--max-tokens",
        type=r.positive,
        default=4096,
        metavar="N",
        help="longest chunk (default 4096)",
    )
    add(
        "--sample",
        type=r.positive,
        metavar="N",
        help="keep N chunks, drawn evenly from the documents; the others are rejected",
    )
    add(
        "--formulas",
        choices=("reject", "keep"),
        default="reject",
        help="chunks that are full of formulas which a PDF's text layer does not hold (default reject)",
    )
    args = parser.parse_args()
    step = r.Step(args, inputs=[args.input], code=[pdf_text, book_blocks, worked_problems])
    if step.finished():
        return
    count, tokens = Counter(args.tokenizer), 0
    drawn = (
        draw(
            filter(has_text, r.read(args.input, "text", "subject?", "pages?", limit=args.limit)),
            count,
            args,
        )
        if args.sample
        else None
    )
    for row in r.progress(
        step.read(args.input, "text", "subject?", "pages?", limit=args.limit),
        desc=step.output.name,
        unit="document",
    ):
        if not has_text(row):
            step.reject(row, "no text")
            continue
        chunks = chunk_rows(row, count, args.max_tokens)
        step.split(len(chunks))
        for chunk in chunks:
            if args.formulas == "reject" and rests_on_formulas(chunk):
                step.reject(chunk, "rests on formulas that could not be read")
                continue
            if drawn is not None and chunk["id"] not in drawn:
                step.reject(chunk, "not sampled")
                continue
            tokens += chunk["n_tokens"]
            step.keep(chunk)
    step.finish(tokens=tokens)


if __name__ == "__main__":
    r.run(main)
