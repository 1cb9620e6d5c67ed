"""The prediction phase: its loss, and the teacher's logits, which are computed once and read back."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from transformers import PreTrainedModel

from tests.conftest import bert
from tests.data.conftest import GivenTask
from tests.trainers import quiet_trainer
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.targets import Target
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller, MergedDistiller
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_logits import compute_logits, stored_logits
from tinydistill.models.heads import Head, add_head
from tinydistill.models.observation import encoder_inputs
from tinydistill.training.classifier import Scoring
from tinydistill.training.scoring import make_scoring

CLASSES = make_scoring(GivenTask().target, GivenTask().validation(), monitor="accuracy")
NUMBERS = make_scoring(Target(), GivenTask(regression=True).validation(), monitor="pearson")


def model(head: Head = CLASSES.kind.head, layers: int = 1, **options) -> PreTrainedModel:
    return add_head(bert(layers, 16, hidden_dropout_prob=0.3, **options), head, seed=0)


def predictor(scoring: Scoring = CLASSES, **options) -> LogitDistiller:
    return LogitDistiller(model(scoring.kind.head), scoring, **options)


@pytest.fixture
def rows(tokenizer, tmp_path):
    """Batches of fifty rows, of four in training and of sixteen elsewhere."""

    def make(source: GivenTask | None = None, **options) -> TaskDataModule:
        settings = {"max_length": 12, "batch_size": 4, "cache_dir": tmp_path / "cache", **options}
        return TaskDataModule(source or GivenTask(), tokenizer, **settings)

    return make


def test_merged_the_losses_of_layers_and_logits_add_up_from_one_forward_pass_each():
    objective = Objective((2,), scale="raw")
    student, teacher = add_head(bert(1, 16, hidden_dropout_prob=0), Head(("no", "yes")), seed=0), bert(2, 32, seed=1)
    batch = {"input_ids": torch.randint(5, 27, (3, 8)), "teacher_logits": torch.randn(3, 2)}
    passes: list[str] = []
    student.base_model.embeddings.register_forward_hook(lambda *_: passes.append("student"))
    teacher.embeddings.register_forward_hook(lambda *_: passes.append("teacher"))
    merged = MergedDistiller(teacher, student.eval(), objective, CLASSES, temperature=2.0)
    merged.eval()
    logged: dict[str, torch.Tensor] = {}
    merged.log_training = logged.update
    loss = merged.training_step(batch, 0)
    assert passes == ["student", "teacher"]
    prediction = merged.loss(student(**encoder_inputs(batch)).logits, batch)
    _, terms = LayerDistiller(teacher, student.base_model, objective).eval().imitation(batch)
    torch.testing.assert_close(loss, objective.total(terms) + prediction)
    assert {"train/raw/hidden/1", "train/raw/attention/1", "train/raw/prediction"} < logged.keys()


# the loss

STUDENT, TEACHER = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).unbind()
LABELS = torch.tensor([0, 6, 3, 3, 1])
BATCH = {"teacher_logits": TEACHER, "labels": LABELS}


def naive(temperature: float = 1.0) -> float:
    """Cross-entropy as its definition says: a sum over classes, a mean over rows."""
    rows = []
    for student, teacher in zip(STUDENT.double(), TEACHER.double(), strict=True):
        target, log = (teacher / temperature).softmax(0), (student / temperature).log_softmax(0)
        rows.append(-sum(t * s for t, s in zip(target, log, strict=True)))
    return float(sum(rows) / len(rows))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_loss_is_a_sum_over_classes_and_a_mean_over_the_batch(temperature):
    loss = predictor(temperature=temperature).loss(STUDENT, BATCH)
    assert float(loss) == pytest.approx(naive(temperature), rel=1e-5)
    # the original took the mean over classes too
    assert float(loss) != pytest.approx(naive(temperature) / STUDENT.shape[1], rel=0.5)


def test_a_sure_teacher_is_as_good_as_labels():
    sure = 1e4 * torch.nn.functional.one_hot(LABELS, 7)
    soft = predictor().loss(STUDENT, {**BATCH, "teacher_logits": sure})
    assert float(soft) == pytest.approx(float(torch.nn.functional.cross_entropy(STUDENT, LABELS)), rel=1e-5)


def test_scaled_by_the_temperature_gradients_keep_their_size():
    def gradient(**options) -> float:
        student = (STUDENT / 100).requires_grad_()
        predictor(**options).loss(student, {**BATCH, "teacher_logits": TEACHER / 100}).backward()
        return float(student.grad.norm())

    assert gradient(temperature=8.0, scale_by_temperature=True) == pytest.approx(gradient(), rel=0.1)
    assert gradient(temperature=8.0) == pytest.approx(gradient() / 64, rel=0.1)
    plain, scaled = (predictor(temperature=2.0, scale_by_temperature=on).loss(STUDENT, BATCH) for on in (False, True))
    assert float(scaled) == pytest.approx(4 * float(plain))


def test_labels_have_their_share_of_the_loss():
    hard = float(torch.nn.functional.cross_entropy(STUDENT, LABELS))
    shared = predictor(hard_share=0.25, temperature=2.0).loss(STUDENT, BATCH)
    assert float(shared) == pytest.approx(0.75 * naive(2.0) + 0.25 * hard, rel=1e-5)
    assert float(predictor(hard_share=1.0).loss(STUDENT, BATCH)) == pytest.approx(hard)


def test_a_regression_learns_the_teachers_scores():
    student, teacher, labels = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [4.0]]), torch.tensor([1.0, 1.0])
    batch = {"teacher_logits": teacher, "labels": labels}
    assert float(predictor(NUMBERS).loss(student, batch)) == pytest.approx(2.5)
    assert float(predictor(NUMBERS, temperature=3.0, scale_by_temperature=True).loss(student, batch)) == 2.5
    assert float(predictor(NUMBERS, hard_share=0.5).loss(student, batch)) == pytest.approx(0.5 * 2.5 + 0.5 * 0.5)


# stored logits


class Counted:
    """A teacher that is loaded on demand, and how often it was loaded and run."""

    def __init__(self, **options):
        self.loads = self.forwards = 0
        self.model = model(layers=2, initializer_range=0.2, **options).train()
        self.model.register_forward_hook(self._count)

    def _count(self, *_):
        self.forwards += 1

    def __call__(self) -> PreTrainedModel:
        self.loads += 1
        return self.model


def test_stored_logits_are_the_teachers_in_eval_mode_row_by_row(rows):
    data, teacher = rows(), Counted()
    stored = stored_logits(data, data.train, "teacher", teacher)
    assert isinstance(stored, np.memmap)
    assert stored.dtype == np.float32
    for batch in data.loader(data.train):
        expected = teacher.model.eval()(**encoder_inputs(batch)).logits.detach()
        torch.testing.assert_close(torch.from_numpy(stored[batch["row"]]), expected, rtol=1e-5, atol=1e-6)


def test_logits_are_computed_once_for_a_teacher_and_its_rows(rows):
    teacher = Counted()
    first = stored_logits(rows(), rows().train, "teacher", teacher)
    seen = teacher.forwards
    again = rows(batch_size=2)
    assert np.array_equal(stored_logits(again, again.train, "teacher", teacher), first)
    assert (teacher.loads, teacher.forwards) == (1, seen)
    shorter = rows(max_length=5)
    stored_logits(again, again.train, "another teacher", teacher)
    stored_logits(again, again.validation["matched"], "teacher", teacher)
    stored_logits(shorter, shorter.train, "teacher", teacher)
    assert teacher.loads == 4


def test_a_computation_that_was_cut_leaves_nothing(rows):
    data, teacher = rows(), Counted()
    teacher.model.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stored_logits(data, data.train, "teacher", teacher)
    assert not list(data.cache_dir.glob("*logits*/*"))
    assert len(stored_logits(data, data.train, "teacher", Counted())) == 50


class Losses(pl.Callback):
    """The losses of a run, and how often the teacher had run when each epoch ended."""

    def __init__(self, teacher: Counted):
        self.teacher = teacher
        self.losses, self.forwards = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(float(outputs["loss"]))
        if batch_idx + 1 == trainer.num_training_batches:
            self.forwards.append(self.teacher.forwards)


class OnTheFly(LogitDistiller):
    """What it must equal: the teacher runs beside the student on every batch."""

    teacher: Counted

    def training_step(self, batch, batch_idx):
        with torch.no_grad():
            logits = self.teacher.model.eval()(**encoder_inputs(batch)).logits
        return super().training_step({**batch, "teacher_logits": logits}, batch_idx)


def trained(data: TaskDataModule, teacher: Counted, kind: type[LogitDistiller], tmp_path) -> Losses:
    torch.manual_seed(0)
    module, losses = kind(model(), CLASSES, learning_rate=1e-3), Losses(teacher)
    module.__dict__["teacher"] = teacher
    if kind is LogitDistiller:
        data.teacher_logits = stored_logits(data, data.train, "teacher", teacher)
    run = quiet_trainer(tmp_path, losses, max_epochs=2, num_sanity_val_steps=0)
    run.fit(module, datamodule=data)
    return losses


def test_later_epochs_and_later_runs_do_without_the_teacher_and_have_the_same_losses(rows, tmp_path):
    teacher = Counted()
    stored = trained(rows(), teacher, LogitDistiller, tmp_path)
    once = 4  # batches of sixteen
    assert stored.forwards == [once, once]  # before the first epoch; none in the second
    again = trained(rows(), teacher, LogitDistiller, tmp_path)
    assert again.forwards == [once, once]
    assert again.losses == stored.losses
    live = trained(rows(), teacher, OnTheFly, tmp_path)
    assert live.forwards == [once + 13, once + 26]
    assert live.losses == pytest.approx(stored.losses, rel=1e-4)


def test_a_regressions_logits_are_one_score_a_row(rows):
    data = rows(GivenTask(regression=True))
    logits = compute_logits(model(NUMBERS.kind.head), NUMBERS.kind, data.loader(data.train), 50)
    assert logits.shape == (50, 1)


def test_every_split_is_scored(rows, tmp_path):
    data = rows()
    seen = quiet_trainer(tmp_path).validate(predictor(), datamodule=data, verbose=False)
    assert {name for found in seen for name in found} == {"matched/accuracy", "mismatched/accuracy"}
