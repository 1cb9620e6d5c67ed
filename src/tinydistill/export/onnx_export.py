"""A model with a head as ONNX files: as it is, and with weights in int8.

B: rows in a batch, L: tokens in a row, C: outputs of the prediction layer.
"""

import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.models import attention

FILES = {
    "onnx": "onnx/model.onnx",
    "onnx_int8": "onnx/model_quantized.onnx",
    "openvino": "openvino/openvino_model.xml",
}
"""The formats, and where they stand in a model directory: where other tools look for them."""
QUANTIZED = ("all products", "all but the last product of each layer")
"""What is computed in int8, the fastest first: the input of a layer's last product has the largest outliers."""
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def check_installed(formats: Sequence[str]) -> None:
    """Raise InputError where packages that these formats take are missing."""
    packages = [*PACKAGES, *(["openvino"] if "openvino" in formats else [])]  # it is made of the ONNX file
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        what, left = ("OpenVINO", [n for n in formats if n != "openvino"]) if missing == ["openvino"] else ("ONNX", [])
        raise InputError(
            f"{what} needs {', '.join(missing)}",
            f"pip install {' '.join(packages)}, or go without: '{{export_onnx.formats}}=[{','.join(left)}]'",
        )


def export_onnx(
    model: PreTrainedModel, inputs: Sequence[str], file: Path, *, outputs: Sequence[str] = ("logits",), longest: int
) -> None:
    """Write the model in fp32.

    The inputs are tensors [B, L] of int64, of any B and of L up to `longest`; `outputs` are what a model returns.
    """
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


def quantize(source: Path, file: Path, what: str = QUANTIZED[0]) -> None:
    """Write an exported model with its weights, embeddings among them, in int8; activations are quantized as it runs.

    Each output channel of a matrix has a scale of its own. All 8 bits are used: processors without VNNI, which add two
    products in 16 bits, may overflow there (7 bits would be safe but a fifth further from PyTorch's logits). `what` is
    one of QUANTIZED.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(source)
    del graph.graph.value_info[:]  # the shapes noted for fp32 tensors contradict those of their int8 parts
    left = [] if what == QUANTIZED[0] else _last_products(graph.graph)
    file.parent.mkdir(parents=True, exist_ok=True)
    with _quiet():
        quantize_dynamic(graph, file, weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=left)


def _last_products(graph: Any) -> list[str]:
    """The names of the products that make the wide part of a feed-forward layer narrow again."""
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    matrices = {node.name: shapes.get(node.input[1], ()) for node in graph.node if node.op_type == "MatMul"}
    return [name for name, shape in matrices.items() if len(shape) == 2 and shape[0] > shape[1]]


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
