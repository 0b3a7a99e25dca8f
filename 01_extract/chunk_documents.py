"""Cut documents into chunks of at most --max-tokens tokens, at paragraph and heading bounds.

    python 01_extract/chunk_documents.py --input classified.jsonl --output chunks.jsonl --tokenizer Qwen/Qwen3-8B

in   documents with text, subject, pages, source, license
out  one row a chunk: id, doc_id, subject, text, n_tokens, pages ([first, last] page or null), start
     (character in the document), page_starts ([[page, character of the chunk], ...] or null),
     source, license, and the document's other fields

A chunk never ends inside a worked example, a display formula, program text or a table that fits
into one, nor between a heading and its text, a theorem and its proof, or an exercise and the
solution printed after it. What is longer is cut at paragraphs, then sentences, then words. Chunks
are slices: laid end to end they give the document again, white space between them aside.
--tokenizer is a hub id, a folder or file with a tokenizer.json, or "words" (white space; no files).
1.2 million characters take about 2 s.
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
SPACE = re.compile(r"\s+")
# a chunk with fewer words for each formula that could not be read is no source of questions
WORDS_A_FORMULA = 120
CUT_BACK = 0.75  # a chunk at least this full ends before its last heading


def counter(name):
    """Function texts -> number of tokens of each, by a named tokenizer, without torch."""
    if name == "words":
        return lambda texts: [len(text.split()) for text in texts]
    from tokenizers import Tokenizer

    path = Path(name) / "tokenizer.json" if Path(name).is_dir() else Path(name)
    load = Tokenizer.from_file if path.is_file() else Tokenizer.from_pretrained
    try:
        tokenizer = load(str(path) if path.is_file() else name)
    except Exception as error:  # plain, for a missing, gated or broken tokenizer
        raise r.BadInput(
            f"--tokenizer {name} cannot be loaded ({str(error)[:200]}): give a hub id, a folder "
            "with a tokenizer.json, or words"
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts):
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [len(text.ids) for text in encoded]

    return count


def whole_units(text):
    """find_units(), those joined that hold one problem and the solution printed after it: a
    solution may go on in prose ("Therefore, ...")."""
    pairs = worked_problems.find_pairs(text)[0]
    spans = [(pair.start, pair.answer_end) for pair in pairs if pair.kind != "key"]
    spans.sort(reverse=True)
    units, end = [], 0
    for unit in find_units(text, find_blocks(text)):
        if unit[0].start < end:
            units[-1] = units[-1] + unit
        else:
            units.append(unit)
        while spans and spans[-1][0] < unit[-1].end:
            end = max(end, spans.pop()[1])
    return units


def cut(text, bounds, ways, limit, count):
    """[(start, tokens), ...] of the parts of a text between bounds; one that is too long for a
    chunk is cut by the first of `ways`, its parts by the next."""
    made = []
    spans = list(itertools.pairwise(bounds))
    sizes = count([text[start:end] for start, end in spans])
    for (start, end), size in zip(spans, sizes, strict=True):
        if size <= limit or not ways:
            made.append((start, size))
            continue
        inner = [at for at in ways[0](start, end) if start < at < end]
        made += pack(cut(text, [start, *inner, end], ways[1:], limit, count), limit)
    return made


def pack(parts, limit, headings=()):
    """Parts, (start, tokens) each, with as many in one as fit into a chunk; `headings`: starts of
    parts that begin with one."""
    made, held, filled = [], [], 0
    for part in parts:
        while held and filled + part[1] > limit:
            number = parts_in_chunk(held, limit, headings)
            made.append(held[:number])
            held = held[number:]
            filled = sum(size for _, size in held)
        held.append(part)
        filled += part[1]
    return [(whole[0][0], sum(size for _, size in whole)) for whole in [*made, held] if whole]


def parts_in_chunk(held, limit, headings):
    """How many of the parts that fit go into a chunk: those before the last heading that leaves it
    CUT_BACK full; a last part with a heading goes with what follows it."""
    sizes = itertools.accumulate(size for _, size in held)
    enough = [at for at, size in enumerate(sizes, 1) if size >= CUT_BACK * limit]
    ends = [at for at in enough if at < len(held) and held[at][0] in headings]
    if ends:
        return ends[-1]
    return len(held) - 1 if len(held) > 1 and held[-1][0] in headings else len(held)


def ways_to_cut(text, blocks, limit):
    """For a unit that is too long: at its blocks, then sentences, then words, then anywhere."""
    return (
        lambda start, end: blocks[start],
        lambda start, end: (match.end() for match in SENTENCE.finditer(text, start, end)),
        lambda start, end: (match.end() for match in SPACE.finditer(text, start, end)),
        lambda start, end: range(start, end, max(limit // 4, 1)),
    )


def chunk_text(text, count, max_tokens):
    """[(start, end, tokens), ...] of a document's chunks; text[start:end] has no white space at its
    ends and at most max_tokens tokens."""
    room, units = max_tokens, whole_units(text)
    blocks = {unit[0].start: [block.start for block in unit] for unit in units}
    headings = {unit[0].start for unit in units if unit[0].level}
    while True:  # the tokens of a whole may be a few more than those of its parts
        ways = ways_to_cut(text, blocks, room)
        parts = cut(text, [*blocks, len(text)], ways, room, count)
        starts = [start for start, _ in pack(parts, room, headings)]
        ends = [
            start + len(text[start:end].rstrip())
            for start, end in itertools.pairwise([*starts, len(text)])
        ]
        sizes = count([text[start:end] for start, end in zip(starts, ends, strict=True)])
        excess = max(sizes, default=0) - max_tokens
        if excess <= 0 or room <= 1:
            spans = zip(starts, ends, sizes, strict=True)
            return [span for span in spans if span[1] > span[0]]
        room = max(room - excess - 1, 1)


def chunk_rows(row, count, max_tokens):
    """The chunks of a document row as rows, in order."""
    text, pages, doc_id = row["text"], row.get("pages"), row["id"]
    carried = {k: v for k, v in row.items() if k not in ("id", "text", "pages")}
    for start, end, size in chunk_text(text, count, max_tokens):
        chunk = {
            "id": f"{doc_id}-{r.text_hash(doc_id, text[start:end], str(start))[:10]}",
            "doc_id": doc_id,
            "text": text[start:end],
            "n_tokens": size,
            "pages": pdf_text.pages_of(pages, start, end),
            "start": start,
            "page_starts": page_starts(pages, start, end),
        }
        yield dict.fromkeys(("subject", "source", "license")) | carried | chunk


def page_starts(pages, start, end):
    """[[page, character of the chunk where it starts], ...], null for a document without pages."""
    if not pages:
        return None
    first = max([offset for _, offset in pages if offset <= start], default=pages[0][1])
    return [[page, max(at - start, 0)] for page, at in pages if first <= at < end]


def draw(rows, count, args):
    """Ids of --sample chunks: in turn from every document, within it at random by --seed."""
    ranked = []
    for row in filter(has_text, rows):
        ids = [chunk["id"] for chunk in chunk_rows(row, count, args.max_tokens)]
        hashes = sorted((r.text_hash(str(args.seed), chunk_id), chunk_id) for chunk_id in ids)
        ranked += [(rank, *pair) for rank, pair in enumerate(hashes)]
    return {chunk_id for *_, chunk_id in sorted(ranked)[: args.sample]}


def rests_on_formulas(chunk):
    """True for a chunk with more than one unread formula in WORDS_A_FORMULA words."""
    return chunk["text"].count(MARK) * WORDS_A_FORMULA > max(len(chunk["text"].split()), 1)


def has_text(row):
    return bool((row["text"] or "").strip())


def main():
    parser = r.parser(__doc__, "input", "output", "limit", "seed", "fresh")
    add = parser.add_argument
    add("--tokenizer", required=True, metavar="T", help='hub id, folder, file, or "words"')
    longest = "longest chunk (default %(default)s)"
    add("--max-tokens", type=r.positive, default=4096, metavar="N", help=longest)
    sample = "keep N chunks, drawn evenly from the documents; the others are rejected"
    add("--sample", type=r.positive, metavar="N", help=sample)
    args = parser.parse_args()
    step = r.Step(args, inputs=[args.input], code=[pdf_text, book_blocks, worked_problems])
    if step.finished():
        return
    count, tokens, drawn = counter(args.tokenizer), 0, None
    fields = (args.input, "text", "subject?", "pages?")
    if args.sample:
        drawn = draw(r.read(*fields, limit=args.limit), count, args)
    documents = step.read(*fields, limit=args.limit)
    for row in r.progress(documents, desc=step.output.name, unit="document"):
        if not has_text(row):
            step.reject(row, "no text")
            continue
        chunks = list(chunk_rows(row, count, args.max_tokens))
        step.split(len(chunks))
        for chunk in chunks:
            if rests_on_formulas(chunk):
                step.reject(chunk, "rests on formulas that could not be read")
            elif drawn is not None and chunk["id"] not in drawn:
                step.reject(chunk, "not sampled")
            else:
                tokens += chunk["n_tokens"]
                step.keep(chunk)
    step.finish(tokens=tokens)


if __name__ == "__main__":
    r.run(main)
