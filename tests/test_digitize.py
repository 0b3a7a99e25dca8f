"""Digitising: reading order, headers, hyphens, bad pages, broken files, OCR by tesseract, a
scripted olmOCR endpoint."""

import ctypes
import io
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
import zlib

import digitize_pdfs
import pypdfium2
import pytest
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st
from pdf import formulas as pdf_formulas
from pdf import olmocr as ocr_olmocr
from pdf import page as pdf_page
from pdf import text as pdf_text
from pdf import workers as pdf_workers

import rows as r

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None,
    reason="needs the command tesseract (apt-get install tesseract-ocr)",
)
SENTENCE = "The force on a body equals the rate of change of its momentum, and the direction is that of the change."


def make_pdf(
    pages,
    not_pages=(),
    damaged=(),
    extra_trailer=b"",
    mediabox="0 0 612 792",
    rotate=0,
    matrix="1 0 0 1",
):
    """Bytes of a PDF in Helvetica; pages are lists of (x, y, size, text); `not_pages` get a broken
    object, `damaged` an unreadable stream."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        4: b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    }
    kids = []
    for number, lines in enumerate(pages):
        page, content = 5 + 2 * number, 6 + 2 * number
        kids.append(f"{page} 0 R")
        shown = []
        for x, y, size, text, *more in lines:  # more: another font, another matrix
            text = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            shown.append(
                f"/{more[0] if more else 'F1'} {size} Tf {more[1] if len(more) > 1 else matrix} {x} {y} Tm ({text}) Tj"
            )
        stream = (
            "\x80\x01 ]]>> \xff\xfe"
            if number in damaged
            else f"BT {' '.join(shown)} ET"
            if shown
            else ""
        )
        objects[content] = f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream".encode(
            "latin-1"
        )
        objects[page] = (
            b"[ (no page) 12 << /Broken "
            if number in not_pages
            else (
                f"<< /Type /Page /Parent 2 0 R /MediaBox [{mediabox}] /Rotate {rotate} /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> "
                f"/Contents {content} 0 R >>"
            ).encode()
        )
    objects[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>".encode()
    out, places = b"%PDF-1.4\n", {}
    for number in sorted(objects):
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + objects[number] + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % places[number] for number in sorted(objects))
    return (
        out
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, extra_trailer, len(out))
    )


def paragraph(words, x=72, y=700, width=80, size=11, step=14):
    """Lines of a paragraph set ragged in lines of about `width` characters."""
    lines, line = [], ""
    for word in words.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [(x, y - step * i, size, text) for i, text in enumerate([*lines, line])]


def text_of(data):
    """Text of a PDF's bytes by the script's own functions, and the offsets of its pages."""
    pdf = pypdfium2.PdfDocument(data)
    return pdf_text.assemble([(i + 1, pdf_page.read_text_layer(pdf[i])) for i in range(len(pdf))])


def digitize(run_script, tmp_path, *inputs, options=(), **how):
    out = tmp_path / "out" / "documents.jsonl"
    done = run_script(
        "01_extract/digitize_pdfs.py",
        "--input",
        *inputs,
        "--output",
        out,
        "--workers",
        1,
        *options,
        **how,
    )
    return read_jsonl(out), read_jsonl(out.with_name("documents.rejected.jsonl")), done


def test_a_book_of_300_pages_with_a_corrupt_page_loses_that_page(run_script, tmp_path):
    pages = [
        paragraph(f"Marker{i} begins here. {SENTENCE} So ends number {i}.") for i in range(300)
    ]
    (tmp_path / "book.pdf").write_bytes(make_pdf(pages, not_pages={136}))
    (document,), (lost,), _ = digitize(
        run_script, tmp_path, tmp_path / "book.pdf", options=["--ocr", "none"]
    )
    assert (lost["reason"], lost["page"], lost["doc"]) == ("page unreadable", 137, document["id"])
    assert all((f"Marker{i} " in document["text"]) == (i != 136) for i in range(300))
    assert [page for page, _ in document["pages"]] == [i for i in range(1, 301) if i != 137]
    for page, offset in document["pages"]:
        assert document["text"][offset:].startswith(f"Marker{page - 1} ")


def test_pages_without_text_or_with_damaged_content_are_rejected_by_number(run_script, tmp_path):
    (tmp_path / "book.pdf").write_bytes(
        make_pdf([paragraph(SENTENCE), paragraph(SENTENCE), []], damaged={1})
    )
    (document,), rejected, _ = digitize(
        run_script, tmp_path, tmp_path / "book.pdf", options=["--ocr", "none"]
    )
    assert [(row["page"], row["reason"]) for row in rejected] == [
        (2, "blank page"),
        (3, "blank page"),
    ]
    assert document["pages"] == [[1, 0]]


def test_broken_and_encrypted_files_are_rejected_by_name(run_script, tmp_path):
    good = make_pdf([paragraph(SENTENCE)])
    (tmp_path / "good.pdf").write_bytes(good)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    lock = b"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
        b"41" * 32,
        b"42" * 32,
    )
    (tmp_path / "locked.pdf").write_bytes(make_pdf([paragraph(SENTENCE)], extra_trailer=lock))
    (tmp_path / "binary.txt").write_bytes(b"ab\0c" * 100)
    (tmp_path / "empty.md").write_text("---\ntitle: nothing\n---\n\n")
    documents, rejected, _ = digitize(run_script, tmp_path, tmp_path, options=["--ocr", "none"])
    assert [d["source"] for d in documents] == ["good.pdf"]
    assert {row["source"]: row["reason"] for row in rejected} == {
        "broken.pdf": "broken PDF",
        "locked.pdf": "encrypted PDF",
        "binary.txt": "broken file",
        "empty.md": "no text",
    }


def test_zero_pages_truncated_files_and_garbage_are_a_row_each(run_script, tmp_path):
    good = make_pdf([paragraph(SENTENCE)] * 3)
    (tmp_path / "garbage.pdf").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "none.pdf").write_bytes(make_pdf([]))
    (tmp_path / "half.pdf").write_bytes(good[: len(good) // 2])
    (tmp_path / "nested.md").write_text(f"---\na: {'[' * 5000}\n---\nThe text below it stays.")
    documents, rejected, _ = digitize(run_script, tmp_path, tmp_path, options=["--ocr", "none"])
    reasons = {row["source"]: row["reason"] for row in rejected}
    assert reasons["garbage.pdf"] == reasons["none.pdf"] == "broken PDF"
    assert {row["source"] for row in rejected} | {d["source"] for d in documents} == {
        path.name for path in tmp_path.iterdir() if path.is_file()
    }
    assert any("The text below it stays." in d["text"] for d in documents)


@pytest.mark.slow
def test_a_small_file_that_unpacks_to_gigabytes_is_one_broken_file(tmp_path):
    packer, parts = zlib.compressobj(9), []
    for _ in range(1200):
        parts.append(packer.compress(b" " * (1 << 20)))
    stream = zlib.compress(b"".join(parts) + packer.flush(), 9)
    page = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>\nstream\n%s\nendstream"
    good = make_pdf([paragraph(SENTENCE)])
    at = good.index(b"6 0 obj") + len(b"6 0 obj")
    end = good.index(b"endobj", at)
    path = tmp_path / "bomb.pdf"
    path.write_bytes(
        good[:at] + page % (len(stream), stream) + good[end:]
    )  # pdfium mends the table
    assert path.stat().st_size < 20_000
    program = f"""if True:
        import resource, sys
        sys.path[:0] = ["{ROOT}", "{ROOT}/01_extract"]
        from pdf import workers
        workers.MEMORY = 1 << 30
        readers = workers.Readers(1)
        asked = readers.ask("{path}", [0])
        found = readers.collect(asked)
        readers.pools[-1].shutdown()
        print(found[0][0], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    kind, peak = said.rsplit(None, 1)
    assert kind == "page unreadable" and int(peak) < 1100, said


# (text, what the page must say); on a line of its own each, set by matplotlib's mathtext in
# Computer Modern
FORMULAS = [
    (
        r"The mean is $m = \frac{x/y^2 + 2y}{3}$ where x and y are known.",
        "The mean is m = [unread formula] where x and y are known.",
    ),
    (r"It is $f(x) = exp(-\frac{1}{2} x)$ for every x.", "[unread formula]x) for every x."),
    (r"A sum $\sum_{i=1}^{n} a_i$ grows.", "A sum [unread formula] a_i grows."),
    (r"Letters such as $y_1$ and $E = mc^2$ stay.", "Letters such as y_1 and E = mc"),
]


def formula_pdf(path, columns=1):
    """A page of lines with formulas; with two columns each line of prose around them says L or
    R."""
    import matplotlib

    matplotlib.use("pdf")
    from matplotlib import pyplot as plt

    with matplotlib.rc_context({"pdf.fonttype": 42, "mathtext.fontset": "cm"}):
        figure = plt.figure(figsize=(8.27, 11.69))
        for column in range(columns):
            size, y = (11, 0.95) if columns == 1 else (7, 0.95)
            for number in range(24 if columns > 1 else len(FORMULAS)):
                text = FORMULAS[number % len(FORMULAS)][0]
                if columns > 1:
                    text = (
                        f"{'LR'[column]}{number} {text}"
                        if number % 6 == 0
                        else f"{'LR'[column]}{number} A line of plain prose goes on and on in this column."
                    )
                figure.text(0.08 + 0.46 * column, y, text, fontsize=size)
                y -= 0.05 if columns == 1 else 0.035
        for number in range(3 if columns == 1 else 0):
            figure.text(0.08, 0.7 - 0.05 * number, SENTENCE[:90], fontsize=9)
        line = plt.Line2D([0.30, 0.40], [0.5, 0.5], lw=0.6, color="k")  # a rule with nothing near
        figure.add_artist(line)
        figure.savefig(path)
        plt.close(figure)


def test_formulas_that_no_line_holds_are_marked_and_others_stay(run_script, tmp_path):
    formula_pdf(tmp_path / "f.pdf")
    (document,), _, _ = digitize(
        run_script, tmp_path, tmp_path / "f.pdf", options=["--ocr", "none"]
    )
    for _, said in FORMULAS:
        assert said in document["text"], document["text"]
    assert document["unread_formulas"] == 3
    assert "x/y" not in document["text"] and "-12" not in document["text"]


def test_an_underlined_word_and_a_table_rule_are_no_fractions():
    bar = pdf_formulas.Bar(100, 130, 50)

    def chars(text, x, base):
        return [
            (c, (x + 6 * i, base - 8, x + 6 * i + 6, base + 2, base, 0)) for i, c in enumerate(text)
        ]

    underlined = [*chars("an under lined", 70, 48), *chars("the next line goes on", 70, 60)]
    signs = dict(enumerate(underlined))
    pdf_formulas.mark_fractions(signs, [bar], 10, set())
    assert list(signs.values()) == underlined
    fraction = [*chars("y = ", 70, 53), *chars("a + b", 100, 45), *chars("c", 112, 60)]
    signs = dict(enumerate(fraction))
    pdf_formulas.mark_fractions(signs, [bar], 10, set())
    assert [char for char, _ in signs.values()] == ["y", " ", "=", " ", pdf_formulas.MARK]


def test_two_columns_with_formulas_are_read_one_after_the_other(tmp_path):
    formula_pdf(tmp_path / "two.pdf", columns=2)
    text, _ = text_of((tmp_path / "two.pdf").read_bytes())
    assert re.findall(r"\b[LR]\d+\b", text) == [f"L{n}" for n in range(24)] + [
        f"R{n}" for n in range(24)
    ]


def test_pages_with_formulas_go_to_olmocr_on_demand_and_keep_their_text_where_it_fails(
    run_script, tmp_path
):
    formula_pdf(tmp_path / "f.pdf")
    options = ["--ocr-pages", "formulas"]
    done = digitize_fails(run_script, tmp_path, options)
    assert done.returncode == 2 and "--ocr-pages formulas" in done.stderr.strip().split("\n")[-1]
    answers = iter(
        [
            "---\nis_rotation_valid: False\nrotation_correction: 90\n---\n",
            "The mean is $m = \\frac{a}{3}$.",
        ]
    )
    with FakeServer(lambda messages, body: next(answers)) as server:
        endpoint = ["--base-url", server.url, "--model", "olmocr"]
        (document,), rejected, _ = digitize(
            run_script, tmp_path, tmp_path / "f.pdf", options=[*options, *endpoint]
        )
        assert len(server.requests) == 2, "turned once, then read"
    assert document["text"] == "The mean is $m = \\frac{a}{3}$." and not rejected
    with FakeServer(lambda messages, body: ("cut", "length")) as server:
        endpoint = ["--base-url", server.url, "--model", "olmocr", "--fresh"]
        (document,), rejected, _ = digitize(
            run_script, tmp_path, tmp_path / "f.pdf", options=[*options, *endpoint]
        )
        assert len(server.requests) == 3
    assert document["unread_formulas"] == 3 and not rejected


def digitize_fails(run_script, tmp_path, options):
    files = ["--input", tmp_path / "f.pdf", "--output", tmp_path / "out" / "documents.jsonl"]
    return run_script(
        "01_extract/digitize_pdfs.py",
        *files,
        *options,
        check=False,
        env={"CUDA_VISIBLE_DEVICES": ""},
    )


def test_running_headers_and_page_numbers_go_and_the_body_stays():
    pages = []
    for i in range(12):
        header = f"{i + 30} CHAPTER 2. FORCES" if i % 2 else f"2.1 Momentum and impulse {i + 30}"
        body = paragraph(f"Start{i}. {SENTENCE} {SENTENCE} {SENTENCE} {SENTENCE} {SENTENCE}")
        pages.append([(72, 750, 9, header), *body, (300, 40, 9, f"- {i + 30} -")])
    text, _ = text_of(make_pdf(pages))
    assert "CHAPTER" not in text and "Momentum and impulse" not in text and "- 3" not in text
    assert (
        all(f"Start{i}." in text for i in range(12))
        and text.count("direction is that of the change.") == 60
    )


def test_running_headers_of_pages_that_differ_in_height_go():
    pages = []
    for i in range(8):
        body = paragraph(f"{SENTENCE} {SENTENCE} {SENTENCE}")
        height = 770 + 45 * i // 7
        lines = [(72, height - 40, 9, "Momentum and impulse"), *body]
        pdf = pypdfium2.PdfDocument(make_pdf([lines], mediabox=f"0 0 612 {height}"))
        pages.append((i + 1, pdf_page.read_text_layer(pdf[0])))
    assert "Momentum and impulse" not in pdf_text.assemble(pages)[0]


def test_a_lone_page_number_among_headers_that_end_with_theirs_goes():
    """An introduction to R: the first page of a chapter bears its number alone."""
    body = paragraph(f"{SENTENCE} {SENTENCE} {SENTENCE}")
    heads = [f"Chapter {1 + (i > 4)}: Objects  {i + 1}" for i in range(10)]
    heads[0], heads[5] = "1", "6"
    pages = [[(300, 750, 9, head), *body] for head in heads]
    pages[0].insert(1, (72, 720, 16, "1 Introduction"))
    text, _ = text_of(make_pdf(pages))
    assert "Chapter" not in text and text.startswith("## 1 Introduction")
    assert not re.search(r"^\d+$", text, re.MULTILINE)


def test_what_only_looks_like_a_header_stays():
    short = [[(72, 700, 11, f"This is page {i} of a leaflet.")] for i in range(9)]
    assert all(f"This is page {i} of a leaflet." in text_of(make_pdf(short))[0] for i in range(9))
    drill = [
        [(72, 700 - 14 * j, 11, f"Task {j} of sheet {i}: add {i} and {j}.") for j in range(9)]
        for i in range(6)
    ]
    text, _ = text_of(make_pdf(drill))
    assert sum(f"Task {j} of sheet {i}:" in text for i in range(6) for j in range(9)) == 54
    numbers = [
        [
            (72, 700, 11, "Results"),
            (72, 680, 11, "of the count were"),
            (72, 660, 11, str(17 * i * i + 3)),
        ]
        for i in range(8)
    ]
    assert all(
        str(17 * i * i + 3) in text_of(make_pdf(numbers))[0] for i in range(8)
    )  # lone numbers, but no sequence


def test_two_columns_are_read_one_after_the_other_below_their_title():
    left, right = "alpha " * 90 + "leftend.", "beta " * 90 + "rightend."
    columns = paragraph(left, x=60, width=36) + paragraph(right, x=320, width=38)
    text, _ = text_of(make_pdf([[(120, 740, 18, "A Study of Two Columns"), *columns]]))
    assert text.startswith("## A Study of Two Columns")
    assert text.index("alpha") < text.index("leftend") < text.index("beta") < text.index("rightend")
    assert "alpha beta" not in text and "beta alpha" not in text


def test_a_note_in_the_margin_is_read_apart_from_the_text_beside_it():
    body = paragraph("body " * 200 + "bodyend.", x=200, width=60)
    note = paragraph("note " * 30 + "noteend.", x=60, width=20)
    for lines in (body + note, note + body):  # whichever the file has first
        text, _ = text_of(make_pdf([lines]))
        assert "note body" not in text and "body note" not in text and "note  body" not in text
        assert "noteend" in text and "bodyend" in text


def test_cells_of_a_table_row_are_parted():
    table = [
        (72, 700, 11, "mass"),
        (150, 700, 11, "m"),
        (250, 700, 11, "kg"),
        (72, 680, 11, "time"),
        (150, 680, 11, "t"),
        (250, 680, 11, "s"),
    ]
    assert "mass  m  kg\ntime  t  s" in text_of(make_pdf([table]))[0]


def test_three_columns_that_formulas_fill_are_read_as_the_content_has_them():
    """The reference card of PARI/GP: three columns of commands and short texts were read across."""
    columns = [
        [
            (60 + 180 * n, 700 - 14 * i, 11, f"{'abc'[n]}{i} command"),
            (150 + 180 * n, 700 - 14 * i, 11, "f(x)"),
        ]
        for n in range(3)
        for i in range(20)
    ]
    text, _ = text_of(make_pdf([[line for pair in columns for line in pair]]))
    assert re.findall(r"[abc]\d+", text) == [f"{c}{i}" for c in "abc" for i in range(20)]


def test_hyphens_ligatures_raised_signs_and_code():
    body = [
        (72, 700, 11, "We use object-oriented programs and study electro-"),
        (72, 686, 11, "magnetic waves; a well-known object-"),
        (72, 672, 11, "oriented language helps. The speed is 3.0 x 10"),
        (302, 677, 7, "8"),
        (308, 672, 11, " m/s in a"),
        (72, 658, 11, "vacuum."),
    ]
    code = [
        (72, 620, 10, "def area(r):", "F2"),
        (96, 606, 10, "return 3.14 * r * r", "F2"),
        (72, 592, 10, "print(area(2))", "F2"),
    ]
    text, _ = text_of(make_pdf([body + code]))
    assert "electromagnetic waves" in text and "a well-known object-oriented language" in text
    assert "10^8 m/s" in text
    assert "def area(r):\n    return 3.14 * r * r\nprint(area(2))" in text
    assert "ﬁ eﬃcient 𝑥 = 𝛼".translate(pdf_page.LETTERS) == "fi efficient x = α"


def test_a_paragraph_over_a_page_end_is_one_and_its_page_is_still_known():
    text, offsets = text_of(
        make_pdf(
            [
                paragraph("word " * 60 + "the momen-"),
                paragraph("tum of a body is " + "word " * 60 + "end."),
            ]
        )
    )
    assert "the momentum of a body" in text and "\n" not in text
    assert text[offsets[1][1] :].startswith("tum of a body")
    assert pdf_text.pages_of(offsets, 0, 10) == [1, 1] and pdf_text.pages_of(
        offsets, 0, len(text)
    ) == [1, 2]
    assert (
        pdf_text.pages_of(offsets, offsets[1][1], len(text)) == [2, 2]
        and pdf_text.pages_of(None, 0, 5) is None
    )


def test_a_page_stored_sideways_is_read():
    upright = paragraph(f"{SENTENCE} Then follows more. {SENTENCE}")
    for rotate, matrix, place in (
        (90, "0 1 -1 0", lambda x, y: (792 - y, x)),
        (270, "0 -1 1 0", lambda x, y: (y - 180, 792 - x)),
        (180, "-1 0 0 -1", lambda x, y: (612 - x, 792 - y)),
    ):
        turned = [(*place(x, y), size, text) for x, y, size, text in upright]
        assert text_of(make_pdf([turned], rotate=rotate, matrix=matrix)) == text_of(
            make_pdf([upright])
        ), rotate


def test_a_sideways_table_is_read_and_a_stamp_in_the_margin_is_left_out():
    upright = paragraph(f"{SENTENCE} Then follows more. {SENTENCE}")
    for matrix, place in (
        ("0 1 -1 0", lambda x, y: (792 - y, x)),
        ("0 -1 1 0", lambda x, y: (y - 180, 792 - x)),
    ):
        assert text_of(
            make_pdf([[(*place(x, y), size, text) for x, y, size, text in upright]], matrix=matrix)
        ) == text_of(make_pdf([upright]))
    stamped = [*upright, (30, 200, 18, "arXiv:2507.00001 [cs] 3 Jul 2025", "F1", "0 1 -1 0")]
    assert text_of(make_pdf([stamped])) == text_of(make_pdf([upright]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-50, 700),
            st.integers(-50, 900),
            st.sampled_from([0, 1, 7, 11, 30]),
            st.text("ab1-. ()\\", max_size=30),
        ),
        max_size=25,
    ),
    st.sampled_from([0, 90, 180, 270]),
)
def test_no_layout_makes_the_reader_fail(lines, rotate):
    text, offsets = text_of(make_pdf([lines, lines], rotate=rotate))
    assert [page for page, _ in offsets] == [1, 2] and all(
        0 <= offset <= len(text) for _, offset in offsets
    )


