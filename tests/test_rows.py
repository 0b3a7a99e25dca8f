"""The file contract: reading, ids, whole files or none, rejected and meta files, errors that name
file, line and field."""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, read_jsonl, write_jsonl
from hypothesis import example, given
from hypothesis import strategies as st

import rows as r


def args_for(tmp_path, **options):
    return argparse.Namespace(
        input=str(tmp_path / "in.jsonl"), output=str(tmp_path / "out.jsonl"), fresh=False, **options
    )


def run_step(args, keep=lambda row: True):
    step = r.Step(args, inputs=[args.input])
    if step.finished():
        return False
    for row in step.read(args.input, "question"):
        step.keep(row) if keep(row) else step.reject(row, "not wanted", because="test")
    step.finish()
    return True


@pytest.fixture
def three(tmp_path):
    write_jsonl(
        tmp_path / "in.jsonl", [{"id": str(n), "question": f"q{n}", "other": n} for n in range(3)]
    )
    return args_for(tmp_path)


def test_line_separators_inside_strings_do_not_split_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"id": "1", "text": "a\u2028b\u0085c"}\n{"id": "2", "text": "d"}'.encode())
    assert [row["text"] for row in r.read(path)] == ["a\u2028b\u0085c", "d"]


def test_gzip_and_parquet_are_read(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [{"id": str(n), "question": f"q{n}"} for n in range(5)]
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert list(r.read(tmp_path / "a.jsonl.gz")) == list(r.read(tmp_path / "a.parquet")) == rows


def test_row_without_id_gets_a_stable_content_id(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"question": "one"}, {"id": 7, "question": "two"}])
    first, second = r.read(path)
    assert first["id"] == r.content_id({"question": "one"}) and second["id"] == "7"


@pytest.mark.parametrize(
    "line,message",
    [
        ('{"id": "1"}', 'line 2: field "question" is missing'),
        ("{oops", "line 2: not valid JSON"),
        ("[1]", "line 2: a row must be a JSON object"),
        ('{"id": "0", "question": "x"}', 'line 2: id "0" stands already in line 1'),
    ],
)
def test_bad_rows_name_file_line_and_field(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "0", "question": "q"}\n' + line + "\n")
    with pytest.raises(r.BadInput, match="bad") as error:
        list(r.read(path, "question"))
    assert message in str(error.value)


def test_missing_file_is_said(tmp_path):
    with pytest.raises(r.BadInput, match="no such file"):
        list(r.read(tmp_path / "absent.jsonl"))


def test_step_writes_output_rejected_and_meta(three, tmp_path):
    assert run_step(three, keep=lambda row: row["id"] != "1")
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["0", "2"]
    assert read_jsonl(tmp_path / "out.rejected.jsonl") == [
        {"id": "1", "question": "q1", "other": 1, "reason": "not wanted", "because": "test"}
    ]
    meta = json.loads((tmp_path / "out.meta.json").read_text())
    assert meta["counts"] == {"in": 3, "out": 2, "rejected": {"not wanted": 1}, "split": 0}
    assert not list(tmp_path.glob(".*"))


def test_finished_step_is_skipped_and_remade_when_something_changed(three, tmp_path, capsys):
    assert run_step(three) and not run_step(three)
    three.limit = 2
    assert run_step(three), "another option makes the output stale"
    r.file_hash.cache_clear()
    write_jsonl(tmp_path / "in.jsonl", [{"id": "9", "question": "new"}])
    assert run_step(three), "another input makes the output stale"
    assert "inputs changed" in capsys.readouterr().err


def test_a_step_with_failed_generations_is_tried_again(three):
    def once():
        step = r.Step(three, inputs=[three.input])
        if not step.finished():
            for row in step.read(three.input):
                step.reject(row, "generation failed")
            step.finish()
            return True

    assert once() and once()


def test_a_crash_leaves_no_half_output(three, tmp_path):
    def explode(row):
        if row["id"] == "2":
            raise RuntimeError("boom")
        return True

    with pytest.raises(RuntimeError):
        run_step(three, keep=explode)
    assert not (tmp_path / "out.jsonl").exists() and not (tmp_path / "out.meta.json").exists()


def test_lost_rows_are_noticed(three):
    step = r.Step(three, inputs=[three.input])
    for row in step.read(three.input):
        if row["id"] != "1":
            step.keep(row)
    with pytest.raises(AssertionError, match="rows were lost"):
        step.finish()


