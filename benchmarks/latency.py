"""How much faster is a distilled int8 model in onnxruntime than its teacher in PyTorch?

python benchmarks/latency.py [--threads 1] [--batch-size 1] [--length 128] [--seconds 10]

BERT-base and TinyBERT4 (4 layers x 312) with random weights, each in PyTorch fp32, ONNX fp32 and ONNX int8: what an
answer takes doesn't depend on the weights. All are timed alternating in one run on the CPU. Printed are the median, the
95th percentile, how many times faster than BERT-base in PyTorch, parameters, FLOPs and megabytes.
"""

import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from common import parser
from tinydistill.console import count
from tinydistill.export import onnx_files
from tinydistill.export.exported import Exported, timed
from tinydistill.export.onnx_export import FILES
from tinydistill.export.size import PARTS

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MODELS = {
    "BERT-base": BertConfig(),
    "TinyBERT4": BertConfig(num_hidden_layers=4, hidden_size=312, intermediate_size=1200, num_attention_heads=12),
}


def exported(config: BertConfig, directory: Path) -> Exported:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    formats = list(FILES)
    return Exported(model, [], onnx_files.write(model, INPUTS, directory, formats, longest=512).kept)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--batch-size", type=int, default=1)
    arguments.add_argument("--length", type=int, default=128)
    arguments.add_argument("--seconds", type=float, default=10, help="how long each of the six is timed")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as root:
        models = {name: exported(config, Path(root) / name) for name, config in MODELS.items()}
        (measured,) = timed(
            models,
            threads=[options.threads],
            batch_sizes=[options.batch_size],
            lengths=[options.length],
            seconds=options.seconds,
        )
        sizes = {name: one.sizes() for name, one in models.items()}
    first = next(iter(measured["latency"].values()))["median"]
    for system, found in measured["latency"].items():
        name, runtime = system.split(", ")
        size = sizes[name]
        print(
            f"{system:24} {found['median']:7.1f} ms (p95 {found['p95']:7.1f}) {first / found['median']:5.1f}x  "
            f"{count(sum(size[part] for part in PARTS)):>8} {count(size['flops']):>8} FLOPs "
            f"{size['bytes'][runtime] / 1e6:6.1f} MB"
        )


if __name__ == "__main__":
    main()
