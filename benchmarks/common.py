"""What the measurements share: a stopwatch, and models and texts to measure with. Light: some measure memory."""

import argparse
import csv
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

MINILM = "sentence-transformers/all-MiniLM-L6-v2"  # the packaged teacher


def fastest(calls: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Milliseconds of each call, its best turn; all take turns, after one that is for warming up."""
    best = dict.fromkeys(calls, float("inf"))
    for turn in range(turns + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def parser(doc: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def random_model(directory: Path) -> Path:
    """BERT-base with random weights and the packaged teacher's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    from tinydistill.models.loading import locate

    AutoTokenizer.from_pretrained(locate(MINILM)).save_pretrained(directory)
    BertForMaskedLM(BertConfig(vocab_size=30522)).save_pretrained(directory)
    return directory


def read_texts(file: Path | None, column: str, count: int) -> list[str]:
    """Texts of a table, drawn at random; without one parts of docstrings of SST-2's lengths."""
    generator = random.Random(0)
    if file is not None:
        with file.open(encoding="utf-8", newline="") as lines:
            texts = [row[column] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
        return generator.sample(texts, count)
    from tinydistill.data.text.docstrings import read_modules

    words = [word for module in read_modules(1) for text in module.docstrings for word in text.split()]
    lengths = [min(40, 1 + int(generator.expovariate(1 / 8.4))) for _ in range(count)]
    starts = [generator.randrange(len(words) - 40) for _ in lengths]
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