def test_markdown_text_and_rows(run_script, tmp_path):
    books = tmp_path / "books"
    (books / "sub").mkdir(parents=True)
    (books / "README.md").write_text("about")
    (books / "SOURCES.md").write_text("from where")
    (books / "table.csv").write_text("a,b")
    (books / "physics_waves.md").write_text(
        "---\ntitle: Waves\nlicense: CC BY 4.0\n---\n# Chapter 1\n\nA wave carries energy.\n"
    )
    notes = "Licensed under Creative Commons Attribution-ShareAlike 4.0 International.\n\nA list is a row."
    (books / "sub" / "computer_science-notes.txt").write_text(notes)
    (books / "copy.md").write_bytes((books / "physics_waves.md").read_bytes())
    (books / "old.txt").write_bytes("Größe im Quadrat".encode("cp1252"))
    write_jsonl(
        books / "rows.jsonl",
        [
            {"id": "r1", "text": "# Heart\nIt beats.", "subject": "medicine", "note": 7},
            {"text": " "},
        ],
    )
    documents, rejected, done = digitize(run_script, tmp_path, books)
    by_source = {d["source"]: d for d in documents}
    wave, note = by_source["copy.md"], by_source["sub/computer_science-notes.txt"]
    assert (wave["title"], wave["license"], wave["pages"], wave["text"]) == (
        "Waves",
        "CC BY 4.0",
        None,
        "# Chapter 1\n\nA wave carries energy.",
    )
    assert (note["subject"], note["license"]) == ("computer_science", "CC BY-SA 4.0")
    assert by_source["old.txt"]["text"] == "Größe im Quadrat"
    assert (
        by_source["rows.jsonl"]["id"],
        by_source["rows.jsonl"]["note"],
        by_source["rows.jsonl"]["title"],
    ) == ("r1", 7, "Heart")
    assert sorted(row["reason"] for row in rejected) == ["duplicate", "no text"]
    assert "skipped 3: README.md, SOURCES.md, table.csv" in done.stderr
    write_jsonl(tmp_path / "more.jsonl", [{"id": "r1", "text": "Another text under the same id."}])
    documents, _, _ = digitize(run_script, tmp_path, books / "rows.jsonl", tmp_path / "more.jsonl")
    assert documents[0]["id"] == "r1" != documents[1]["id"] and documents[1]["id"].startswith("r1-")
    limited, _, _ = digitize(
        run_script, tmp_path, books, options=["--limit", "2", "--license", "own"]
    )
    assert len(limited) <= 2 and all(
        d["license"] == "own" for d in limited if d["source"] != "rows.jsonl"
    )


