"""Speed of stage=augment on short sentences with a masked LM of BERT-base's size.

python benchmarks/augmentation.py [--texts FILE.tsv --column sentence] [--sentences 600] [--model DIRECTORY]

The model has random weights unless one is named. Timed is all from the texts to the Parquet file, loading the model
apart. What a machine gives changes with its load, so the speed is compared with matrix products timed just before and
after it: the original algorithm, one word at a time in fp32, did 1.09 sentences of SST-2 a second where fp32 products
ran at 183 GFLOP/s; the floor is what the encoder's and the head's matrix products need at the bf16 rate. Both by the
clock, which is right on a quiet machine, and by the processor time used, which other programs disturb less.
"""

import argparse
import csv
import os
import random
import tempfile
import time
from pathlib import Path

ORIGINAL, ORIGINAL_GEMM = 1.09, 183.0  # sentences a second, GFLOP/s in fp32


def gemm_rates(dtype_name: str, seconds: float = 2.0) -> tuple[float, float]:
    """GFLOP/s of a matrix product of the size of BERT-base's feed-forward layers: by the clock, by processor time."""
    import torch

    from tinydistill.augmentation.candidates import single_threads

    dtype = getattr(torch, dtype_name)
    states, weights = torch.randn(2048, 768).to(dtype), torch.randn(3072, 768).to(dtype)

    def products(_: int) -> float:
        count = 0
        while time.perf_counter() - start < seconds:
            torch.nn.functional.linear(states, weights)
            count += 1
        return count * 2 * 2048 * 768 * 3072 / 1e9

    count = torch.get_num_threads()
    with single_threads() as threads:
        start, used = time.perf_counter(), time.process_time()
        done = sum(threads.map(products, range(count)))
        return done / (time.perf_counter() - start), done / (time.process_time() - used)


def random_model(directory: Path) -> Path:
    """BERT-base with random weights and the packaged teacher's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    from tinydistill.models import locate

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
    from tinydistill.data.docstrings import read_modules

    words = [word for module in read_modules(1) for text in module.docstrings for word in text.split()]
    lengths = [min(40, 1 + int(generator.expovariate(1 / 8.4))) for _ in range(count)]
    starts = [generator.randrange(len(words) - 40) for _ in lengths]
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def augment(texts: list[str], directory: Path, model_directory: Path) -> tuple[tuple[float, float], int, float]:
    """Seconds by the clock and of processor time, words asked about, and GFLOP of the matrix products."""
    import numpy as np
    import pytorch_lightning as pl
    import torch

    from tinydistill.augmentation.candidates import CandidateFinder, Shards, WholeWords
    from tinydistill.augmentation.contexts import MaskedWords
    from tinydistill.augmentation.replacements import Replacements
    from tinydistill.augmentation.rows import Counts, augmented_rows, write_rows
    from tinydistill.augmentation.words import eligible_words, read_stop_words
    from tinydistill.data.examples import Split
    from tinydistill.masked_lm import load_masked_lm
    from tinydistill.models import load_tokenizer

    model = load_masked_lm(str(model_directory), dtype=torch.bfloat16)
    tokenizer = load_tokenizer(str(model_directory))
    vocabulary = WholeWords(tokenizer)
    encoder = sum(w.numel() for name, w in model.base_model.named_parameters() if w.dim() == 2 and "embed" not in name)
    head = model.config.hidden_size * (model.config.hidden_size + model.config.vocab_size)
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pl.Trainer(**options, enable_checkpointing=False)
    start, used = time.perf_counter(), time.process_time()
    stop_words = read_stop_words(None)
    words = {text: eligible_words(text, stop_words) for text in texts}
    questions = MaskedWords(words, tokenizer, max_length=128, askable=lambda _: True)
    shards = Shards(directory / "candidates", questions, 15)
    finder = CandidateFinder(model, vocabulary, shards, batch_size=16, workers=0)
    trainer.predict(finder, return_predictions=False)
    replacements = Replacements(words, questions, shards.collect(), vocabulary, {})
    rows = augmented_rows(Split("train", texts, None, np.zeros(len(texts))), replacements, 20, 0.4, 0, Counts())
    write_rows(directory / "rows.parquet", rows, pairs=False, made_from="")
    seconds = time.perf_counter() - start, time.process_time() - used
    pieces = sum(questions.group(n).inputs["input_ids"].numel() for n in range(len(questions.groups)))
    return seconds, len(questions), 2 * (pieces * encoder + len(questions) * head) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, help="tab-separated table; default: pieces of docstrings")
    parser.add_argument("--column", default="sentence")
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--model", type=Path, help="masked LM; default: BERT-base with random weights")
    options = parser.parse_args()
    texts = read_texts(options.texts, options.column, options.sentences)
    dtypes = ("float32", "bfloat16")
    with tempfile.TemporaryDirectory() as temporary:
        model = options.model or random_model(Path(temporary, "model"))
        before = [gemm_rates(dtype) for dtype in dtypes]
        seconds, words, gflop = augment(texts, Path(temporary), model)
        after = [gemm_rates(dtype) for dtype in dtypes]
    rate = f"{words / seconds[0]:.1f} a second"
    print(f"{len(texts):,} sentences, {words:,} words asked about in {seconds[0]:.1f} s: {rate}")
    for i, measure in enumerate(("clock", "processor time")):
        fp32, bf16 = ((a[i] + b[i]) / 2 for a, b in zip(before, after, strict=True))
        speed, original, floor = len(texts) / seconds[i], ORIGINAL * fp32 / ORIGINAL_GEMM, len(texts) * bf16 / gflop
        print(
            f"by the {measure}: matrix products {fp32:.0f} GFLOP/s in fp32, {bf16:.0f} in bf16; sentences a second: "
            f"{speed:.2f}, original at this pace {original:.2f}, floor {floor:.2f}: {speed / original:.1f} times the "
            f"original, {speed / floor:.0%} of the floor ({floor / original:.1f} times)"
        )


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
