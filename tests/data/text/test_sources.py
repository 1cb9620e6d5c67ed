import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tinydistill.data.text import readers
from tinydistill.data.text.sources import Corpus, FilesCorpus, HubCorpus, TextsCorpus, join_wikitext
from tinydistill.errors import InputError

DOCUMENTS = ["First line.\nSecond line.", "Another document, with é and 漢字.", "The third."]
PLAIN = "\n\n".join(DOCUMENTS) + "\n"
WIKI = (
    '<doc id="1" url="?curid=1" title="Cat">\nCat\n\nA cat is &lt;small&gt;.\n\nIt sleeps.\n\n</doc>\n'
    '<doc id="2" url="?curid=2" title="Empty">\nEmpty\n\n</doc>\n'
    '<doc id="3" url="?curid=3" title="Dog">\nDog\n\nA dog barks.\n</doc>\n'
)
WIKI_DOCUMENTS = ["Cat\n\nA cat is <small>.\n\nIt sleeps.", "Dog\n\nA dog barks."]
ZSTD = partial(pa.Codec("zstd").compress, asbytes=True)
COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": ZSTD}


def jsonl(column: str = "text") -> str:
    return "".join(json.dumps({"id": i, column: text}) + "\n" for i, text in enumerate([*DOCUMENTS, None]))


def read(*paths: Path | str, **options: str) -> list[str]:
    return list(FilesCorpus(paths, **options).documents())


def complaint(*paths: Path | str, **options: str) -> str:
    with pytest.raises(InputError) as error:
        read(*paths, **options)
    assert "\n" not in str(error.value)
    return error.value.told(str)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize(
    ("name", "content", "documents"),
    [
        ("a.txt", PLAIN, DOCUMENTS),
        ("a.txt", "\ufeff" + PLAIN.replace("\n", "\r\n"), [text.replace("\n", "\r\n") for text in DOCUMENTS]),
        ("a.jsonl", jsonl(), DOCUMENTS),
        ("wiki_00", WIKI, WIKI_DOCUMENTS),
        ("wiki_00", jsonl("text").replace('"id"', '"url"'), DOCUMENTS),
    ],
    ids=["txt", "txt from windows", "jsonl", "extractor", "extractor's json"],
)
def test_every_text_format_is_read_plain_and_compressed(
    tmp_path: Path, name: str, content: str, documents: list[str], suffix: str
) -> None:
    file = tmp_path / (name + suffix)
    file.write_bytes(COMPRESS[suffix](content.encode()))
    assert read(file) == documents


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_parquet_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"n": range(4), "body": pa.array([*DOCUMENTS, None], pa.string()).cast(kind)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    assert read(tmp_path, text_column="body") == DOCUMENTS


def test_zstd_files_may_have_several_frames(tmp_path: Path) -> None:
    half = len(PLAIN) // 2
    frames = [COMPRESS[".zst"](part.encode()) for part in (PLAIN[:half], "", PLAIN[half:])]
    (tmp_path / "a.txt.zst").write_bytes(b"".join(frames))
    assert read(tmp_path) == DOCUMENTS


def test_long_documents_and_long_lines_are_cut_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MAX_DOCUMENT", 50)
    text = "é" * 120 + "\n" + "short line\n" * 20
    (tmp_path / "a.txt").write_text(text)
    documents = read(tmp_path)
    assert max(map(len, documents)) <= 50
    assert "".join(documents).replace("\n", "") == text.replace("\n", "")


def test_directories_are_searched_in_order_without_hidden_files_and_each_file_comes_once(tmp_path: Path) -> None:
    for name in ["b/2.txt", "a/1.txt", "a/.hidden.txt", ".git/x.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read(tmp_path, tmp_path / "a") == ["a/1.txt", "b/2.txt"]
    assert read(tmp_path / "*/*.txt") == ["a/1.txt", "b/2.txt"]
    assert read(tmp_path / "b/2.txt", tmp_path / "**") == ["b/2.txt", "a/1.txt"]


def test_files_are_known_by_their_content_and_not_by_their_place(tmp_path: Path) -> None:
    for name, text in {"a": "same", "b": "same", "c": "else"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(text)
    a, b, c = (FilesCorpus(tmp_path / name) for name in "abc")
    assert a.identity() == b.identity() != c.identity()
    assert a.stamp() != b.stamp()


def test_missing_paths_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "astray.txt").symlink_to(tmp_path / "nowhere")
    assert "nowhere' does not exist" in complaint(tmp_path / "nowhere")
    assert "astray.txt' does not exist" in complaint(tmp_path / "astray.txt")
    assert "*.txt' matches no files" in complaint(tmp_path / "empty/*.txt")
    assert "empty' holds no files" in complaint(tmp_path / "empty")
    assert "there is no text in" in complaint(tmp_path / "blank.txt")
    assert "set FilesCorpus.paths to [FILE, DIR, or a glob]" in complaint()


BAD_FILES: dict[str, tuple[str, bytes, list[str]]] = {
    "binary": ("a.txt", b"fine\n\x00\x01\xff", ["a.txt is not text", "NUL byte in line 2", "check FilesCorpus.paths"]),
    "latin-1": ("a.txt", "fine\nalso fine\ncafé\n".encode("latin-1"), ["line 3 is not utf-8", "FilesCorpus.encoding"]),
    "cut character": ("a.txt", "fine\ncafé".encode()[:-1], ["line 2 is not utf-8"]),
    "cut gz": ("a.txt.gz", gzip.compress(PLAIN.encode() * 99)[:-9], ["a.txt.gz is cut short or damaged"]),
    "cut xz": ("a.txt.xz", lzma.compress(PLAIN.encode() * 99)[:-9], ["a.txt.xz is cut short or damaged"]),
    "cut zst": ("a.txt.zst", COMPRESS[".zst"](PLAIN.encode() * 99)[:-9], ["a.txt.zst is cut short or damaged"]),
    "no gz": ("a.txt.gz", PLAIN.encode(), ["a.txt.gz is cut short or damaged"]),
    "no xz": ("a.txt.xz", PLAIN.encode(), ["a.txt.xz is cut short or damaged"]),
    "no zst": ("a.txt.zst", PLAIN.encode(), ["a.txt.zst is cut short or damaged"]),
    "no json": ("a.jsonl", b'{"text": "a"}\n\n{"text": \n', ["a.jsonl line 3 is not JSON", "leave the file out of"]),
    "json list": ("a.json", b'["a", "b"]', ["a.json line 1 is not a JSON object"]),
    "no column": ("a.jsonl", jsonl("body").encode(), ["no column 'text' but id, body", "FilesCorpus.text_column"]),
    "number": (
        "a.jsonl",
        b'{"text": 1}',
        ["line 1: column 'text' holds 1, which is not text", "FilesCorpus.text_column"],
    ),
    "no parquet": ("a.parquet", PLAIN.encode(), ["a.parquet is no readable Parquet file"]),
    "packed parquet": ("a.parquet.gz", b"", ["a.parquet.gz", "unpack"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_line_that_names_file_and_place(tmp_path: Path, case: str) -> None:
    name, content, expected = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    message = complaint(tmp_path)
    for part in expected:
        assert part in message


def test_half_characters_in_json_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "half \\ud83d whole \\ud83d\\ude00"}')
    assert read(tmp_path) == ["half ? whole 😀"]


def test_parquet_without_the_column_lists_what_there_is(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1], "body": ["a"]}), tmp_path / "a.parquet")
    assert "a.parquet has no column 'text' but n, body: set FilesCorpus.text_column" in complaint(tmp_path)
    assert "a.parquet row 1: column 'n' holds 1" in complaint(tmp_path, text_column="n")


