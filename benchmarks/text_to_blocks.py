"""Speed of text → blocks: words looked up, against every text through the tokenizer, and the tokenizer by itself.

python benchmarks/text_to_blocks.py TEXTS... [--turns 2] [--tokenizer NAME_OR_DIRECTORY]

TEXTS are files, directories or globs as in corpus.paths. By turns: `build_blocks` word by word, `build_blocks` with
whole texts, and `encode_batch_fast` alone, whose pieces aren't even looked at: what can't be beaten with whole texts.
MB/s of the text by the clock, and by processor time, which other programs disturb less. The blocks must be the same.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from unittest import mock

from corpus_memory import default_tokenizer
from tinydistill.data.text import blocks
from tinydistill.data.text import token_ids as word_pieces
from tinydistill.data.text.sources import FilesCorpus
from tinydistill.models import loading as models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--tokenizer", help="default: the packaged teacher's")
    options = parser.parse_args()
    corpus = FilesCorpus(tuple(options.texts))
    tokenizer = models.load_tokenizer(options.tokenizer or default_tokenizer())
    backend, *_ = blocks.prepare_tokenizer(tokenizer)
    texts = list(corpus.documents())
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    made: dict[str, set[bytes]] = {}

    def build(name: str) -> Callable[[], None]:
        def call() -> None:
            with tempfile.TemporaryDirectory() as cache:
                built = blocks.build_blocks(corpus, tokenizer, blocks.Cutting(max_length=128), cache_dir=cache)
                made.setdefault(name, set()).add(built.train.array.tobytes() + built.heldout.array.tobytes())

        return call

    def whole() -> None:
        with mock.patch.object(word_pieces, "splits_at_blanks", return_value=False):
            build("whole")()

    def alone() -> None:
        with blocks.tokenizer_threads():
            for some in blocks._batched(texts):
                backend.encode_batch_fast(some, add_special_tokens=False)

    ways = {"word by word": build("words"), "whole texts": whole, "tokenizer alone": alone}
    print(f"{len(texts):,} documents, {megabytes:.1f} MB", flush=True)
    for _ in range(options.turns):
        for name, call in ways.items():
            start, used = time.perf_counter(), time.process_time()
            call()
            seconds, processor = time.perf_counter() - start, time.process_time() - used
            clock, rate = megabytes / seconds, megabytes / processor
            print(f"{name:>16} {clock:6.2f} MB/s by the clock, {rate:6.2f} MB a second of processor time", flush=True)
    print("the same blocks" if len(set.union(*made.values())) == 1 else "OTHER BLOCKS")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
