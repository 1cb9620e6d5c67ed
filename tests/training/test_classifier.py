"""Supervised training of a tiny model on two kinds of sentences."""

import math

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, EMAWeightAveraging, OnExceptionCheckpoint
from torch.utils.data import DataLoader

from tests.conftest import bert
from tests.trainers import quiet_trainer
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import kind_of
from tinydistill.models import heads
from tinydistill.training.checkpoints import best_checkpoint, load_best
from tinydistill.training.classifier import Classifier, Scoring, by_row
from tinydistill.training.scoring import make_scoring


def rows(count: int, seed: int, *, regression: bool = False) -> list[dict[str, torch.Tensor]]:
    """Batches of eight; a row is of class 1 when it begins with word 6, of class 0 with word 5."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(7, 27, (count, 6), generator=generator)
    labels = torch.randint(2, (count,), generator=generator)
    ids[:, 0], ids[:, 1] = 2, 5 + labels
    given = labels.float() * 4 if regression else labels
    batches = torch.arange(count).split(8)
    return [{"input_ids": ids[b], "labels": given[b], "row": b, "teacher_logits": torch.zeros(8, 2)} for b in batches]


def scored(*splits: list[dict[str, torch.Tensor]], monitor: str = "accuracy") -> Scoring:
    """The splits `validation` and, where a second one is given, `other`, with the labels of these batches."""
    labels = [torch.cat([batch["labels"] for batch in batches]).numpy() for batches in splits]
    target = Target(("no", "yes")) if monitor == "accuracy" else Target()
    named = {
        name: Split(name, ["text"] * len(of), labels=of)
        for name, of in zip(("validation", "other"), labels, strict=False)
    }
    return make_scoring(target, named, monitor=monitor, metrics=() if target.labels else ("pearson", "spearman"))


SCORING = scored(rows(40, 1), rows(16, 2))


def loader(batches):
    return DataLoader(batches, batch_size=None)


def classifier(scoring: Scoring = SCORING, **changes) -> Classifier:
    model = heads.add_head(bert(2, 32, seed=3), scoring.kind.head, seed=0)
    return Classifier(model, scoring, **{"learning_rate": 3e-3, **changes})


def trainer(tmp_path, *callbacks, **options) -> pl.Trainer:
    return quiet_trainer(tmp_path, *callbacks, **{"max_epochs": 1, "num_sanity_val_steps": 0, **options})


def test_the_loss_is_the_cross_entropy_a_mean_over_rows_and_a_sum_over_classes():
    logits, labels = torch.randn(5, 8), torch.randint(8, (5,))
    naive = -sum(math.log(torch.softmax(row, 0)[y]) for row, y in zip(logits, labels, strict=True)) / 5
    kind = kind_of(Target(tuple("abcdefgh")))
    assert float(kind.loss(logits, {"labels": labels})) == pytest.approx(naive, rel=1e-5)


def test_the_loss_of_a_regression_is_the_squared_error():
    scores, targets = torch.randn(5, 1), torch.randn(5)
    naive = sum((float(s) - float(t)) ** 2 for s, t in zip(scores[:, 0], targets, strict=True)) / 5
    assert float(kind_of(Target()).loss(scores, {"labels": targets})) == pytest.approx(naive, rel=1e-5)


def test_a_learnable_task_is_learned_and_every_split_is_scored_by_its_name(tmp_path):
    module, fit = classifier(), trainer(tmp_path)
    fit.fit(module, loader(rows(480, 0)), [loader(rows(40, 1)), loader(rows(16, 2))])
    scores = {name: float(value) for name, value in fit.callback_metrics.items()}
    assert scores["validation/accuracy"] > 0.9
    assert scores["other/accuracy"] > 0.9
    assert scores["train/loss"] < 0.5


def test_a_regression_is_learned_and_scored_by_correlation(tmp_path):
    seen = rows(40, 1, regression=True)
    module, fit = classifier(scored(seen, monitor="pearson")), trainer(tmp_path)
    fit.fit(module, loader(rows(480, 0, regression=True)), loader(seen))
    assert float(fit.callback_metrics["validation/pearson"]) > 0.9


def test_labels_row_numbers_and_teacher_logits_are_no_inputs_of_the_model():
    module = classifier().eval()
    batch = rows(8, 0)[0]
    assert torch.equal(module(batch), module.model(input_ids=batch["input_ids"]).logits)


def test_a_score_is_that_of_all_rows_not_the_mean_over_batches(tmp_path):
    batches = [*rows(16, 1), {name: value[:3] for name, value in rows(8, 2)[0].items()}]
    batches[-1]["row"] = torch.arange(16, 19)
    module = classifier(scored(batches, rows(8, 3)))
    with torch.no_grad():
        right = torch.cat([module.eval()(batch).argmax(-1) == batch["labels"] for batch in batches])
    seen = trainer(tmp_path).validate(module, [loader(batches), loader(rows(8, 3))], verbose=False)
    assert seen[0]["validation/accuracy"] == pytest.approx(float(right.float().mean()))


class Scripted(Classifier):
    """Its scores are given: what is kept is seen apart from what is learnt."""

    given: list[float]

    def on_validation_epoch_end(self) -> None:
        self.log("validation/accuracy", torch.tensor(self.given.pop(0)))


def scripted(given: list[float]) -> Scripted:
    module = classifier()
    module.__class__, module.given = Scripted, given
    return module


Weights = dict[str, torch.Tensor]


class History(pl.Callback):
    """The weights at every validation."""

    def __init__(self):
        self.weights: list[Weights] = []

    def on_validation_end(self, trainer, pl_module):
        self.weights.append({name: value.clone() for name, value in pl_module.state_dict().items()})


def fit_scripted(tmp_path, given: list[float], *callbacks, **options) -> tuple[pl.Trainer, list[Weights], Scripted]:
    """Validates after every second of eight batches; returns the weights at each validation too."""
    module, history = scripted(given), History()
    best = best_checkpoint(tmp_path, "validation/accuracy")
    run = trainer(tmp_path, best, history, *callbacks, **{"val_check_interval": 2, **options})
    run.fit(module, loader(rows(64, 0)), loader(rows(8, 1)))
    return run, history.weights, module


def same(module: pl.LightningModule, weights: Weights) -> bool:
    return all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0.2, 0.9, 0.5, 0.9], 1),
        ([math.nan, 0.1, 0.0, 0.0], 1),
        ([0.3, math.nan, 0.2, 0.1], 0),
        ([math.nan] * 4, 0),
        ([0.1, 0.2, 0.3, 0.4], 3),
    ],
)
def test_the_weights_of_the_highest_score_come_back_exactly(tmp_path, given, expected):
    run, history, module = fit_scripted(tmp_path, list(given))
    assert load_best(run, module) == 2 * (expected + 1)
    assert same(module, history[expected])


def test_a_later_validation_outside_of_training_changes_nothing(tmp_path):
    run, history, module = fit_scripted(tmp_path, [0.2, 0.9, 0.5, 0.1])
    module.given = [1.0]
    run.validate(module, loader(rows(8, 1)), verbose=False)
    assert load_best(run, module) == 4
    assert same(module, history[1])


def test_a_run_that_was_never_validated_keeps_the_weights_that_it_ends_with(tmp_path):
    run, history, module = fit_scripted(tmp_path, [], val_check_interval=1.0, max_steps=3)
    ended = {name: value.clone() for name, value in module.state_dict().items()}
    assert (load_best(run, module), history) == (3, [])
    assert same(module, ended)


def test_a_resumed_run_knows_the_best_weights_from_before(tmp_path):
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx == 6:
                raise KeyError

    kept = OnExceptionCheckpoint(tmp_path, "fell")
    with pytest.raises(KeyError):
        fit_scripted(tmp_path, [0.2, 0.9, 0.5], kept, Stop())
    module = scripted([0.3])
    run = trainer(tmp_path, best_checkpoint(tmp_path, "validation/accuracy"), val_check_interval=2)
    run.fit(module, loader(rows(64, 0)), loader(rows(8, 1)), ckpt_path=tmp_path / "fell.ckpt")
    assert load_best(run, module) == 4


def test_early_stopping_ends_a_run_whose_score_no_longer_rises(tmp_path):
    stopping = EarlyStopping("validation/accuracy", mode="max", patience=1)
    run, _, module = fit_scripted(
        tmp_path, [0.2, 0.9, 0.5, 0.4, 0.3, 0.2], stopping, val_check_interval=1.0, max_epochs=6
    )
    assert (run.current_epoch, run.global_step) == (3, 24)
    assert load_best(run, module) == 16


def test_averaged_weights_are_scored_and_are_the_best_ones(tmp_path):
    run, _, module = fit_scripted(tmp_path, [0.2, 0.9, 0.5, 0.4], EMAWeightAveraging(decay=0.9))
    plain, _, other = fit_scripted(tmp_path / "plain", [0.2, 0.9, 0.5, 0.4])
    assert load_best(run, module) == load_best(plain, other) == 4
    assert not same(module, other.state_dict())


def test_logits_of_a_prediction_come_in_the_order_of_the_rows(tmp_path):
    module, batches = classifier().eval(), rows(24, 1)
    turned = [batches[2], batches[0], batches[1]]
    logits = by_row(trainer(tmp_path).predict(module, loader(turned)))
    with torch.no_grad():
        expected = torch.cat([module(batch) for batch in batches])
    torch.testing.assert_close(torch.from_numpy(logits), expected)


def test_a_validation_keeps_the_rows_that_it_scored_and_their_logits(tmp_path):
    batches = rows(24, 1)
    module, turned = classifier(scored(batches, batches)), [batches[2], batches[0], batches[1]]
    run = trainer(tmp_path, limit_val_batches=2)
    for _ in range(2):
        run.validate(module, [loader(turned), loader(turned)], verbose=False)
    seen = module.validated()
    assert seen.keys() == {"validation", "other"}
    numbers, logits = seen["validation"]
    assert numbers.tolist() == [*range(8), *range(16, 24)]
    with torch.no_grad():
        expected = torch.cat([module.eval()(batches[0]), module(batches[2])])
    torch.testing.assert_close(torch.from_numpy(logits), expected)
    right = (expected.argmax(-1) == torch.cat([batches[0]["labels"], batches[2]["labels"]])).float().mean()
    assert float(right) == pytest.approx(float(run.callback_metrics["validation/accuracy"]))
