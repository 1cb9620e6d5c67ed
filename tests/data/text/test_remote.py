"""Text at URLs: copied once, read as if it had always been here."""

import errno
import gzip
from pathlib import Path

import fsspec
import pytest

from tinydistill.data.text.remote import copied
from tinydistill.data.text.sources import FilesCorpus
from tinydistill.errors import InputError, RunError


@pytest.fixture
def bucket():
    """Files of a file system that lies in memory."""
    system = fsspec.filesystem("memory")
    system.pipe(
        {
            "/bucket/b.txt": b"second",
            "/bucket/a.txt.gz": gzip.compress(b"first"),
            "/bucket/c/d.jsonl": b'{"text": "third"}',
        }
    )
    yield system
    system.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://bucket/b.txt", ["second"]),
        ("memory://bucket/*.txt*", ["first", "second"]),
        ("memory://bucket", ["first", "second", "third"]),
        ("memory://bucket/**/*.jsonl", ["third"]),
    ],
)
def test_a_file_a_glob_and_a_directory_are_read(bucket, url, expected, tmp_path):
    assert [text.strip() for text in FilesCorpus(url, copies=tmp_path).documents()] == expected


def test_what_was_copied_is_not_asked_for_again(bucket, tmp_path, capsys):
    corpus = FilesCorpus(["memory://bucket/b.txt"], copies=tmp_path)
    first = list(corpus.documents()), corpus.identity(), corpus.stamp()
    assert capsys.readouterr().out == "copying /bucket/b.txt\n"
    bucket.pipe("/bucket/b.txt", b"another")
    copied.cache_clear()  # as a new process
    assert (list(corpus.documents()), corpus.identity(), corpus.stamp()) == first
    assert capsys.readouterr().out == ""


def test_a_url_and_a_file_of_the_same_bytes_are_the_same_corpus(bucket, tmp_path):
    (tmp_path / "b.txt").write_text("second")
    there = FilesCorpus("memory://bucket/b.txt", copies=tmp_path / "copies")
    assert there.identity() == FilesCorpus(tmp_path / "b.txt").identity()
    local = FilesCorpus(f"file://{tmp_path}/b.txt", copies=tmp_path / "copies")
    assert local.identity() == there.identity()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://bucket/gone.txt", "'memory://bucket/gone.txt' holds no files: check paths"),
        ("memory://bucket/*.parquet", "holds no files"),
        ("nope://bucket/a.txt", "can't be read (ValueError: Protocol not known: nope)"),
        ("http://127.0.0.1:9/a.txt", "can't be read (ClientConnectorError"),
    ],
)
def test_what_is_not_there_is_one_line(bucket, url, message, tmp_path):
    with pytest.raises(InputError) as raised:
        list(FilesCorpus(url, copies=tmp_path).documents())
    assert message in str(raised.value)


def test_what_is_there_is_asked_once_by_a_process(bucket, tmp_path, monkeypatch):
    corpus = FilesCorpus("memory://bucket/*.txt", copies=tmp_path)
    first = corpus.identity()
    with monkeypatch.context() as patched:
        patched.setattr(type(bucket), "isdir", lambda *_: pytest.fail("asked again"))
        assert (corpus.identity(), list(corpus.documents())) == (first, ["second"])


def test_a_full_disk_is_no_unreadable_url(bucket, tmp_path, monkeypatch):
    def full(self, place, local, **_):
        raise OSError(errno.ENOSPC, "No space left on device", local)

    monkeypatch.setattr(type(bucket), "get_file", full)
    with pytest.raises(RunError, match="the disk has no room for .*b.txt"):
        list(FilesCorpus("memory://bucket/b.txt", copies=tmp_path).documents())


def test_half_a_copy_is_none(bucket, tmp_path, monkeypatch):
    def cut(self, place, local, **_):
        Path(local).write_bytes(b"sec")
        raise OSError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(type(bucket), "get_file", cut)
        with pytest.raises(InputError, match="cut off"):
            list(FilesCorpus("memory://bucket/b.txt", copies=tmp_path).documents())
    assert list(FilesCorpus("memory://bucket/b.txt", copies=tmp_path).documents()) == ["second"]
