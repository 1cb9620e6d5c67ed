"""Files as numbered lines of text, plain or compressed; what can't be read is one clear line."""

import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinydistill.errors import UserError

COMPRESSED = (".gz", ".xz", ".zst")


def extension(path: Path) -> str:
    """What the name ends in, compression apart: `.tsv` of `train.tsv.gz`."""
    return next((s.lower() for s in reversed(path.suffixes) if s not in COMPRESSED), "")


def numbered_lines(
    path: Path, encoding: str, *, option: str, encoding_option: str, limit: int = -1
) -> Iterator[tuple[int, str]]:
    """(number from 1, line with its line end) of a file; lines longer than `limit` bytes come in pieces.

    Raises:
        UserError: what can't be read; it names `option`, which named the file, or `encoding_option`.
    """
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)()
    except LookupError:
        raise UserError(f"{encoding_option}={encoding} is not an encoding that Python knows, such as utf-8") from None
    number = 1
    try:
        with open_binary(path) as file:
            while raw := file.readline(limit):
                if b"\0" in raw:
                    raise UserError(f"{path} is not text (NUL byte in line {number}): check {option}")
                yield number, decoder.decode(raw)
                number += raw.endswith(b"\n")
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UserError(
            f"{path} line {number} is not {encoding}: set {encoding_option} (for example latin-1) or convert the file"
        ) from None
    except PermissionError:
        raise UserError(f"{path} can't be read (permission denied): check {option}") from None
    except (EOFError, OSError, zlib.error, lzma.LZMAError, _DamagedError) as error:
        raise UserError(
            f"{path} is cut short or damaged ({first_line(error)}): fetch it again, or check {option}"
        ) from None


def first_line(error: Exception) -> str:
    """What an exception says, as far as its first line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def open_binary(path: Path) -> io.BufferedIOBase:
    """The file's bytes, unpacked where the name ends in one of COMPRESSED."""
    if path.suffix == ".gz":
        return gzip.open(path)
    if path.suffix == ".xz":
        return lzma.open(path)
    if path.suffix == ".zst":
        return io.BufferedReader(_open_zstd(path), 1 << 20)
    return io.BufferedReader(io.FileIO(path), 1 << 20)


class _DamagedError(Exception):
    """Compressed data that doesn't decompress."""


def _open_zstd(path: Path) -> "_ZstdFile":
    try:
        import zstandard
    except ImportError:
        raise UserError(f"reading {path} needs zstandard: pip install 'tinydistill[zstd]'") from None
    return _ZstdFile(path, zstandard)


class _ZstdFile(io.RawIOBase):
    """zstandard's own reader takes a file that is cut short for a complete one; this one doesn't."""

    def __init__(self, path: Path, zstandard: Any):
        self._file = path.open("rb")
        self._new = lambda: zstandard.ZstdDecompressor().decompressobj()
        self._error = zstandard.ZstdError
        self._frame, self._fed, self._ready = self._new(), False, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:  # a file may hold several frames, one after the other
                self._frame, self._fed = self._new(), False
            data = data or self._file.read(1 << 17)
            if not data:
                if self._fed:
                    raise EOFError("the compressed data ended too early")
                return 0
            self._fed = True
            try:
                self._ready = self._frame.decompress(data)
            except self._error as error:
                raise _DamagedError(str(error)) from None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
