"""Text to blocks, timed from text that has been read."""

import time
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from tinydistill.benchmarking.piece import MEGABYTE, Piece
from tinydistill.data.text.blocks import Cutting, build_blocks
from tinydistill.data.text.sources import Corpus, TextsCorpus

SAMPLE = 8_000_000  # characters of a corpus that are read


@dataclass(frozen=True)
class Sample:
    """The first documents of a corpus, and the seconds that reading took; `whole` where these are all of it."""

    texts: tuple[str, ...]
    whole: bool
    seconds: float


def read_sample(corpus: Corpus, most: int | None = None) -> Sample:
    """Read documents until they hold so many characters, SAMPLE by default."""
    texts: list[str] = []
    size, start = 0, time.perf_counter()
    for text in corpus.documents():
        if size > (most or SAMPLE):
            return Sample(tuple(texts), False, time.perf_counter() - start)
        texts.append(text)
        size += len(text)
    return Sample(tuple(texts), True, time.perf_counter() - start)


def measure_tokenization(
    sample: Sample, tokenizer: PreTrainedTokenizerBase, cutting: Cutting, cache_dir: Path, *, seconds: float
) -> Piece:
    """Cut the sample into blocks, again and again."""
    megabytes = sum(len(text.encode()) for text in sample.texts) / 1e6
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < seconds:
        build_blocks(TextsCorpus(sample.texts), tokenizer, cutting, cache_dir=cache_dir / str(done))
        done += 1
    taken, whole = time.perf_counter() - start, megabytes if sample.whole else None
    read = {"megabytes_read": megabytes, "reading_seconds": sample.seconds}
    return Piece("tokenization", MEGABYTE, done * megabytes, taken, 0.0, whole, read)