def test_split_rows_and_empty_results_are_accounted_for(three, tmp_path):
    step = r.Step(three, inputs=[three.input])
    for row in step.read(three.input):
        step.split(2)
        for part in range(2):
            step.keep({**row, "id": f"{row['id']}-{part}"})
    step.finish()
    assert len(read_jsonl(tmp_path / "out.jsonl")) == 6
    write_jsonl(tmp_path / "in.jsonl", [])
    r.file_hash.cache_clear()
    assert run_step(three) and read_jsonl(tmp_path / "out.jsonl") == [] == read_jsonl(
        tmp_path / "out.rejected.jsonl"
    )


def test_fresh_deletes_only_its_own_files_and_says_so(three, tmp_path, capsys):
    run_step(three)
    (tmp_path / "out.raw.jsonl").write_text("")
    (tmp_path / "out.other.jsonl").write_text("")
    three.fresh = True
    r.Step(three, inputs=[three.input])
    assert sorted(p.name for p in tmp_path.glob("[!.]*")) == ["in.jsonl", "out.other.jsonl"]
    assert "--fresh: deleting" in capsys.readouterr().err


def test_output_must_not_be_an_input(three):
    three.output = three.input
    with pytest.raises(r.BadInput, match="also an input"):
        r.Step(three, inputs=[three.input])


def test_lone_surrogates_can_be_written_and_read(tmp_path):
    r.write(tmp_path / "a.jsonl", [{"id": "1", "text": "broken \ud83d emoji"}])
    assert next(r.read(tmp_path / "a.jsonl"))["text"] == "broken \ud83d emoji"


ODD_LINES = [
    b'{"a": NaN}',
    b'{"a": [1e400, -Infinity]}',
    b'{"a": "\\ud800 \\ud83d\\ude00"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": 123456789012345678901234567890}',
    b'{"a": -0.0, "b": -0, "c": 1E5}',
    b'{"a": 2.2250738585072011e-308}',
    b'{"a": 1, "a": 2}',
    b'{"a": "\\u0000\x7f"}\r',
    b'{"a": 1}\t ',
    b'  {"a": 1}',
]


@pytest.mark.parametrize("line", ODD_LINES)
def test_odd_but_valid_lines_are_read_as_json_reads_them(tmp_path, line):
    (tmp_path / "a.jsonl").write_bytes(line + b"\n")
    assert repr(next(r.read(tmp_path / "a.jsonl")) | {"id": ""}) == repr(
        json.loads(line.decode("utf-8", "surrogatepass")) | {"id": ""}
    )


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(exclude_categories=())),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
@example("\x7f\ud800")
def test_any_value_comes_back_and_is_written_as_json_writes_it(value):
    line, row = r.dumps({"a": value}), {"a": value}
    assert repr(r.decode(line)) == repr(row)
    assert (
        line.decode()
        == json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace").decode() + "\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 01}',
        b'{"a": "x\ty"}',
        b'{"a": 1} x',
        b'{"a": 1}\xc2\xa0',
        b'{"a": "\xff"}',
        b'{"a": ' + b"[" * 100_000,
    ],
)
def test_lines_that_are_not_json_name_their_place(tmp_path, line):
    (tmp_path / "a.jsonl").write_bytes(line + b"\n")
    with pytest.raises(r.BadInput, match="line 1: not valid JSON"):
        list(r.read(tmp_path / "a.jsonl"))


def test_a_byte_order_mark_is_read_over(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"id": "1"}\n')
    assert list(r.read(tmp_path / "a.jsonl")) == [{"id": "1"}]


def test_names_strip_the_last_suffix():
    assert r.beside("x/a.out.jsonl", "rejected.jsonl").name == "a.out.rejected.jsonl"


def nested(depth):
    return b'{"id": "1", "question": ' + b"[" * depth + b"]" * depth + b"}\n"


def gz(data, cut=None):
    return gzip.compress(data, mtime=0)[:cut]  # the same name of the test in every process


@pytest.mark.parametrize(
    "name,data,message",
    [
        ("a.jsonl", nested(60_000), "line 1: not valid JSON"),
        ("a.jsonl.gz", b"no gzip at all", "cannot be read to its end"),
        ("a.jsonl.gz", gz(nested(3) * 9999, 60), "cannot be read to its end"),
        ("a.jsonl.gz", gz(nested(3))[:10] + b"\xff\xff\xff" * 9, "cannot be read to its end"),
        ("a.jsonl.gz", gz(b'{"id": "' + bytes(r.LONGEST)), "line 1: longer than 64 MB"),
        ("a.parquet", b"PAR1 garbage PAR1", "not a whole parquet file"),
    ],
)
def test_broken_files_are_bad_input(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(r.BadInput, match=r"a\.(jsonl|parquet)") as error:
        list(r.read(tmp_path / name))
    assert message in str(error.value)


def test_parquet_columns_that_json_lacks(tmp_path):
    import datetime
    import decimal

    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    row = {
        "id": "1",
        "day": datetime.date(2026, 1, 2),
        "price": decimal.Decimal("1.50"),
        "x": {"y": [0.5]},
        "bits": b"a",
    }
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    assert list(r.read(path)) == [
        {"id": "1", "day": "2026-01-02", "price": "1.50", "x": {"y": [0.5]}, "bits": "b'a'"}
    ]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(r.BadInput, match="not a whole parquet file"):
        list(r.read(path))


@pytest.mark.parametrize(
    "field,value", [("question", ["a"]), ("subject", {"a": 1}), ("pages", "3-4"), ("n_tokens", "9")]
)
def test_a_field_of_another_type_is_bad_input(tmp_path, field, value):
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "question": "q", field: value}])
    with pytest.raises(r.BadInput, match=f'line 1: field "{field}" must be a'):
        list(r.read(path, "question", "subject?", "pages?", "n_tokens?"))


