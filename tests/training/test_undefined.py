"""Scores that aren't defined are none: they are told, win nothing, and are written nowhere."""

import json

import numpy as np
import pytest
import torch

from tests.training.test_classifier import SCORING, classifier, loader, rows, trainer
from tinydistill.artifacts.files import write_json
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError, RunError
from tinydistill.kinds.metrics import retention, task_metrics
from tinydistill.training import scoring
from tinydistill.training.checkpoints import best_checkpoint, load_best
from tinydistill.training.classifier import Classifier

NAN, INF = float("nan"), float("inf")
VARYING = torch.arange(8.0)


@pytest.mark.parametrize("metric", ["spearman", "pearson"])
@pytest.mark.parametrize(
    ("predictions", "labels"),
    [(torch.full((8,), 0.1), VARYING), (VARYING, torch.full((8,), 2.5)), (torch.zeros(8), torch.zeros(8))],
)
def test_a_correlation_with_a_constant_is_not_defined(capsys, metric, predictions, labels):
    split = Split("validation", ["text"] * 8, labels=labels.numpy())
    scored = scoring.make_scoring(Target(), {"validation": split}, monitor=metric)
    assert scoring.score(scored, predictions.numpy(), split) == {metric: None}
    scoring.tell_undefined({"validation": {metric: None}, "other": {metric: 0.5}})
    told = f"validation: {metric} isn't defined, as all predictions or all labels are the same\n"
    assert capsys.readouterr().out == told


def test_a_correlation_of_batches_that_are_constant_each_is_defined():
    metrics = task_metrics(["spearman"], 1)
    for value in (1.0, 2.0):
        metrics.update(torch.full((4,), value), torch.full((4,), value))
    assert float(metrics.compute()["spearman"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_no_finite_number_is_no_score_and_retains_nothing(value):
    assert scoring.defined(value) is None
    assert retention(scoring.defined(value), 0.5) is None
    assert retention(0.5, scoring.defined(value)) is None


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_answers_that_are_not_finite_have_no_score_and_are_never_the_best(tmp_path, monkeypatch, value):
    forward = Classifier.forward

    def broken_at_first(self, batch):
        logits = forward(self, batch)
        return logits * value if self.trainer.validating and self.trainer.current_epoch == 0 else logits

    monkeypatch.setattr(Classifier, "forward", broken_at_first)
    best, module = best_checkpoint(tmp_path, SCORING.monitored), classifier(learning_rate=0.0)
    train = trainer(tmp_path, best, max_epochs=2)
    scores = []
    monkeypatch.setattr(module, "on_validation_end", lambda: scores.append(train.callback_metrics[SCORING.monitored]))
    train.fit(module, loader(rows(16, 0)), [loader(rows(16, 1)), loader(rows(16, 2))])
    assert [bool(torch.isfinite(score)) for score in scores] == [False, True]
    assert load_best(train, module) == 4


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_answers_that_are_not_finite_are_counted(value):
    logits = np.zeros((5, 2))
    scoring.check_answers("the model", "validation", logits)
    logits[1, 0] = logits[3, 1] = value
    with pytest.raises(RunError, match="^2 of 5 answers of the model to validation aren't finite numbers$"):
        scoring.check_answers("the model", "validation", logits)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_json_holds_finite_numbers_alone(tmp_path, value):
    write_json(tmp_path / "result.json", {"score": 0.5})
    with pytest.raises(RunError, match=r"result.json would hold a number that isn't finite"):
        write_json(tmp_path / "result.json", {"scores": [{"score": value}]})
    assert json.loads((tmp_path / "result.json").read_text()) == {"score": 0.5}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("label", ["1e39", "-1e39", "1e300", 3.5e38, 10**40])
def test_a_label_beyond_32_bits_is_refused_with_file_and_row(label):
    table = Table("rows.csv", places=[2, 3, 4], texts=["a", "b", "c"], labels=["0.5", label, "1.5"])
    with pytest.raises(InputError, match=r"rows.csv line 3: .* in column 'score' is no number that float32 holds"):
        Target().encode(table, "score")
    table.labels = ["0.5", "3.4e38", "-3.4e38"]
    assert np.isfinite(Target().encode(table, "score")).all()
