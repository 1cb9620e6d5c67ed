"""Files as numbered lines of text, plain or compressed; what can't be read is one clear line.

`argument` is what advice calls the argument that named the file, in braces: "{FilesCorpus.paths}".
"""

import codecs
import gzip
import io
import lzma
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinydistill.errors import InputError

COMPRESSED = (".gz", ".xz", ".zst")
MAX_LINE = 1 << 26  # characters; what is longer is no line of text
_WIDE = {  # which texts begin so
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def extension(path: Path) -> str:
    """What the name ends in, compression apart: `.tsv` of `train.tsv.gz`."""
    return next((s.lower() for s in reversed(path.suffixes) if s not in COMPRESSED), "")


def check_file(path: Path, argument: str) -> None:
    """Raises InputError for what is missing, and for what is no regular file: it may have no end, or be read once."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"there is no file {path}", f"check {argument}") from None
    except (OSError, ValueError) as error:  # a name that is too long, a link to itself, a directory that is closed
        why = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"{str(path)[:200]} can't be opened ({why})", f"check {argument}") from None
    if not stat.S_ISREG(mode):
        kind = "directory" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"
        stream = "" if kind == "directory" else ", to which what comes out of it is written first"
        raise InputError(f"{path} is a {kind}, not a file", f"name a file in {argument}{stream}")


def numbered_lines(
    path: Path, encoding: str = "utf-8", *, argument: str, encoding_argument: str = "", limit: int = MAX_LINE
) -> Iterator[tuple[int, str]]:
    """(number from 1, line with its line end) of a file; lines longer than `limit` characters come in parts.

    Raises InputError where the file can't be read, with its name and line, and for a line longer than MAX_LINE.
    """
    number, set_encoding = 1, f"set {encoding_argument} to " if encoding_argument else ""
    try:
        with open_binary(path) as file:
            head = file.peek(1 << 16)
            end = "\r" if b"\r" in head and b"\n" not in head else "\n"
            utf8 = encoding.lower() in ("utf-8", "utf8")
            lines = io.TextIOWrapper(file, "utf-8-sig" if utf8 else encoding, newline=end)
            while line := lines.readline(limit):
                if "\0" in line:
                    raise _no_text(path, number, head, argument, set_encoding)
                if len(line) == MAX_LINE and not line.endswith(end):
                    raise InputError(
                        f"{path} line {number} is longer than {MAX_LINE:,} characters", f"check {argument}"
                    )
                yield number, line
                number += line.endswith(end)
    except UnicodeDecodeError as error:
        zero = error.object.find(b"\0")
        number += error.object[: error.start if zero < 0 else zero].count(b"\n")
        if zero >= 0:
            raise _no_text(path, number, head, argument, set_encoding) from None
        other = f"{set_encoding}another one (latin-1, say) or " if set_encoding else ""
        raise InputError(f"{path} line {number} is not {encoding}", f"{other}convert the file") from None
    except UnicodeError as error:  # as UTF-16 that doesn't say its byte order
        raise InputError(f"{path} is not {encoding} ({first_line(error)})", f"{set_encoding}another one") from None
    except PermissionError:
        raise InputError(f"{path} can't be read (permission denied)", f"check {argument}") from None
    except InputError:
        raise
    except Exception as error:  # of any library that unpacks
        if type(error) is LookupError:
            raise InputError(
                f"'{encoding}' is not an encoding of text that Python knows", f"{set_encoding}one, such as utf-8"
            ) from None
        advice = f"fetch it again, or check {argument}"
        raise InputError(f"{path} is cut short or damaged ({first_line(error)})", advice) from None


def _no_text(path: Path, number: int, head: bytes, argument: str, set_encoding: str) -> InputError:
    wide = next((encoding for mark, encoding in _WIDE.items() if head.startswith(mark)), None)
    if wide is not None:
        return InputError(f"{path} is {wide}", f"{set_encoding}{wide}" if set_encoding else "convert the file to utf-8")
    return InputError(f"{path} is not text (NUL byte in line {number})", f"check {argument}")


def first_line(error: Any) -> str:
    """What an exception says, as far as its first line, not too long."""
    text = (str(error).splitlines() or [""])[0] or type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"


def open_binary(path: Path) -> Any:  # they have `peek` in common, which no class of the library's says
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
