"""A model in OpenVINO answers as it does in PyTorch, from files that other tools look for."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForQuestionAnswering

from tests.export.conftest import INPUTS, files_below, tiny_classifier
from tinydistill.errors import InputError
from tinydistill.export import onnx_export, onnx_files
from tinydistill.export.latency import file_system
from tinydistill.export.sessions import session
from tinydistill.export.size import file_bytes

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino isn't installed: pip install openvino"
)


def rows(batch_size: int, length: int) -> dict[str, torch.Tensor]:
    ids = torch.randint(3, 60, (batch_size, length), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[-1, max(1, length // 2) :] = 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture(scope="module")
def exported(exported_before, tmp_path_factory):
    """A model, and the directory that has it in OpenVINO alone."""
    model, directory = exported_before, tmp_path_factory.mktemp("exported")
    made = onnx_files.write(model, INPUTS, directory, ["openvino"], longest=60)
    assert list(made.kept) == ["openvino"]
    return model, directory


def test_there_is_nothing_but_openvino_s_two_files(exported):
    model, directory = exported
    assert files_below(directory) == {"openvino/openvino_model.xml", "openvino/openvino_model.bin"}
    weights = sum(weight.nbytes for weight in model.parameters())
    assert file_bytes(directory / "openvino" / "openvino_model.xml") > weights  # in fp32, the .bin counted


@pytest.mark.parametrize(("batch_size", "length"), [(1, 1), (1, 60), (5, 7), (32, 60)])
def test_it_answers_as_pytorch_at_any_batch_and_length(exported, batch_size, length):
    model, directory = exported
    batch = rows(batch_size, length)
    with torch.no_grad():
        expected = model(**batch).logits.numpy()
    answer = session(directory / onnx_export.FILES["openvino"], threads=1)
    found = [answer({**batch, "labels": torch.zeros(batch_size)}) for _ in range(2)]
    assert all(abs(one - expected).max() < 1e-5 for one in found)
    assert found[0] is not found[1]


@pytest.mark.slow
def test_two_outputs_stand_side_by_side_in_the_model_s_order(tmp_path):
    model, batch = tiny_classifier("distilbert", AutoModelForQuestionAnswering), rows(3, 12)
    outputs = ("start_logits", "end_logits")
    made = onnx_files.write(model, INPUTS, tmp_path, ["openvino"], outputs=outputs, longest=60)
    with torch.no_grad():
        said = model(**batch)
    expected = torch.stack([said.start_logits, said.end_logits], -1).numpy()
    assert abs(session(made.kept["openvino"])(batch) - expected).max() < 1e-5


def test_it_is_timed_as_the_other_files_are(exported):
    model, directory = exported
    call = file_system(directory / onnx_export.FILES["openvino"], model.config)(1, 2, 8)
    assert call().shape == (2, 2)


def test_what_answers_otherwise_is_left_out_with_its_weights(exported_before, tmp_path):
    def check(name: str, file: Path, quantized: str) -> None:
        if name == "openvino":
            raise InputError(f"{file.name} answers otherwise")

    made = onnx_files.write(exported_before, INPUTS, tmp_path, ["onnx", "openvino"], longest=60, check=check)
    assert (list(made.kept), list(made.withheld)) == (["onnx"], ["openvino"])
    assert files_below(tmp_path) == {"onnx/model.onnx"}


def test_it_takes_neither_torch_nor_onnxruntime_to_answer_and_no_notice_is_sent(exported):
    _, directory = exported
    code = f"""import sys
from pathlib import Path
from tinydistill.export.sessions import session
answer = session(Path({str(directory / onnx_export.FILES["openvino"])!r}))
assert answer({{"input_ids": [[5, 6]], "attention_mask": [[1, 1]]}}).shape == (1, 2)
assert not {{"torch", "onnxruntime"}} & set(sys.modules)
assert sys.modules["openvino_telemetry"] is None
assert "openvino_telemetry.main" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_signal_is_handled_after_several_models_are_gone(exported):
    _, directory = exported
    code = f"""import signal
from tinydistill.export.openvino_model import OpenvinoModel
first, second = (OpenvinoModel({str(directory / onnx_export.FILES["openvino"])!r}, 1) for _ in range(2))
del first
del second
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
signal.raise_signal(signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
