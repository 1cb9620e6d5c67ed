"""Write a model as ONNX and OpenVINO files, and keep those that answer as it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.export.onnx_export import FILES, QUANTIZED, export_onnx, quantize
from tinydistill.export.openvino_model import convert
from tinydistill.export.sessions import parts
from tinydistill.kinds import TaskKind
from tinydistill.models.observation import accepted_inputs
from tinydistill.models.source import Source, longest_input

Check = Callable[[str, Path, str], None]
"""Raises InputError of a format's file that answers otherwise; the last argument says what is in int8, if anything."""


@dataclass
class OnnxFiles:
    """Those that were kept, by format, and why others weren't."""

    kept: dict[str, Path] = field(default_factory=dict)
    withheld: dict[str, InputError] = field(default_factory=dict)


def write(
    model: PreTrainedModel,
    inputs: Sequence[str],
    directory: Path,
    formats: Sequence[str],
    *,
    outputs: Sequence[str] = ("logits",),
    longest: int,
    check: Check = lambda *_: None,
) -> OnnxFiles:
    """Write the model in these formats below a directory, each if it passes the check; arguments as of `export_onnx`.

    For int8 there are ways that are slower and nearer to the model: the first that passes is kept.
    """
    made = OnnxFiles()
    if not formats:
        return made
    plain = directory / FILES["onnx"]
    export_onnx(model, inputs, plain, outputs=outputs, longest=longest)
    for name in (name for name in FILES if name in formats):
        file = directory / FILES[name]
        for quantized in QUANTIZED if name == "onnx_int8" else [""]:
            if quantized:
                quantize(plain, file, quantized)
            elif name == "openvino":
                convert(plain, file)
            try:
                check(name, file, quantized)
            except InputError as error:
                made.withheld[name] = error
            else:
                made.withheld.pop(name, None)
                made.kept[name] = file
                break
    for name in FILES.keys() - made.kept:
        for part in parts(directory / FILES[name]):
            part.unlink(missing_ok=True)
        folder = (directory / FILES[name]).parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return made


def write_source(
    source: Source,
    model: PreTrainedModel,
    kind: TaskKind,
    directory: Path,
    formats: Sequence[str],
    check: Check = lambda *_: None,
) -> OnnxFiles:
    """The same of a model that was loaded from a source, with the head of a kind of task."""
    inputs, longest = accepted_inputs(model, source.tokenizer), longest_input(source.config)
    return write(model, inputs, directory, formats, outputs=kind.output_names, longest=longest, check=check)
