"""Speed of text → blocks: words looked up, against every text through the tokenizer, and the tokenizer by itself.

python benchmarks/text_to_blocks.py TEXTS... [--turns 2] [--tokenizer NAME_OR_DIRECTORY]

TEXTS are files, directories or globs. Alternating: `build_blocks` word by word, in one process and in
several, `build_blocks` with whole texts, and `encode_batch_fast` alone, whose tokens aren't even looked at: what whole
texts can't beat in one process. MB/s of the text, the best turn of each. The blocks must be the same.
"""

import tempfile
from unittest import mock

from common import MINILM, fastest, parser
from tinydistill.data.text import blocks, token_ids, tokenized
from tinydistill.data.text.sources import FilesCorpus
from tinydistill.models import loading as models


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("texts", nargs="+")
    arguments.add_argument("--turns", type=int, default=2)
    arguments.add_argument("--tokenizer", default=MINILM)
    options = arguments.parse_args()
    corpus = FilesCorpus(options.texts)
    tokenizer = models.load_tokenizer(models.locate(options.tokenizer))
    backend, *_ = token_ids.prepare_tokenizer(tokenizer)
    texts = list(corpus.documents())
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    made: set[bytes] = set()

    def several() -> None:
        with tempfile.TemporaryDirectory() as cache:
            built = blocks.build_blocks(corpus, tokenizer, blocks.Cutting(max_length=128), cache_dir=cache)
            made.add(built.train.array.tobytes() + built.heldout.array.tobytes())

    def build() -> None:
        with mock.patch.object(tokenized, "cores", return_value=1):
            several()

    def whole() -> None:
        with mock.patch.object(token_ids, "splits_at_blanks", return_value=False):
            build()

    def alone() -> None:
        with token_ids.tokenizer_threads():
            for some in tokenized.batched(texts):
                backend.encode_batch_fast(some, add_special_tokens=False)

    print(f"{len(texts):,} documents, {megabytes:.1f} MB", flush=True)
    ways = {
        "word by word": build,
        f"{tokenized.cores()} processes": several,
        "whole texts": whole,
        "tokenizer alone": alone,
    }
    for name, ms in fastest(ways, options.turns).items():
        print(f"{name:>16} {1e3 * megabytes / ms:6.2f} MB/s")
    print("the same blocks" if len(made) == 1 else "OTHER BLOCKS")


if __name__ == "__main__":
    main()
