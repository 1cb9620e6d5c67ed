"""Speed of stage=augment on short sentences with a masked LM of BERT-base's size.

python benchmarks/augmentation.py [--texts FILE.tsv --column sentence] [--sentences 2000] [--model DIRECTORY]

The model has random weights unless one is named. Timed is all from the texts to the Parquet file, loading the model
apart. What a machine gives changes with its load, so the speed is compared with matrix products timed just before and
after it: the original algorithm, one word at a time in fp32, did 1.09 sentences of SST-2 a second where fp32 products
ran at 183 GFLOP/s; the floor is what the encoder's and the head's matrix products need at the bf16 rate. Both by the
clock, which is right on a quiet machine, and by the processor time used, which other programs disturb less. Few
sentences leave many groups of a length half empty; a task has more than enough.
"""

import argparse
import csv
import os
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinydistill.benchmarking.augmentation import Augmented
    from tinydistill.benchmarking.gemm import Rate

ORIGINAL, ORIGINAL_GEMM = 1.09, 183.0  # sentences a second, GFLOP/s in fp32


def random_model(directory: Path) -> Path:
    """BERT-base with random weights and the packaged teacher's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    from tinydistill.models.loading import locate

    AutoTokenizer.from_pretrained(locate("sentence-transformers/all-MiniLM-L6-v2")).save_pretrained(directory)
    BertForMaskedLM(BertConfig(vocab_size=30522)).save_pretrained(directory)
    return directory


def read_texts(file: Path | None, column: str, count: int) -> list[str]:
    """Texts of a table, drawn at random; without one pieces of docstrings of SST-2's lengths."""
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


def augment(texts: list[str], directory: Path, model_directory: Path) -> tuple["Augmented", float]:
    """What was done, and the GFLOP of encoder and head for it."""
    import numpy as np
    import pytorch_lightning as pl
    import torch

    from tinydistill.benchmarking import augmentation
    from tinydistill.data.tasks.examples import Split
    from tinydistill.models.loading import load_tokenizer
    from tinydistill.models.masked_lm import load_masked_lm

    model = load_masked_lm(str(model_directory), dtype=torch.bfloat16)
    encoder = sum(w.numel() for name, w in model.base_model.named_parameters() if w.dim() == 2 and "embed" not in name)
    head = model.config.hidden_size * (model.config.hidden_size + model.config.vocab_size)
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pl.Trainer(**options, enable_checkpointing=False)
    rows = Split("train", texts, None, np.zeros(len(texts)))
    done = augmentation.augment(rows, model, load_tokenizer(str(model_directory)), trainer, directory)
    return done, 2 * (done.pieces * encoder + done.words * head) / 1e9


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, help="tab-separated table; default: pieces of docstrings")
    parser.add_argument("--column", default="sentence")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--model", type=Path, help="masked LM; default: BERT-base with random weights")
    options = parser.parse_args()
    texts = read_texts(options.texts, options.column, options.sentences)
    from tinydistill.benchmarking.gemm import gemm_rate
    from tinydistill.training import runtime

    def gemm() -> list["Rate"]:
        return [gemm_rate(dtype, seconds=2.0) for dtype in (torch.float32, torch.bfloat16)]

    runtime.keep_memory()  # as the stage does
    with tempfile.TemporaryDirectory() as temporary:
        model = options.model or random_model(Path(temporary, "model"))
        before = gemm()
        done, gflop = augment(texts, Path(temporary), model)
        after = gemm()
    seconds, words = (done.seconds, done.processor_seconds), done.words
    rate = f"{words / seconds[0]:.1f} a second"
    print(f"{len(texts):,} sentences, {words:,} words asked about in {seconds[0]:.1f} s: {rate}")
    for i, measure in enumerate(("clock", "processor time")):
        fp32, bf16 = ((a[i] + b[i]) / 2e9 for a, b in zip(before, after, strict=True))
        speed, original, floor = len(texts) / seconds[i], ORIGINAL * fp32 / ORIGINAL_GEMM, len(texts) * bf16 / gflop
        print(
            f"by the {measure}: matrix products {fp32:.0f} GFLOP/s in fp32, {bf16:.0f} in bf16; sentences a second: "
            f"{speed:.2f}, original at this pace {original:.2f}, floor {floor:.2f}: {speed / original:.1f} times the "
            f"original, {speed / floor:.0%} of the floor ({floor / original:.1f} times)"
        )


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
