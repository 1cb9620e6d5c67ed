"""Files that aren't what they seem: whatever is in them, it is read or one line says what is wrong."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinydistill.data.tasks.datamodule import read_augmented
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.tables import read_table
from tinydistill.data.text.readers import read_documents
from tinydistill.data.text.sources import FilesCorpus
from tinydistill.errors import InputError

ROWS = "".join(f"the cat {row},{('no', 'yes')[row % 2]}\n" for row in range(30))
CSV = "text,label\n" + ROWS
NUMBERS = "text,label\n" + "".join(f"the cat {row},{row}.5\n" for row in range(30))
JSON = "".join(json.dumps({"text": f"the cat {row}", "label": row % 2}) + "\n" for row in range(30))


def said(task: TaskFiles) -> str:
    """Nothing where the rows can be learned from, else the one line."""
    try:
        task.train(), task.validation(), task.test()
    except InputError as error:
        return one_line(error)
    return ""


def one_line(error: InputError) -> str:
    """What an error says, with the arguments' full names."""
    line = error.told(str)
    assert "\n" not in line
    assert len(line) < 1000
    return line


def parquet(**columns: Any) -> Callable[[Path], None]:
    return lambda file: pq.write_table(pa.table(columns), file)


def damaged(damage: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        parquet(text=[f"the cat {row}" for row in range(30)], label=["no", "yes"] * 15)(file)
        file.write_bytes(damage(file.read_bytes()))

    return write


TEXTS = [f"the cat {row}" for row in range(30)]
LABELS = ["no", "yes"] * 15
OF_TEXTS = {"text": TEXTS}

# name of the file, what is in it, settings, what the line says; nothing where it is read
FILES: dict[str, tuple[str, str | bytes | Callable[[Path], Any], dict[str, Any], str]] = {
    "two rows": ("a.csv", "text,label\na cat,no\na dog,yes\n", {}, "of its 2 rows none can be cut off for validation"),
    "three rows": ("a.csv", "text,label\na,no\nb,yes\nc,yes\n", {}, "cut off for validation: there is but one row"),
    "an infinite label": (
        "a.csv",
        NUMBERS + "a,inf\n",
        {},
        "line 32: 'inf' in column 'label' is no number that float32",
    ),
    "a label that is no number": (
        "a.csv",
        NUMBERS + "a,nan\n",
        {},
        "line 32: 'nan' in column 'label' is no number that",
    ),
    "nan among whole numbers": ("a.csv", "text,label\na,0\nb,1\nc,nan\n", {}, "line 4: 'nan' in column 'label'"),
    "beyond float32": (
        "a.csv",
        NUMBERS + "a,1e39\n",
        {},
        "line 32: '1e39' in column 'label' is no number that float32",
    ),
    "10,000 digits among numbers": ("a.csv", NUMBERS + "a," + "9" * 10_000, {}, "is no number that float32 holds"),
    "10,000 digits as a class": (
        "a.csv",
        "text,label\na,1\nb," + "9" * 10_000,
        {"regression": False},
        "… in column 'label' has 10,000 characters, too many for a label: set TaskFiles.label",
    ),
    "20 digits as a class": ("a.csv", CSV.replace("yes", "9" * 20), {}, ""),
    "10,000 digits in JSON": ("a.jsonl", JSON + '{"label": ' + "9" * 10_000 + "}", {}, "line 31 is not JSON (Exceeds"),
    "400 digits in JSON": (
        "a.jsonl",
        JSON.replace(": 1}", ": 0.5}") + '{"text": "a", "label": ' + "9" * 400 + "}",
        {},
        "is no number that float32 holds",
    ),
    "lists 10,000 deep": ("a.jsonl", '{"text": ' + "[" * 10_000, {}, "line 1 is not JSON (maximum recursion depth"),
    "objects 10,000 deep": ("a.jsonl", '{"a":' * 10_000, {}, "line 1 is not JSON (maximum recursion depth"),
    "a JSON array": ("a.json", json.dumps([{"text": "a", "label": 1}]), {}, "line 1 is not a JSON object"),
    "a label that is a list": ("a.jsonl", '{"text": "a", "label": [1]}', {}, "holds [1], no name or number"),
    "base64": ("a.csv", CSV, {"encoding": "base64"}, "'base64' is not an encoding of text that Python knows: set"),
    "rot13": ("a.csv", CSV, {"encoding": "rot13"}, "'rot13' is not an encoding of text that Python knows: set"),
    "zip": ("a.csv", CSV, {"encoding": "zip"}, "'zip' is not an encoding of text that Python knows"),
    "undefined": ("a.csv", CSV, {"encoding": "undefined"}, "a.csv is not undefined (undefined encoding)"),
    "no UTF-16": ("a.csv", CSV, {"encoding": "utf-16"}, "a.csv is not utf-16 (UTF-16 stream does not start with BOM)"),
    "UTF-16": ("a.csv", CSV.encode("utf-16"), {"encoding": "utf-16"}, ""),
    "UTF-16 without a mark": ("a.csv", CSV.encode("utf-16-le"), {"encoding": "utf-16-le"}, ""),
    "UTF-16 not said": ("a.csv", CSV.encode("utf-16"), {}, "a.csv is utf-16: set TaskFiles.encoding to utf-16"),
    "UTF-32 not said": ("a.csv", CSV.encode("utf-32"), {}, "a.csv is utf-32: set TaskFiles.encoding to utf-32"),
    "UTF-8 with a mark": ("a.csv", b"\xef\xbb\xbf" + CSV.encode(), {}, ""),
    "half a character": ("a.csv", CSV.encode() + b"caf\xc3", {}, "line 32 is not utf-8"),
    "NUL far in": ("a.csv", CSV * 1000 + "a\0,no\n", {}, "a.csv is not text (NUL byte in line 31001)"),
    "latin-1 far in": ("a.csv", (CSV * 1000 + "é,no\n").encode("latin-1"), {}, "line 31001 is not utf-8"),
    "old Mac line ends": ("a.csv", CSV.replace("\n", "\r"), {}, ""),
    "a stray carriage return": ("a.csv", CSV + "a\rb,no\n", {}, "line 32 holds a carriage return"),
    "quoted line ends": ("a.csv", CSV + '"a\ncat",no\n', {}, ""),
    "a blank line first": ("a.csv", "\n\n" + CSV, {}, ""),
    "blank lines alone": ("a.csv", "\n \n", {}, "a.csv is empty"),
    "blank lines first, then a mistake": ("a.csv", "\n\n" + CSV + "a\n", {}, "line 34 has too few columns"),
    "an empty header": ("a.csv", ",\na,no\n", {}, "has no column 'text' but '', ''"),
    "a thousand columns": ("a.csv", ",".join(map(str, range(1000))), {}, "but 0, 1, 2"),
    "semicolons": ("a.csv", CSV.replace(",", ";"), {}, ""),
    "tabs": ("a.csv", CSV.replace(",", "\t"), {}, ""),
    "commas in TSV": ("a.tsv", CSV, {}, ""),
    "quoted header, pipes": ("a.csv", CSV.replace(",", "|").replace("text", '"text"'), {}, ""),
    "semicolons asked for": ("a.csv", CSV.replace(",", ";"), {"delimiter": "semicolon"}, ""),
    "commas asked for": ("a.csv", CSV.replace(",", ";"), {"delimiter": "comma"}, "no column 'text' but text;label"),
    "an unknown delimiter": ("a.csv", CSV, {"delimiter": "dot"}, "set TaskFiles.delimiter to one of comma, semicolon"),
    "dots in names": ("a.csv", CSV.replace("text,", "my.text,"), {"text": "my.text"}, ""),
    "digits for names": ("a.csv", CSV.replace("text,label", "1,2.50"), {"text": "1", "label": "2.50"}, ""),
    "a cut gz": ("a.csv.gz", gzip.compress(CSV.encode())[:50], {}, "a.csv.gz is cut short or damaged"),
    "zst garbage": ("a.csv.zst", b"not at all zst", {}, "a.csv.zst is cut short or damaged"),
    "a line without end": (
        "a.jsonl.gz",
        gzip.compress(b"a" * (1 << 26) + b"a"),
        {},
        "line 1 is longer than 67,108,864",
    ),
    "Parquet": ("a.parquet", damaged(lambda data: data), {}, ""),
    "half a Parquet": ("a.parquet", damaged(lambda data: data[: len(data) // 2]), {}, "no readable Parquet file"),
    "Parquet of lies": ("a.parquet", damaged(lambda data: data[:4] + bytes(40) + data[44:]), {}, "no readable Parquet"),
    "Parquet without UTF-8": (
        "a.parquet",
        parquet(text=pa.array([b"\xff"] * 30).view(pa.string()), label=LABELS),
        {},
        "no readable Parquet file ('utf-8' codec can't decode",
    ),
    "lists in Parquet": ("a.parquet", parquet(**OF_TEXTS, label=[[x] for x in LABELS]), {}, "holds ['no'], no name"),
    "bytes in Parquet": ("a.parquet", parquet(**OF_TEXTS, label=[x.encode() for x in LABELS]), {}, "holds b'no', no"),
    "structs in Parquet": ("a.parquet", parquet(**OF_TEXTS, label=[{"a": x} for x in LABELS]), {}, "holds {'a': 'no'}"),
    "dots in Parquet": ("a.parquet", parquet(**{"my.text": TEXTS}, label=LABELS), {"text": "my.text"}, ""),
    "a pipe": ("a.csv", os.mkfifo, {}, "a.csv is a pipe, not a file: name a file in TaskFiles.train"),
    "a directory": ("a.csv", os.mkdir, {}, "a.csv is a directory, not a file"),
    "a directory for Parquet": ("a.parquet", os.mkdir, {}, "a.parquet is a directory, not a file"),
    "an endless device": ("a.csv", lambda file: file.symlink_to("/dev/zero"), {}, "a.csv is a device, not a file"),
    "a link to itself": ("a.csv", lambda file: file.symlink_to(file), {}, "a.csv can't be opened"),
    "nothing": ("a.csv", lambda file: None, {}, "there is no file"),
}


def write(file: Path, content: str | bytes | Callable[[Path], Any]) -> Path:
    if callable(content):
        content(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("case", FILES)
def test_rows_are_read_or_one_line_names_the_true_cause(tmp_path: Path, case: str) -> None:
    name, content, options, expected = FILES[case]
    line = said(TaskFiles(write(tmp_path / name, content), **options))
    assert expected in line if expected else not line, line


def test_a_name_that_is_too_long_is_one_line() -> None:
    assert "can't be opened (File name too long)" in said(TaskFiles("x" * 5000 + ".csv"))


def test_a_delimiter_that_was_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(TaskFiles(write(tmp_path / "a.csv", CSV.replace(",", ";"))))
    assert "are separated by a semicolon" in " ".join(capsys.readouterr().out.split())


ENDLESS: dict[str, Callable[[Path], Any]] = {
    "pipe": os.mkfifo,
    "zeros": lambda file: file.symlink_to("/dev/zero"),
    "noise": lambda file: file.symlink_to("/dev/urandom"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_text_without_an_end_is_refused_before_it_is_read(tmp_path: Path, case: str) -> None:
    ENDLESS[case](tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"a.txt is a (pipe|device), not a file: name a file in paths"):
        FilesCorpus(tmp_path / "a.txt").identity()


DOCUMENTS: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "UTF-16": ("a.txt", "the cat\n\na dog".encode("utf-16"), {"encoding": "utf-16"}, ""),
    "UTF-16 not said": ("a.txt", "the cat".encode("utf-16"), {}, "a.txt is utf-16: set FilesCorpus.encoding to utf-16"),
    "base64": ("a.txt", b"the cat", {"encoding": "base64"}, "'base64' is not an encoding of text that Python knows"),
    "a number for an encoding": ("a.txt", b"the cat", {"encoding": 8}, "'8' is not an encoding of text"),
    "deep JSON": ("a.jsonl", b"[" * 10_000, {}, "line 1 is not JSON (maximum recursion depth"),
    "digits in JSON": ("a.jsonl", b'{"text": ' + b"9" * 10_000, {}, "line 1 is not JSON (Exceeds the limit (4300"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents_are_read_or_one_line_names_the_true_cause(tmp_path: Path, case: str) -> None:
    name, content, options, expected = DOCUMENTS[case]
    corpus = FilesCorpus(write(tmp_path / name, content), **options)
    if not expected:
        assert list(corpus.documents()) == ["the cat", "a dog"]
        return
    with pytest.raises(InputError) as caught:
        list(corpus.documents())
    assert expected in one_line(caught.value)


NO_ROW = "there is no training row"
AUGMENTED: dict[str, tuple[Any, str]] = {
    "whole floats": (pa.array([0.0, 1.0]), ""),
    "words for numbers": (pa.array(["0", "1.0"]), ""),
    "half a row": (pa.array([0.0, 1.5]), f"row 2: {NO_ROW} 1.5"),
    "no number": (pa.array([0.0, float("nan")]), f"row 2: {NO_ROW} nan"),
    "a word": (pa.array(["0", "x"]), f"row 2: {NO_ROW} 'x'"),
    "beyond int64": (pa.array([0, 2**63], pa.uint64()), f"row 2: {NO_ROW} 9223372036854775808"),
    "1e300": (pa.array([0, 1e300]), f"row 2: {NO_ROW} 1e+300"),
    "yes and no": (pa.array([False, True]), f"row 1: {NO_ROW} False"),
    "lists": (pa.array([[0], [1]]), "column 'source_row' holds [0], no name or number"),
    "none": (pa.array([], pa.int64()), "has no rows"),
}


@pytest.mark.parametrize("case", AUGMENTED)
def test_augmented_rows_name_their_training_rows_or_are_refused(tmp_path: Path, case: str) -> None:
    sources, expected = AUGMENTED[case]
    texts = pa.array(["the cat", "a dog"][: len(sources)], pa.string())
    pq.write_table(pa.table({"text": texts, "source_row": sources}), tmp_path / "a.parquet")
    original = Split("train", ["the cat", "a dog"])
    if not expected:
        assert read_augmented(tmp_path / "a.parquet", original).source_rows.tolist() == [0, 1]
        return
    with pytest.raises(InputError) as caught:
        read_augmented(tmp_path / "a.parquet", original)
    assert expected in one_line(caught.value)


# What no table of cases thinks of: bytes, and text out of the pieces that formats are made of.
PIECES = st.sampled_from(
    [
        *(
            "text",
            "label",
            ",",
            ";",
            "\t",
            "|",
            "\n",
            "\r",
            "\r\n",
            '"',
            "a cat",
            "1",
            "1.5",
            "nan",
            "{",
            "}",
            ":",
            "[",
        ),
        *('{"text": "a", "label": 1}', "<doc id=1>", "</doc>", "text,label\n", "text\tlabel\n", "\0", "é", "\ufeff"),
    ]
)
CONTENT = st.binary(max_size=80) | st.lists(PIECES, max_size=25).map(lambda pieces: "".join(pieces).encode())
FUZZY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAMES = ("a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.jsonl.zst", "a.tsv.xz")


@pytest.mark.parametrize("name", NAMES)
@FUZZY
@given(
    content=CONTENT,
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "base64", "idna"]),
    quoting=st.sampled_from([None, True, False]),
    delimiter=st.sampled_from([None, "tab", "pipe"]),
)
def test_any_bytes_are_rows_or_one_line(tmp_path: Path, name: str, content: bytes, **dialect: Any) -> None:
    if name.endswith(".gz"):
        content = gzip.compress(content) if len(content) % 2 else content
    said(TaskFiles(write(tmp_path / name, content), **dialect))


@pytest.mark.parametrize("name", ["a.txt", "a", "a.json", "a.parquet", "a.txt.gz", "wiki_00"])
@FUZZY
@given(content=CONTENT, encoding=st.sampled_from(["utf-8", "utf-16", "rot13"]))
def test_any_bytes_are_documents_or_one_line(tmp_path: Path, name: str, content: bytes, encoding: str) -> None:
    try:
        assert all(text.strip() for text in read_documents(write(tmp_path / name, content), encoding=encoding))
    except InputError as error:
        one_line(error)


@FUZZY
@given(content=CONTENT)
def test_any_bytes_are_rows_of_glue_or_one_line(tmp_path: Path, content: bytes) -> None:
    layout = Layout("text", None, "label", header=("label", "text"), skip_damaged=True)
    try:
        table = read_table(write(tmp_path / "train.tsv", content), layout, argument="{GlueTask.root}")
        assert len(table.texts) == len(table.labels or [])
    except InputError as error:
        one_line(error)


@FUZZY
@given(at=st.integers(0, 2000), byte=st.integers(0, 255), length=st.integers(1, 40))
def test_parquet_with_some_bytes_changed_is_rows_or_one_line(tmp_path: Path, at: int, byte: int, length: int) -> None:
    file = write(tmp_path / "a.parquet", damaged(lambda data: data[:at] + bytes([byte]) * length + data[at + length :]))
    said(TaskFiles(file))
