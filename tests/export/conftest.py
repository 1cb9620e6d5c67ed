"""A model in ONNX: exporting takes seconds, so tests of what comes after it take a file that was exported once."""

import copy
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tests.encoders import ENCODERS
from tinydistill.export import onnx_export, onnx_files

INPUTS = ("input_ids", "attention_mask")


def tiny_classifier(name: str, kind: type = AutoModelForSequenceClassification) -> PreTrainedModel:
    """A random one of this architecture, the same every time."""
    torch.manual_seed(0)
    return kind.from_config(copy.deepcopy(ENCODERS[name])).eval()


def files_below(directory: Path) -> set[str]:
    """The paths of all files in a directory."""
    return {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory) -> Path:
    """The tiny DistilBERT."""
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx_export.export_onnx(tiny_classifier("distilbert"), INPUTS, file, longest=60)
    return file


@pytest.fixture(scope="module")
def exported_before(onnx_file) -> Iterator[PreTrainedModel]:
    """The tiny DistilBERT, while its export is a copy of that file, and that of any other model what it always is."""
    known = tiny_classifier("distilbert")

    def export(model: PreTrainedModel, inputs: Sequence[str], file: Path, **options: Any) -> None:
        if model is not known:
            onnx_export.export_onnx(model, inputs, file, **options)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(onnx_file, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_files, "export_onnx", export)
        yield known
