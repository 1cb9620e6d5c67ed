"""A model with a head as ONNX files: as it is, and with weights in int8.

B: rows in a batch, L: tokens in a row, C: outputs of the prediction layer.
"""

import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.models import attention

FILES = {"onnx": "onnx/model.onnx", "onnx_int8": "onnx/model_int8.onnx"}
"""The formats, and where they stand in a model directory: where other tools look for them."""
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def check_installed() -> None:
    """Raise InputError where the packages that ONNX takes are missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX needs {', '.join(missing)}",
            f"pip install {' '.join(PACKAGES)}, or go without: '{{export_onnx.formats}}=[]'",
        )


def export_onnx(
    model: PreTrainedModel,
    inputs: Sequence[str],
    directory: Path,
    formats: Sequence[str],
    *,
    outputs: Sequence[str] = ("logits",),
    longest: int,
) -> dict[str, Path]:
    """Write the model in these formats below a directory; their files.

    The inputs are tensors [B, L] of int64, of any B and of L up to `longest`; `outputs` are what a model returns.
    """
    files = {name: directory / file for name, file in FILES.items() if name in formats}
    if files:
        plain = directory / FILES["onnx"]
        _export(model, inputs, outputs, plain, longest)
        if "onnx_int8" in files:
            _quantize(plain, files["onnx_int8"])
        if "onnx" not in files:
            for part in plain.parent.glob(f"{plain.name}*"):
                part.unlink()
    return files


def _export(model: PreTrainedModel, inputs: Sequence[str], outputs: Sequence[str], file: Path, longest: int) -> None:
    """Write the model in fp32."""
    model = model.cpu().eval()
    shape = (2, min(8, longest))
    rows = {name: torch.full(shape, int(name != "token_type_ids")) for name in inputs}  # a tensor for every input
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=longest)}
    file.parent.mkdir(parents=True, exist_ok=True)
    # In plain products, which the runtime fuses better than a translated SDPA.
    with attention.eager(model), _quiet():
        program = torch.onnx.export(
            model,
            kwargs=rows,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dict.fromkeys(inputs, sizes),
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(str(file))


def _quantize(source: Path, file: Path) -> None:
    """Write an exported model with its weights, embeddings among them, in int8; activations are quantized as it runs.

    Each output channel of a matrix has a scale of its own. All 8 bits are used: processors without VNNI, which add two
    products in 16 bits, may overflow there (7 bits would be safe but a fifth further from PyTorch's logits).
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(source)
    del graph.graph.value_info[:]  # the shapes noted for fp32 tensors contradict those of their int8 parts
    with _quiet():
        quantize_dynamic(graph, file, weight_type=QuantType.QInt8, per_channel=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporter and quantizer say of themselves: what matters, the answers, is checked."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
