"""stage=task from the command line: a tiny fine-tuned teacher, a tiny general student, a CSV."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from tests.stages.conftest import STATES, Cut, changed, state_rows, write_states
from tinydistill.artifacts.writer import ArtifactWriter
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller
from tinydistill.models.source import Source
from tinydistill.training.prediction_files import prediction_file, read_predictions


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "outputs" / "distilled"


@pytest.fixture
def run(distillation_arguments, output, command):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    return lambda **changes: command(changed({**distillation_arguments, "output_dir": str(output)}, **changes))


def result(directory: Path) -> dict:
    return json.loads((directory / "result.json").read_text())


def test_a_student_is_published_that_loads_and_has_learned_the_task(run, output):
    code, out, err = run()
    assert code == 0, err
    assert "learns from teacher" in out
    assert "student and teacher on the task" in out
    assert "worse" not in out
    assert out.rstrip().endswith(f"artifact: {output}")
    model, info = AutoModelForSequenceClassification.from_pretrained(output, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.id2label == dict(enumerate(STATES))
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (16, 2)
    assert AutoTokenizer.from_pretrained(output)("the cat")["input_ids"]
    found = result(output)
    score, teacher = found["scores"]["validation"]["accuracy"], found["teacher_scores"]["validation"]["accuracy"]
    assert (found["score"], found["monitor"]) == (score, "validation/accuracy")
    assert found["retention"] == pytest.approx(100 * score / teacher)
    assert teacher > 0.9
    assert score > found["majority"]["validation"]["accuracy"]
    inner, prediction = found["phases"]["intermediate"], found["phases"]["prediction"]
    assert (inner["mapping"], inner["steps"], prediction["steps"]) == ([2, 4], 12, 18)
    before, after = (sum(row[key] for row in inner["layers"]) for key in ("unexplained_before", "unexplained"))
    assert after < before
    assert prediction["best_step"] in (6, 12, 18)
    assert prediction["train_loss"] > 0
    assert found["rows"] == {"train": 96, "validation": 40}
    provenance = json.loads((output / "provenance.json").read_text())
    assert provenance["configuration"]["prediction"]["epochs"] == 3
    logs = {file.parts[len(output.parts) + 1] for file in output.rglob("metrics.csv")}
    assert logs == {"intermediate", "prediction"}


def test_what_student_and_teacher_predict_is_kept_by_row_though_the_run_was_cut(run, output, monkeypatch):
    publish = ArtifactWriter.publish

    def cut(self, *arguments):
        raise Cut

    monkeypatch.setattr(ArtifactWriter, "publish", cut)
    with pytest.raises(Cut):
        run()
    monkeypatch.setattr(ArtifactWriter, "publish", publish)
    code, out, err = run()
    assert code == 0, err
    assert "prediction: finished before" in out
    for scores, of in (("scores", ""), ("teacher_scores", "teacher")):
        said = read_predictions(prediction_file(output, "validation", of))
        assert said is not None
        assert len(said.rows) == 40
        assert (said.labels == said.predictions).mean() == pytest.approx(
            result(output)[scores]["validation"]["accuracy"]
        )


def test_the_same_settings_again_return_the_finished_result(run, output):
    _, first, _ = run()
    code, out, _ = run()
    assert code == 0
    assert "finished before with the same settings" in out
    assert out.splitlines()[-4:] == first.splitlines()[-4:]
    code, _, err = run(prediction__temperature="2")
    assert code == 2
    assert "prediction.temperature: 1.0 -> 2.0" in err


# teacher


@pytest.fixture
def forwards(monkeypatch) -> list[PreTrainedModel]:
    """An entry for every forward pass of a teacher that the stage loads."""
    seen: list[PreTrainedModel] = []
    load = Source.with_head

    def watched(self, *arguments, **options):
        model = load(self, *arguments, **options)
        if self.called != "teacher.path":
            return model
        model.register_forward_hook(lambda *_: seen.append(model))
        model.base_model.register_forward_hook(lambda *_: seen.append(model))
        return model

    monkeypatch.setattr(Source, "with_head", watched)
    return seen


def test_the_prediction_phase_never_runs_the_teacher(run, output, forwards, monkeypatch):
    before = []
    start = LogitDistiller.on_train_start

    def remember(self):
        before.append(len(forwards))
        start(self)

    monkeypatch.setattr(LogitDistiller, "on_train_start", remember)
    assert run(distill__phases="prediction")[0] == 0
    assert before == [len(forwards)]
    assert before[0] > 0  # for the validation and the training rows
    first = result(output)["phases"]["prediction"]
    forwards.clear()
    assert run(distill__phases="prediction", overwrite="true", prediction__learning_rate="0.003001")[0] == 0
    assert not forwards
    assert result(output)["phases"]["prediction"]["train_loss"] == pytest.approx(first["train_loss"], rel=0.01)


def test_labels_in_another_order_are_caught_before_training(run, made, output, monkeypatch):
    monkeypatch.setattr(LayerDistiller, "training_step", None)
    code, _, err = run(task__labels="[awake,asleep]")
    assert code == 2
    assert "has its labels in another order (asleep, awake) than the task (awake, asleep)" in err
    assert "go on with distill.check_labels=false" in err
    code, _, err = run(task__labels="[awake,asleep]", distill__check_labels="false")
    assert code == 2
    assert "seem to stand in the order asleep, awake" in err
    assert "go on anyway with distill.check_score=false" in err
    assert err.count("\n") == 1
    assert not list(output.parent.glob("distilled*"))


def test_a_mistaken_teacher_is_followed_where_that_is_asked_for(run, output):
    code, _, err = run(
        task__labels="[awake,asleep]",
        distill__check_labels="false",
        distill__check_score="false",
        prediction__max_steps="2",
    )
    assert code == 0, err
    assert result(output)["teacher_score"] < 0.5


def test_without_teacher_or_student_the_stage_that_makes_them_is_named(run, made, tmp_path):
    code, _, err = run(teacher__path=str(made / "student"))
    assert code == 2
    assert "has no head for a task, and there is no fine-tuned teacher in" in err
    assert "make one with stage=finetune, or name one with teacher.path=DIR" in err
    code, _, err = run(student__path=None, distill__start="general")
    assert code == 2
    assert "there is no general student in" in err
    assert "make one with stage=general, name one with student.path=DIR, or start without one: distill.start" in err


def test_what_the_other_stages_published_is_found(run, made, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(made / "teacher", outputs / "finetune" / "student_files")
    shutil.copytree(made / "student", outputs / "general" / "student_tiny3_uniform_tinybert_docstrings")
    code, out, err = run(
        teacher__path=str(made / "student"),
        student__path=None,
        distill__start="general",
        output_dir=None,
        intermediate__max_steps="2",
    )
    assert code == 0, err
    assert out.rstrip().endswith(str(outputs / "task" / "student_tiny3_uniform_tinybert_files"))


def test_the_best_epoch_is_chosen_on_rows_kept_aside_and_retention_is_of_others(run, output, tmp_path):
    code, out, err = run(task__train=str(write_states(tmp_path / "more.csv", state_rows(400, 1))))
    assert code == 0, err
    found = result(output)
    kept, prediction = found["rows"]["selection"], found["phases"]["prediction"]
    assert kept + found["rows"]["train"] == 400
    assert 20 <= kept <= 40
    best = max(prediction["epochs"], key=lambda epoch: epoch["selection/accuracy"])
    assert prediction["best_step"] == best["step"]
    assert found["selection_score"] == best["selection/accuracy"]
    assert (found["chosen_by"], found["monitor"]) == ("selection/accuracy", "validation/accuracy")
    assert found["score"] == best["validation/accuracy"]
    assert found["teacher_score"] == found["teacher_scores"]["validation"]["accuracy"]
    assert found["retention"] == pytest.approx(100 * found["score"] / found["teacher_score"])
    assert f"epoch 3: selection/accuracy {prediction['epochs'][2]['selection/accuracy']:.3f}  validation" in out


# phases


def test_a_phase_that_is_finished_is_not_run_again(run, cut):
    inner, outer = cut(LayerDistiller, -1), cut(LogitDistiller, 3)
    with pytest.raises(Cut):
        run()
    code, out, _ = run()
    assert code == 0
    assert "distilled-intermediate: finished before" in out
    assert inner == [*range(6)] * 2
    assert outer == [*range(4), *range(3, 6), *range(6), *range(6)]


@pytest.mark.slow
def test_the_intermediate_phase_alone_ends_with_a_head_that_a_later_prediction_phase_trains(run, output, tmp_path):
    code, out, err = run(distill__phases="intermediate")
    assert code == 0, err
    alone = result(output)
    assert alone["score"] > alone["majority"]["validation"]["accuracy"]
    both, then = str(tmp_path / "both"), str(tmp_path / "then")
    assert run(output_dir=both)[0] == 0
    code, out, _ = run(distill__phases="prediction", student__path=str(output), output_dir=then)
    assert code == 0
    assert "has a head for this task, which it keeps" in out
    assert result(Path(then))["scores"] == result(Path(both))["scores"]
    assert result(Path(then))["start_scores"] == alone["scores"]


# the start

NEW = {
    "student__path": None,
    "student__num_layers": "2",
    "student__hidden_size": "16",
    "student__intermediate_size": "32",
    "student__num_heads": "4",
}


def test_a_student_is_solved_from_the_teacher_without_a_step(run, output):
    code, out, err = run(distill__phases="none", **NEW)
    assert code == 0, err
    assert "no step in" in out
    found = result(output)
    assert found["phases"] == {}
    assert found["start"]["kind"] == "closed_form"
    assert found["score"] == found["start_scores"]["validation"]["accuracy"]
    assert found["retention"] > 90
    at_random = str(output) + "-random"
    code, _, err = run(distill__phases="none", distill__head="random", **NEW, output_dir=at_random)
    assert code == 0, err
    assert found["score"] > result(Path(at_random))["score"]
    code, _, err = run(distill__phases="none", student__init="random", **NEW, output_dir=str(output) + "-2")
    assert code == 0, err


def test_a_solved_student_goes_on_with_the_phases(run, output, tmp_path):
    nothing = str(tmp_path / "nothing")
    assert run(distill__phases="none", **NEW, output_dir=nothing)[0] == 0
    code, _, err = run(**NEW)
    assert code == 0, err
    found = result(output)
    assert found["start_scores"] == result(Path(nothing))["scores"]
    assert list(found["phases"]) == ["intermediate", "prediction"]
    assert found["retention"] > 90


def test_a_student_that_training_makes_worse_is_kept_as_it_began(run, output, tmp_path):
    nothing = tmp_path / "nothing"
    assert run(distill__phases="none", **NEW, output_dir=str(nothing))[0] == 0
    code, out, err = run(prediction__learning_rate="0.5", intermediate__learning_rate="0.5", **NEW)
    assert code == 0, err
    found, began = result(output), result(nothing)
    before, after = (found[scores]["validation"]["accuracy"] for scores in ("start_scores", "trained_scores"))
    assert after < before
    assert f"training made the student worse, validation accuracy {before:.3f} -> {after:.3f}: it is kept" in out
    assert (found["scores"], found["score"]) == (began["scores"], began["score"])
    assert (output / "model.safetensors").read_bytes() == (nothing / "model.safetensors").read_bytes()
    predicted = "predictions/validation.tsv"
    assert (output / predicted).read_bytes() == (nothing / predicted).read_bytes()


def test_merged_phases_learn_layers_and_logits_at_once(run, output):
    code, out, err = run(distill__phases="merged", prediction__epochs="8")
    assert code == 0, err
    assert "learns from teacher" in out
    found = result(output)
    report = found["phases"]["merged"]
    assert (report["steps"], report["mapping"]) == (48, [2, 4])
    assert sum(row["unexplained"] - row["unexplained_before"] for row in report["layers"]) < 0
    assert found["score"] > found["majority"]["validation"]["accuracy"]


def test_hard_labels_and_temperature_train_too(run, output):
    code, _, err = run(
        distill__phases="prediction",
        prediction__hard_share="0.5",
        prediction__temperature="2",
        prediction__scale_by_temperature="true",
    )
    assert code == 0, err
    assert result(output)["score"] > result(output)["majority"]["validation"]["accuracy"]
    assert "prediction.hard_share=1.5 is too large" in run(prediction__hard_share="1.5")[2]


def test_a_regression_learns_the_teachers_scores(run, made, output):
    numbers = {"task__label": "number", "task__monitor": "spearman", "task__metrics": "[spearman,pearson]"}
    code, _, err = run(**numbers, teacher__path=str(made / "regressor"), intermediate__max_steps="2")
    assert code == 0, err
    found = result(output)
    assert found["monitor"] == "validation/spearman"
    assert found["score"] > 0.3
    assert AutoModelForSequenceClassification.from_pretrained(output).config.num_labels == 1
    said = read_predictions(prediction_file(output, "validation"))
    assert said is not None
    assert (said.classes, said.labels.dtype.kind) == (0, "f")
    code, _, err = run(**numbers, output_dir=str(output) + "2")
    assert code == 2
    assert "predicts 2 classes (asleep, awake), the task asks for one number" in err


def test_a_teacher_of_other_labels_is_refused(run, made, tmp_path):
    table = [(row[0], row[1] if i % 3 else "dreaming", row[2]) for i, row in enumerate(state_rows(60, 3))]
    file = str(write_states(tmp_path / "three.csv", table))
    code, _, err = run(task__train=file, task__validation=file)
    assert code == 2
    assert "predicts 2 classes (asleep, awake), the task asks for 3 classes (asleep, awake, dreaming)" in err


def test_rows_of_an_augmentation_are_learned_from(run, made, output, tmp_path):
    file = tmp_path / "augmented.parquet"
    texts = [text for text, *_ in state_rows(96, 1)]
    pq.write_table(pa.table({"text": texts * 2, "source_row": [*range(96)] * 2}), file)
    assert run(augmentation__path=str(file), distill__phases="prediction")[0] == 0
    assert result(output)["rows"]["train"] == 192
    code, _, err = run(augmentation__path="gone.parquet")
    assert code == 2
    assert "there is no file gone.parquet: check augmentation.path, which stage=augment makes" in err
