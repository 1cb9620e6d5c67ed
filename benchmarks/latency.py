"""How much faster is a distilled int8 model in onnxruntime than its teacher in PyTorch?

python benchmarks/latency.py [MODEL ...] [--threads 1] [--batch-size 1] [--length 128] [--seconds 10] [--busy]

BERT-base and TinyBERT4 (4 layers x 312) with random weights, or those that are named, each in PyTorch fp32, ONNX fp32
and ONNX int8: what an answer takes doesn't depend on the weights. Where OpenVINO is installed, in it too: in fp32, in
bfloat16, and the file that is in int8. All are timed alternating in one run on the CPU. Printed are the median, the
95th percentile, how many times faster than the first in PyTorch, parameters, FLOPs and megabytes.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from common import parser
from tinydistill.console import count
from tinydistill.export import onnx_files
from tinydistill.export.exported import Exported
from tinydistill.export.latency import System, latencies, random_inputs
from tinydistill.export.onnx_export import FILES
from tinydistill.export.size import PARTS
from tinydistill.models.threads import use_threads

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MODELS = {
    "BERT-base": BertConfig(),
    "TinyBERT4": BertConfig(num_hidden_layers=4, hidden_size=312, intermediate_size=1200, num_attention_heads=12),
    "MiniLM-L6": BertConfig(num_hidden_layers=6, hidden_size=384, intermediate_size=1536, num_attention_heads=12),
    "3x192": BertConfig(num_hidden_layers=3, hidden_size=192, intermediate_size=768, num_attention_heads=12),
}
OPENVINO = importlib.util.find_spec("openvino") is not None


def exported(config: BertConfig, directory: Path) -> Exported:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    formats = [name for name in FILES if OPENVINO or name != "openvino"]
    return Exported(model, [], onnx_files.write(model, INPUTS, directory, formats, longest=512).kept)


def more_openvino(one: Exported) -> dict[str, System]:
    """What the export stage doesn't offer, and why: docs/delivery.md."""
    from tinydistill.export.openvino_model import OpenvinoModel

    def system(file: Path, precision: str) -> System:
        def of(threads: int, batch_size: int, length: int) -> Callable[[], object]:
            model = OpenvinoModel(file, threads, precision)
            rows = {name: ids.numpy() for name, ids in random_inputs(one.model.config, batch_size, length).items()}
            return lambda: model(rows)

        return of

    files = {"OpenVINO bf16": ("openvino", "bf16"), "OpenVINO int8": ("onnx_int8", "f32")}
    return {name: system(one.files[file], precision) for name, (file, precision) in files.items()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("models", nargs="*", metavar="MODEL", help=f"any of {', '.join(MODELS)}")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--batch-size", type=int, default=1)
    arguments.add_argument("--length", type=int, default=128)
    arguments.add_argument("--seconds", type=float, default=10, help="how long each is timed")
    arguments.add_argument("--busy", action="store_true", help="time the processor takes: the machine does other work")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as root:
        models = {name: exported(MODELS[name], Path(root) / name) for name in options.models or list(MODELS)[:2]}
        calls = {
            f"{name}, {runtime}": system(options.threads, options.batch_size, options.length)
            for name, one in models.items()
            for runtime, system in {**one.systems(), **(more_openvino(one) if OPENVINO else {})}.items()
        }
        clock = time.process_time if options.busy else time.perf_counter
        with use_threads(options.threads):
            measured = latencies(calls, seconds=options.seconds, clock=clock)
        sizes = {name: one.sizes() for name, one in models.items()}
    first = next(iter(measured.values()))["median"]
    for system, found in measured.items():
        name, runtime = system.split(", ")
        size = sizes[name]
        megabytes = f"{size['bytes'][runtime] / 1e6:6.1f} MB" if runtime in size["bytes"] else ""
        print(
            f"{system:24} {found['median']:7.1f} ms (p95 {found['p95']:7.1f}) {first / found['median']:5.1f}x  "
            f"{count(sum(size[part] for part in PARTS)):>8} {count(size['flops']):>8} FLOPs {megabytes}"
        )


if __name__ == "__main__":
    main()