def test_a_row_without_a_source_bears_the_name_of_its_file(run_script, tmp_path):
    rows = [{"text": "A heart beats.", "source": "heart.pdf"}, {"text": "A lung breathes."}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    documents, _, _ = digitize(run_script, tmp_path, tmp_path / "rows.jsonl")
    assert [d["source"] for d in documents] == ["heart.pdf", "rows.jsonl"]


def test_licence_statements_and_titles():
    spelled = "Title\n\n© 2020 A. Author. This work is licensed under a Creative\nCommons Attribution 4.0 International License."
    assert digitize_pdfs.find_license(spelled) == "CC BY 4.0"
    assert (
        digitize_pdfs.find_license("License: https://creativecommons.org/licenses/by-nc-sa/4.0/")
        == "CC BY-NC-SA 4.0"
    )
    assert (
        digitize_pdfs.find_license(
            "A photo (credit: J. Doe, public domain)\n\nAll rights reserved."
        )
        is None
    )
    assert (
        digitize_pdfs.title_of("text", "Microsoft Word - thesis.doc", "a/linear_algebra.pdf")
        == "linear algebra"
    )
    assert (
        digitize_pdfs.subject_of("sub/Physics 101.pdf") == "physics"
        and digitize_pdfs.subject_of("physicsish.pdf") is None
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "missing.pdf"], "missing.pdf: there is no such file"),
        (["--input", "x.csv"], "x.csv: only .pdf, .md"),
        (
            ["--input", "a.md", "--base-url", "http://127.0.0.1:9/v1"],
            "name the OCR model with --model",
        ),
        (["--input", "a.md", "--ocr", "olmocr"], "--ocr olmocr"),
    ],
)
def test_clear_errors(run_script, tmp_path, options, message):
    for name in ("x.csv", "a.md"):
        (tmp_path / name).write_text("text")
    done = run_script(
        "01_extract/digitize_pdfs.py",
        *options,
        "--output",
        tmp_path / "d.jsonl",
        cwd=tmp_path,
        check=False,
        env={"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 2 and message in done.stderr.strip().split("\n")[-1]


def test_a_killed_run_goes_on_with_the_documents_it_has(tmp_path, monkeypatch):
    for i in range(3):
        (tmp_path / f"b{i}.pdf").write_bytes(make_pdf([paragraph(f"Book {i}. {SENTENCE}")]))
    out = tmp_path / "d.jsonl"
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "digitize_pdfs.py",
            "--input",
            str(tmp_path),
            "--output",
            str(out),
            "--ocr",
            "none",
            "--workers",
            "1",
        ],
    )
    with monkeypatch.context() as killed:
        killed.setattr(r.Step, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            digitize_pdfs.main()
    assert not out.exists()
    *others, last = sorted((tmp_path / "d.done").iterdir(), key=lambda path: path.stat().st_mtime)
    assert len(others) == 2
    last.unlink()  # as if it had not been written
    read = []
    real = digitize_pdfs.read_pdfs
    monkeypatch.setattr(
        digitize_pdfs,
        "read_pdfs",
        lambda todo, *more: (read.extend(source for _, source, _ in todo), real(todo, *more)),
    )
    digitize_pdfs.main()
    assert (
        read == ["b2.pdf"]
        and [d["source"] for d in read_jsonl(out)] == ["b0.pdf", "b1.pdf", "b2.pdf"]
        and not last.parent.exists()
    )


def test_a_table_of_books_that_changed_after_a_kill_counts(tmp_path, monkeypatch):
    (tmp_path / "b.pdf").write_bytes(make_pdf([paragraph(SENTENCE)]))
    table, out = tmp_path / "books.csv", tmp_path / "d.jsonl"
    command = ["--input", tmp_path / "b.pdf", "--output", out, "--metadata", table, "--ocr", "none"]
    monkeypatch.setattr(sys, "argv", ["digitize_pdfs.py", *map(str, command), "--workers", "1"])
    table.write_text("file,license\nb.pdf,CC BY-NC 4.0\n")
    with monkeypatch.context() as killed:
        killed.setattr(r.Step, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            digitize_pdfs.main()
    table.write_text("file,license\nb.pdf,CC BY 4.0\n")
    digitize_pdfs.read_metadata.cache_clear()  # as in a new process
    r.file_hash.cache_clear()
    digitize_pdfs.main()
    assert [row["license"] for row in read_jsonl(out)] == ["CC BY 4.0"]


def crashes_on_page_3(path, index, ocr_language):
    """In place of read_page: what a crash of the PDF library looks like from outside."""
    if index == 3:
        os._exit(11)
    return "lines", []


def hangs_on_page_3(path, index, ocr_language):
    if index == 3:
        time.sleep(600)
    return "lines", []


@pytest.mark.parametrize("read_page", [crashes_on_page_3, hangs_on_page_3])
def test_a_crash_or_hang_of_the_pdf_library_costs_one_page(monkeypatch, read_page):
    fork = multiprocessing.get_context("fork")  # starts faster than the real thing
    monkeypatch.setattr(pdf_workers.multiprocessing, "get_context", lambda _: fork)
    monkeypatch.setattr(pdf_workers, "read_page", read_page)
    monkeypatch.setattr(pdf_page, "PAGE_SECONDS", -59)  # with the minute beside it 1 s
    with pdf_workers.Readers(2) as readers:
        found = readers.collect(readers.ask("x.pdf", range(8)))
    assert {index: kind for index, (kind, _) in found.items()} == {
        i: "page unreadable" if i == 3 else "lines" for i in range(8)
    }


def test_whatever_fails_on_a_page_costs_that_page(tmp_path, monkeypatch):
    """ctypes.ArgumentError, of a box that is no number, ended the run."""
    (tmp_path / "b.pdf").write_bytes(make_pdf([paragraph(SENTENCE)]))
    error = ctypes.ArgumentError("a box that is no number")
    monkeypatch.setattr(pdf_page, "read_text_layer", lambda page: (_ for _ in ()).throw(error))
    kind, detail = pdf_workers.read_page(str(tmp_path / "b.pdf"), 0)
    assert kind == "page unreadable" and detail.startswith("ArgumentError: a box")


# ---- scanned pages ----


def image_only(data, dpi=200):
    """A PDF with the same pages as pictures."""
    source, made = pypdfium2.PdfDocument(data), pypdfium2.PdfDocument.new()
    for number in range(len(source)):
        page = source[number]
        image = pypdfium2.PdfImage.new(made)
        image.set_bitmap(page.render(scale=dpi / 72))
        width, height = page.get_size()
        image.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
        new = made.new_page(width, height)
        new.insert_obj(image)
        new.gen_content()
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_a_scan_without_ocr_is_rejected(run_script, tmp_path):
    (tmp_path / "scan.pdf").write_bytes(image_only(make_pdf([paragraph(SENTENCE)])))
    documents, rejected, _ = digitize(run_script, tmp_path, tmp_path, options=["--ocr", "none"])
    assert not documents and [
        (row["source"], row["reason"], row["n_pages"]) for row in rejected
    ] == [("scan.pdf", "no text layer", 1)]


@pytest.mark.slow
@needs_tesseract
def test_a_scan_is_read_by_tesseract(run_script, tmp_path):
    (tmp_path / "scan.pdf").write_bytes(
        image_only(make_pdf([paragraph(SENTENCE), paragraph("Pages differ. " + SENTENCE)]))
    )
    (document,), rejected, _ = digitize(
        run_script, tmp_path, tmp_path / "scan.pdf", options=["--ocr", "tesseract"]
    )
    assert (
        not rejected
        and document["text"].count(SENTENCE) == 2
        and [page for page, _ in document["pages"]] == [1, 2]
    )


@needs_tesseract
@pytest.mark.slow
def test_image_only_pages_within_3_percent_of_their_text(shared, tmp_path, run_script):
    folder = shared / "textbooks" / "pdf"
    (document,), rejected, _ = digitize(
        run_script,
        tmp_path,
        folder / "sicp_pages_61-76_image_only.pdf",
        options=["--ocr", "tesseract"],
    )
    truth = [
        page["text"]
        for page in json.loads(
            (folder / "sicp_pages_61-76_image_only_groundtruth.json").read_text()
        )
    ]
    from bench.digitize import character_error

    assert not rejected and character_error(document, truth) < 0.03


@pytest.mark.slow
def test_olmocr_behind_an_endpoint_reads_only_the_scanned_pages(run_script, tmp_path):
    mixed = pypdfium2.PdfDocument(make_pdf([paragraph("Printed page. " + SENTENCE)]))
    mixed.import_pages(
        pypdfium2.PdfDocument(image_only(make_pdf([paragraph(SENTENCE), paragraph(SENTENCE)])))
    )
    mixed.save(str(tmp_path / "mixed.pdf"))
    read = "---\nprimary_language: en\nis_table: False\n---\n# Scanned\n\nRead by a model."
    answers = iter([read])
    cut_off = ("cut off", "length")  # however warm the page is asked
    with FakeServer(lambda messages, body: next(answers, cut_off)) as server:
        options = ["--base-url", server.url, "--model", "m", "--workers", "1"]
        (document,), rejected, _ = digitize(
            run_script, tmp_path, tmp_path / "mixed.pdf", options=options
        )
        kinds = [part["type"] for part in server.requests[0]["messages"][0]["content"]]
        asked = [body["temperature"] for body in server.requests]
        assert asked == [0.0, 0.0, 0.3, 0.7] and kinds == ["text", "image_url"]
    assert (
        "Printed page." in document["text"]
        and "# Scanned\n\nRead by a model." in document["text"]
        and "primary_language" not in document["text"]
    )
    assert [(row["page"], row["reason"]) for row in rejected] == [(3, "ocr failed")]
    raws = sorted((tmp_path / "out").glob("documents.ocr*.raw.jsonl"))
    assert [len(read_jsonl(path)) for path in raws] == [2, 1, 1]


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_parsers_of_model_text_and_licences_never_fail(text):
    assert isinstance(ocr_olmocr.parse(text), str)
    assert isinstance(digitize_pdfs.split_front_matter("---\n" + text + "\n---\nbody")[1], str)
    digitize_pdfs.find_license(text)
    assert digitize_pdfs.title_of(text, text, "a.pdf")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Dickens is in the public domain; all rights reserved for the rest.", None),
        ("The photographs of NASA are in the public domain. Copyright 2020 the author.", None),
        ("Cover photo: CC BY 2.0. All rights reserved for the text.", None),
        ("CC BY-NC-SA 4.0", "CC BY-NC-SA 4.0"),  # alone on a line
        ("A. Author\n**CC BY 4.0**", "CC BY 4.0"),
        ("License: CC0 1.0 Universal", "CC0 1.0"),  # it was null
        ("We compare CC BY 4.0 with other terms.", None),
        ("Cover photo: CC BY 2.0", None),
        ("License: CC BY4.0", "CC BY 4.0"),
        ("GNU Free Documentation License 1.2", "GNU Free Documentation License"),
        ("License: https://creativecommons.org/publicdomain/mark/1.0/", "PUBLIC-DOMAIN"),
    ],
)
def test_a_licence_is_that_of_the_book(text, expected):
    assert digitize_pdfs.find_license(f"# A book\n\n{text}\n\nChapter 1.") == expected


