"""What is not finite ends a stage with one line, is published by none, and is gone on from after a repair."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import bert
from tests.data.conftest import GivenTask
from tests.stages.test_resume import RUNS
from tinydistill.artifacts.files import write_sealed
from tinydistill.artifacts.writer import JOB
from tinydistill.config import sweep
from tinydistill.data.tasks.sources import SomeRows
from tinydistill.distillation.losses import HiddenMSE
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_statistics import TeacherStatistics
from tinydistill.errors import InputError
from tinydistill.models.finite import not_finite
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model

PHASES = {"intermediate": "intermediate phase, ", "prediction": "prediction phase, ", "merged": "merged phase, "}


def one_line(err: str) -> str:
    """The error that stands alone on stderr."""
    lines = [line for line in err.splitlines() if line.startswith("tinydistill: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0].removeprefix("tinydistill: error: ")


@pytest.mark.parametrize("name", ["general", "pretrain", "finetune", "intermediate", "prediction", "merged"])
def test_training_that_is_no_longer_finite_stops_and_goes_on_when_it_is_again(
    name, command, monkeypatch, request, tmp_path
):
    run = RUNS[name]
    given = {
        **request.getfixturevalue(run.arguments),
        **run.more,
        "output_dir": str(tmp_path / "made"),
        "logger": "none",
    }
    step, broken = run.module.training_step, lambda self: self.trainer.global_step >= 3
    with monkeypatch.context() as patched:
        patched.setattr(
            run.module,
            "training_step",
            lambda self, batch, batch_idx: step(self, batch, batch_idx) * (float("nan") if broken(self) else 1),
        )
        code, out, err = command(given)
    assert code == 1
    stage = given.get("stage", "general")
    line = one_line(err)
    assert line.startswith(
        f"stage={stage}, {PHASES.get(name, '')}step {13 if name == 'pretrain' else 5}: the gradient of "
    )
    assert "training has stopped, with the weights of the last good step" in line
    assert out.count("this step is left out") == 1
    assert not (tmp_path / "made").exists()
    (file,) = [found for found in tmp_path.rglob("last.ckpt") if (name in str(found)) == (name in PHASES)]
    kept = torch.load(file, weights_only=True)
    assert kept["global_step"] >= 3
    assert not_finite(kept["state_dict"].items()) is None
    code, out, err = command(given)
    assert code == 0, err
    assert "going on from" in out
    assert not_finite(load_file(tmp_path / "made" / "model.safetensors").items()) is None


def test_the_term_and_the_layer_are_named(command, arguments, monkeypatch):
    forward = HiddenMSE.forward

    def broken(self, student, teacher, mask):
        return forward(self, student, teacher, mask) * (float("inf") if student.requires_grad else 1)

    monkeypatch.setattr(HiddenMSE, "forward", broken)
    code, _, err = command({**arguments, "logger": "none"})
    assert code == 1
    assert one_line(err).startswith(
        "stage=general, step 2: the embedding loss of layer 0 is inf; 2 steps were left out"
    )


def test_held_out_losses_that_are_not_finite_are_no_start(command, arguments, monkeypatch):
    forward = HiddenMSE.forward
    monkeypatch.setattr(HiddenMSE, "forward", lambda *given: forward(*given) * float("nan"))
    code, _, err = command({**arguments, "logger": "none"})
    assert code == 1
    assert "stage=general, heldout/unexplained/hidden/2 isn't finite: held-out text has no loss" in one_line(err)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("option", "arguments_of"), [("teacher.path", "arguments"), ("student.path", "distillation_arguments")]
)
def test_a_given_model_that_is_not_finite_is_refused(
    option, arguments_of, value, command, request, tmp_path, tokenizer
):
    given = {**request.getfixturevalue(arguments_of), "output_dir": str(tmp_path / "made"), "logger": "none"}
    save_model(bert(4, 32), tokenizer, tmp_path / "spoiled")
    weights = load_file(tmp_path / "spoiled" / "model.safetensors")
    weights["encoder.layer.1.output.dense.weight"][0, 0] = value
    save_file(weights, tmp_path / "spoiled" / "model.safetensors", {"format": "pt"})
    code, _, err = command({**given, option: str(tmp_path / "spoiled")})
    assert code == 2
    line = one_line(err)
    assert line.startswith(f"{option}={tmp_path}/spoiled: encoder.layer.1.output.dense.weight in its weights")
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "made.unfinished").exists()


@pytest.mark.parametrize("stage", ["evaluate", "task"])
def test_answers_that_are_not_finite_are_no_result(stage, command, distillation_arguments, tokenizer, made, tmp_path):
    model = add_head(bert(4, 32, seed=1), Head(("asleep", "awake")), seed=0)
    with torch.no_grad():
        model.classifier.weight.fill_(3e38)
        model.bert.pooler.dense.bias.fill_(10)
    save_model(model, tokenizer, tmp_path / "huge")
    option = {"evaluate": "evaluate.path", "task": "teacher.path"}[stage]
    given = {**distillation_arguments, "stage": stage, option: str(tmp_path / "huge"), "logger": "none"}
    code, _, err = command({**given, "output_dir": str(tmp_path / "made")})
    assert code == 1
    whose = {"evaluate": tmp_path / "huge", "task": "the teacher"}[stage]
    assert f"stage={stage}, 40 of 40 answers of {whose} to validation aren't finite numbers" in one_line(err)
    assert not (tmp_path / "made").exists()


def test_a_correlation_of_constant_predictions_is_said_to_be_none(command, distillation_arguments, tokenizer, tmp_path):
    model = add_head(bert(2, 16), Head(()), seed=0)
    with torch.no_grad():
        model.classifier.weight.zero_()
    save_model(model, tokenizer, tmp_path / "constant")
    more = {
        "stage": "evaluate",
        "evaluate.path": str(tmp_path / "constant"),
        "output_dir": str(tmp_path / "made"),
        "task.label": "number",
        "task.regression": "true",
        "task.monitor": "spearman",
        "task.metrics": "[spearman,pearson]",
    }
    code, out, err = command({**distillation_arguments, **more})
    assert code == 0, err
    for name in ("spearman", "pearson"):
        assert f"validation: {name} isn't defined, as all predictions or all labels are the same" in out
    assert json.loads((tmp_path / "made" / "result.json").read_text())["score"] is None


@pytest.mark.parametrize(
    ("scores", "stage", "code"),
    [
        ([None, None], "finetune", 1),
        ([None], "general", 1),
        ([None, None, None], "task", 1),
        ([None, 0.0], "finetune", 0),
        ([0.5, None], "pipeline", 0),
        ([None, None], "augment", 0),  # it has no score by itself
    ],
)
def test_a_sweep_without_any_score_has_failed(scores, stage, code, tmp_path, capsys):
    for number, score in enumerate(scores):
        (tmp_path / str(number)).mkdir()
        job = {"name": str(number), "stage": stage, "overrides": [], "score": score}
        write_sealed(tmp_path / str(number) / JOB, job)
    sweep._unsummed[:] = [tmp_path]
    assert sweep.finish() == code
    err = capsys.readouterr().err
    assert err == ("tinydistill: error: no job of the sweep has a score that is defined\n" if code else "")


@pytest.mark.parametrize("variance", [0.0, float("nan"), float("inf")])
def test_a_teacher_that_does_not_vary_is_no_measure(variance):
    statistics = TeacherStatistics({1: torch.eye(4) * variance}, {})
    with pytest.raises(InputError, match=rf"variance for hidden at its layer 1 is {variance:g}: .* scale=raw"):
        Objective((1,), {"hidden": HiddenMSE()}).measure_against(statistics)
    Objective((1,), {"hidden": HiddenMSE()}, scale="raw").measure_against(statistics)


@pytest.mark.parametrize("share", [1e-9, 1e-2])
def test_a_share_that_leaves_no_rows_is_refused(share):
    with pytest.raises(
        InputError, match=f"a share of {share:g} of 50 training rows leaves none: set train_share to more"
    ):
        SomeRows(GivenTask(), share).train()