def test_other_encodings_are_read_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("café", encoding="latin-1")
    assert read(tmp_path, encoding="latin-1") == ["café"]
    assert "'latin-99' is not an encoding of text that Python knows: set FilesCorpus.encoding" in complaint(
        tmp_path, encoding="latin-99"
    )


LINES = ["\n", " = Cat = \n", "\n", " A cat . \n", " = = Food = = \n", " Fish . \n", " = Dog = \n", " A dog . \n"]


def test_wikitext_lines_become_articles() -> None:
    articles = [text.strip() for text in join_wikitext(LINES)]
    assert articles == ["", "= Cat = \n\n A cat . \n = = Food = = \n Fish .", "= Dog = \n A dog ."]


def offer(monkeypatch: pytest.MonkeyPatch, load: Callable[..., datasets.Dataset]) -> None:
    monkeypatch.setattr(datasets, "load_dataset", load)


def test_hub_rows_are_documents_or_lines_of_articles(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, lambda *_, **__: datasets.Dataset.from_dict({"n": range(9), "text": [*LINES, None]}))
    assert len(list(HubCorpus("some/rows").documents())) == 6
    assert len(list(HubCorpus("Salesforce/wikitext").documents())) == 2
    with pytest.raises(InputError, match=r"no column 'body' but n, text: set text_column"):
        list(HubCorpus("some/rows", text_column="body").documents())


def test_without_a_network_the_hub_says_what_works_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> datasets.Dataset:
        raise ConnectionError("Couldn't reach 'some/rows' on the Hub\nmany\nlines")

    offer(monkeypatch, unreachable)
    with pytest.raises(InputError) as error:
        list(HubCorpus("some/rows", "small").documents())
    assert "some/rows/small" in str(error.value)
    expected = "without a network, use corpus:docstrings, or corpus:files with FilesCorpus.paths"
    assert expected in error.value.told(str)
    assert "\n" not in str(error.value)


def test_texts_in_memory_are_known_by_their_content_or_their_name() -> None:
    assert list(TextsCorpus(["one ", "", "two"]).documents()) == ["one", "two"]
    assert TextsCorpus(["one", "two"]).identity() == TextsCorpus(("one", "two")).identity()
    assert len({TextsCorpus(texts).identity() for texts in (["one", "two"], ["onetwo"], ["two", "one"])}) == 3


class Verses(Corpus):
    """All that a corpus of one's own needs."""

    def __init__(self, verses: list[str]):
        self.verses = verses

    def documents(self) -> Iterator[str]:
        yield from self.verses

    def identity(self) -> str:
        return f"verses {len(self.verses)}"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"_target_": f"{__name__}.Verses", "verses": ["a", "b"]}, "verses 2"),
        ({"_target_": "tinydistill.data.text.sources.HubCorpus", "repo": "a/b"}, "hub a/b/default/train@main text"),
        ({"_target_": "tinydistill.data.text.sources.DocstringsCorpus", "max_megabytes": 1}, "docstrings of python"),
    ],
)
def test_a_corpus_is_made_from_a_node_of_plain_values(node: dict[str, Any], expected: str) -> None:
    corpus = instantiate(OmegaConf.create(node))
    assert corpus.identity().startswith(expected)
    assert corpus.stamp() == corpus.identity()


def test_a_list_of_paths_comes_from_a_node_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    node = {"_target_": "tinydistill.data.text.sources.FilesCorpus", "paths": [str(tmp_path)]}
    assert list(instantiate(OmegaConf.create(node)).documents()) == ["one"]