def test_a_deep_row_is_read_and_written_again(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(nested(450))
    r.write(tmp_path / "b.jsonl", r.read(tmp_path / "a.jsonl"))
    assert (tmp_path / "b.jsonl").read_bytes() == nested(450)


def test_null_and_absent_fields_are_no_error(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "question": None}])
    assert len(list(r.read(path, "question", "subject?"))) == 1


def test_a_lone_surrogate_is_written_escaped(tmp_path):
    r.write_json(tmp_path / "a.json", {"text": "\ud83d", "other": "é"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"text": "\ud83d", "other": "é"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence_with_its_folder(three, monkeypatch, capsys):
    """The device /dev/full answers every write as a full disk does."""
    real = open

    def full(path, mode="r", *more, **options):
        return real("/dev/full" if str(path).endswith(".part") else path, mode, *more, **options)

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(SystemExit) as ended:
        r.run(lambda: run_step(three))
    said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 1 and len(said) == 2 and " -> " in said[0]
    assert "the disk is full" in said[1] and str(three.output).rsplit("/", 1)[0] in said[1]


def test_an_unreadable_file_is_one_sentence(three, monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", three.input)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(r.BadInput, match=r"in.jsonl: cannot be read"):
        list(r.read(three.input))
    with pytest.raises(SystemExit) as ended:
        r.run(refuse)
    assert ended.value.code == 2 and "in.jsonl: permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"counts": 3}', '{"counts": {"rejected": {}}}'])
def test_a_broken_meta_file_means_made_again(three, text):
    run_step(three)
    r.beside(three.output, "meta.json").write_text(text)
    assert run_step(three) and not run_step(three)


def test_an_output_that_cannot_be_is_one_sentence(three, tmp_path, capsys):
    (tmp_path / "folder.jsonl").mkdir()
    for output, said in (
        (tmp_path / "folder.jsonl", "folder.jsonl is a folder"),
        (tmp_path / "in.jsonl/out.jsonl", "in.jsonl: file exists"),
        ("/proc/out.jsonl", "/proc/.out.jsonl.lock: no such file or directory"),
    ):
        three.output = str(output)
        with pytest.raises(SystemExit) as ended:
            r.run(lambda: run_step(three))
        assert ended.value.code == 2 and said in capsys.readouterr().err


OWNER = """
import argparse, sys, time
sys.path.insert(0, {root!r})
import rows as r
args = argparse.Namespace(input={input!r}, output={output!r}, fresh=False)
step = r.Step(args, inputs=[args.input])
for row in step.read(args.input, "question"):
    step.keep(row)
print("holds", flush=True)
time.sleep(60)
"""


@pytest.fixture
def owner(three, tmp_path):
    """A process in the middle of writing out.jsonl."""
    script = tmp_path / "owner.py"
    script.write_text(OWNER.format(root=str(ROOT), input=three.input, output=three.output))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_second_run_on_the_same_output_is_refused_and_names_the_first(
    three, owner, tmp_path, fresh
):
    raw = write_jsonl(tmp_path / "out.raw.jsonl", [{"id": "paid for"}])
    three.fresh = fresh
    with pytest.raises(r.BadInput, match=f"another run is writing it .process {owner.pid}: "):
        run_step(three)
    assert raw.exists(), "--fresh deletes nothing of a run that is still going"


def test_what_a_killed_run_left_is_removed_by_the_next(three, owner, tmp_path):
    owner.kill()
    owner.wait()
    assert (tmp_path / f".out.jsonl.{owner.pid}.part").exists()
    assert run_step(three)
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert not left


def test_a_worker_process_ends_with_its_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(f"""
import multiprocessing, os, sys, time
sys.path.insert(0, {str(ROOT)!r})
import rows as r
if __name__ == "__main__":
    pool = multiprocessing.get_context("spawn").Pool(1, r.end_with_parent)
    print(pool.apply(os.getpid), flush=True)
    time.sleep(60)
""")
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert r.alive(worker)
    parent.kill()
    parent.wait()
    deadline = time.time() + 20
    while r.alive(worker) and not zombie(worker) and time.time() < deadline:
        time.sleep(0.05)
    assert not r.alive(worker) or zombie(worker)


def zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def shard_args(tmp_path, shard=None):
    parser = r.parser("", "input", "output", "limit", "shard", "fresh")
    given = ["--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl"]
    return parser.parse_args([*map(str, given), *(["--shard", shard] if shard else [])])


def test_joined_shards_are_the_files_of_one_run(tmp_path):
    rows = [{"id": str(n), "question": f"q{n}"} for n in range(10)]
    write_jsonl(tmp_path / "in.jsonl", [*rows, {"question": "no id"}, {"question": "no id"}])

    def run(args):
        step = r.Step(args, inputs=[args.input])
        for row in step.read(args.input, "question", limit=args.limit):
            step.reject(row, "seven") if row["id"] == "7" else step.keep(row)
        step.finish()

    run(shard_args(tmp_path))
    names = ("out.jsonl", "out.rejected.jsonl")
    whole = [(tmp_path / name).read_bytes() for name in names]
    meta = json.loads((tmp_path / "out.meta.json").read_text())
    for name in (*names, "out.meta.json"):
        (tmp_path / name).unlink()
    for i in (1, 3):
        run(shard_args(tmp_path, f"{i}/3"))
    with pytest.raises(r.BadInput, match=r"parts are missing: out\.2of3\.jsonl"):
        r.join(tmp_path / "out.jsonl")
    run(shard_args(tmp_path, "2/3"))
    rows = (tmp_path / "out.2of3.jsonl").rename(tmp_path / "not_copied_yet")
    with pytest.raises(r.BadInput, match=r"parts are missing: out\.2of3\.jsonl"):
        r.join(tmp_path / "out.jsonl")
    rows.rename(tmp_path / "out.2of3.jsonl")
    r.join(tmp_path / "out.jsonl")
    assert [(tmp_path / name).read_bytes() for name in names] == whole
    joined = json.loads((tmp_path / "out.meta.json").read_text())
    assert joined["counts"] == meta["counts"] and joined["same_if"] == meta["same_if"]
    assert r.Step(shard_args(tmp_path), inputs=[tmp_path / "in.jsonl"]).finished()


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_that_holds_a_list_of_rows(tmp_path, indent):
    """As BIG-bench's tasks: {"name": ..., "examples": [...]}."""
    rows = [{"id": str(i), "question": f"Q{i}?"} for i in range(3)]
    (tmp_path / "task.json").write_text(json.dumps({"name": "t", "examples": rows}, indent=indent))
    assert [row["id"] for row in r.read(tmp_path / "task.json", "question")] == ["0", "1", "2"]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "a/b", "2"])
def test_an_impossible_shard_is_bad_input(tmp_path, shard):
    with pytest.raises(r.BadInput, match="--shard"):
        r.parse_shard(shard)


def test_no_key_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", "sk-1234567890")
    r.secrets.cache_clear()
    r.write(tmp_path / "a.jsonl", [{"id": "1", "error": "401: bad key sk-1234567890", "f": 0.5}])
    r.write_json(tmp_path / "a.json", {"error": "sk-1234567890"})
    r.secrets.cache_clear()
    assert "sk-" not in (tmp_path / "a.jsonl").read_text() + (tmp_path / "a.json").read_text()


def test_files_below_a_folder_are_those_that_may_hold_rows(tmp_path):
    names = "a.jsonl b/c.json b/.hidden .git/d.json a.raw.jsonl a.meta.json README.MD LICENSE x.bin"
    for name in names.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in r.files_below(tmp_path, "--data")]
    assert found == ["a.jsonl", "b/c.json", "x.bin"]
    assert r.files_below(tmp_path / "LICENSE", "--data") == [tmp_path / "LICENSE"]
    with pytest.raises(r.BadInput, match=r"--data .*/absent: there is no such file or folder"):
        r.files_below(tmp_path / "absent", "--data")


def test_an_interrupt_at_the_interpreters_end_prints_no_traceback():
    """A step that was done when the signal came: "Exception ignored in threading"."""
    program = """if True:
        import os, signal, threading, time
        import rows

        def linger():
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

        def main():
            threading.Thread(target=linger).start()

        rows.run(main)"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (130, -2) and "Traceback" not in done.stderr, done.stderr
