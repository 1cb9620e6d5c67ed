"""Speed of stage=augment on short sentences with a masked LM of BERT-base's size.

python benchmarks/augmentation.py [--texts FILE.tsv --column sentence] [--sentences 2000] [--model DIRECTORY]

The model has random weights unless one is named. Timed is all from the texts to the Parquet file, loading the model
apart. What a machine gives changes with its load, so the speed is compared with matrix products timed just before and
after it: the original algorithm, one word at a time in fp32, did 1.09 sentences of SST-2 a second where fp32 products
ran at 183 GFLOP/s; the floor is what the encoder's and the head's matrix products need at the bf16 rate. Few sentences
leave many groups of a length half empty; a task has more than enough.
"""

import tempfile
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

from common import parser, random_model, read_texts
from tinydistill.benchmarking.augmentation import augment
from tinydistill.benchmarking.gemm import beside
from tinydistill.benchmarking.piece import Piece
from tinydistill.data.tasks.examples import Split
from tinydistill.models.fast_paths.cpu_kernels import keep_memory
from tinydistill.models.loading import load_tokenizer
from tinydistill.models.masked_lm import load_masked_lm

ORIGINAL, ORIGINAL_GEMM = 1.09, 183e9  # sentences a second, FLOP/s in fp32


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--texts", type=Path, help="tab-separated table; default: parts of docstrings")
    arguments.add_argument("--column", default="sentence")
    arguments.add_argument("--sentences", type=int, default=2000)
    arguments.add_argument("--model", type=Path, help="masked LM; default: BERT-base with random weights")
    options = arguments.parse_args()
    texts = read_texts(options.texts, options.column, options.sentences)
    rows = Split("train", texts, None, np.zeros(len(texts)))
    keep_memory()  # as the stage does
    with tempfile.TemporaryDirectory() as temporary:
        path = str(options.model or random_model(Path(temporary, "model")))
        model = load_masked_lm(path, dtype=torch.bfloat16)
        matrices = [
            w.numel() for name, w in model.base_model.named_parameters() if w.dim() == 2 and "embed" not in name
        ]
        head = model.config.hidden_size * (model.config.hidden_size + model.config.vocab_size)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        trainer = pl.Trainer(**quiet, enable_checkpointing=False)

        def work() -> Piece:
            return augment(rows, model, load_tokenizer(path), trainer, Path(temporary, "made"))

        done, gemm = beside(work, seconds=2.0)
    print(
        f"{done.units:,} sentences, {done.more['words']:,} words asked about in {done.seconds:.1f} s: "
        f"{done.more['words_per_second']:.1f} a second"
    )
    fp32, bf16 = gemm.mean
    speed, original = done.units / done.seconds, ORIGINAL * fp32 / ORIGINAL_GEMM
    floor = done.units * bf16 / (2 * (done.more["tokens"] * sum(matrices) + done.more["words"] * head))
    print(
        f"matrix products {fp32 / 1e9:.0f} GFLOP/s in fp32, {bf16 / 1e9:.0f} in bf16; sentences a second: {speed:.2f}, "
        f"original at this pace {original:.2f}, floor {floor:.2f}: {speed / original:.1f} times the original, "
        f"{speed / floor:.0%} of the floor ({floor / original:.1f} times)"
    )


if __name__ == "__main__":
    main()