def test_a_table_of_books_states_licences(tmp_path, run_script):
    (tmp_path / "in").mkdir()
    for name in ("physics_a.md", "physics_b.md"):
        (tmp_path / "in" / name).write_text(
            f"# Heat\n\nHeat flows from hot to cold bodies, says {name}.\n"
        )
    table = tmp_path / "books.csv"
    table.write_text(
        "file,title,authors,url,license,restricted\nphysics_a.md,Heat and work,A. Author,https://example.org/heat,CC BY 4.0,\nphysics_b.md,,,,,yes\n"
    )
    command = (
        "01_extract/digitize_pdfs.py",
        "--input",
        tmp_path / "in",
        "--output",
        tmp_path / "d.jsonl",
        "--metadata",
        table,
    )
    run_script(*command)
    rows = {row["source"]: row for row in read_jsonl(tmp_path / "d.jsonl")}
    a, b = rows["physics_a.md"], rows["physics_b.md"]
    assert (a["title"], a["authors"], a["license"], "restricted" in a) == (
        "Heat and work",
        "A. Author",
        "CC BY 4.0",
        False,
    )
    assert b["license"] is None and b["restricted"] is True
    table.write_text("file,licence\nphysics_a.md,CC BY 4.0\n")
    done = run_script(*command, check=False)
    assert done.returncode == 2 and "unknown column 'licence'" in done.stderr.splitlines()[-1]
