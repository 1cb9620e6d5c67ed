"""Files as numbered lines of text, plain or compressed; what can't be read is one clear line.

`argument` is what advice calls the argument that named the file, in braces: "{FilesCorpus.paths}".
"""

import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

from tinydistill.errors import InputError

COMPRESSED = (".gz", ".xz", ".zst")


def extension(path: Path) -> str:
    """What the name ends in, compression apart: `.tsv` of `train.tsv.gz`."""
    return next((s.lower() for s in reversed(path.suffixes) if s not in COMPRESSED), "")


def numbered_lines(
    path: Path, encoding: str = "utf-8", *, argument: str, encoding_argument: str = "", limit: int = -1
) -> Iterator[tuple[int, str]]:
    """(number from 1, line with its line end) of a file; lines longer than `limit` bytes come in parts.

    Raises InputError where the file can't be read, with its name and line.
    """
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)()
    except LookupError:
        advice = f"set {encoding_argument} to one, such as utf-8"
        raise InputError(f"'{encoding}' is not an encoding that Python knows", advice) from None
    number = 1
    try:
        with open_binary(path) as file:
            while raw := file.readline(limit):
                if b"\0" in raw:
                    raise InputError(f"{path} is not text (NUL byte in line {number})", f"check {argument}")
                yield number, decoder.decode(raw)
                number += raw.endswith(b"\n")
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        other = f"set {encoding_argument} (for example to latin-1) or " if encoding_argument else ""
        raise InputError(f"{path} line {number} is not {encoding}", f"{other}convert the file") from None
    except PermissionError:
        raise InputError(f"{path} can't be read (permission denied)", f"check {argument}") from None
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        advice = f"fetch it again, or check {argument}"
        raise InputError(f"{path} is cut short or damaged ({first_line(error)})", advice) from None


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
        import pyarrow  # slow to import, and few files need it

        # unlike zstandard's reader, pyarrow's doesn't take a file that is cut short for a complete one
        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"), 1 << 20)
    return io.BufferedReader(io.FileIO(path), 1 << 20)
