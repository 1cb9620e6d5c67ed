import math

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch.utils.data import DataLoader

from tests.conftest import bert
from tests.trainers import quiet_trainer
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.losses import RelationKL
from tinydistill.distillation.objective import Objective
from tinydistill.models.observation import release

IDS = torch.randint(5, 27, (64, 12), generator=torch.Generator().manual_seed(0))


def make(objective: Objective | None = None, **options) -> LayerDistiller:
    torch.manual_seed(0)
    teacher = bert(4, 32, seed=1, initializer_range=0.2, hidden_dropout_prob=0.5)
    student = bert(2, 16, hidden_dropout_prob=0.5)
    return LayerDistiller(teacher, student, objective or Objective((2, 4)), learning_rate=1e-2, **options)


@pytest.fixture
def distiller() -> LayerDistiller:
    return make()


def loader() -> DataLoader:
    return DataLoader(IDS, batch_size=16, collate_fn=lambda rows: {"input_ids": torch.stack(rows)})


def trainer(tmp_path, *callbacks, steps: int = 8, **options) -> pl.Trainer:
    return quiet_trainer(tmp_path, *callbacks, max_steps=steps, **options)


def test_the_teacher_is_no_part_of_what_is_trained_or_saved(distiller):
    teacher = {id(p) for p in distiller.imitation.teacher.parameters()}
    assert not teacher & {id(p) for p in distiller.parameters()}
    assert {name.split(".")[0] for name in distiller.state_dict()} == {"student", "imitation"}
    assert not any(p.requires_grad for p in distiller.imitation.teacher.parameters())


def test_the_teacher_never_leaves_eval_mode_while_the_student_trains(distiller, tmp_path):
    modes = []
    distiller.student.embeddings.register_forward_hook(lambda m, *_: modes.append(("student", m.training)))
    distiller.imitation.teacher.embeddings.register_forward_hook(lambda m, *_: modes.append(("teacher", m.training)))
    trainer(tmp_path).fit(distiller, loader())
    assert set(modes) == {("student", True), ("teacher", False)}


def test_training_lowers_every_held_out_term_and_leaves_the_teacher_alone(distiller, tmp_path):
    before = {name: value.clone() for name, value in distiller.imitation.teacher.state_dict().items()}
    run = trainer(tmp_path, steps=40, gradient_clip_val=1.0, num_sanity_val_steps=0)
    (first,) = run.validate(distiller, loader(), verbose=False)
    run.fit(distiller, loader())
    (last,) = run.validate(distiller, loader(), verbose=False)
    assert last["heldout/loss"] < first["heldout/loss"]
    assert last.keys() == first.keys()
    terms = {f"{n}/{m}" for n in ("hidden", "attention") for m in (1, 2)} | {"embedding/0"}
    assert {name for name in last if "/unexplained/" in name} == {f"heldout/unexplained/{term}" for term in terms}
    for name, value in distiller.imitation.teacher.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_the_loss_does_not_reach_is_frozen_while_it_trains(distiller, tmp_path):
    trained: set[str] = set()

    class Watch(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            groups = trainer.optimizers[0].param_groups
            optimized = {id(p) for group in groups for p in group["params"]}
            trained.update(name for name, p in pl_module.named_parameters() if id(p) in optimized)

    trainer(tmp_path, Watch(), steps=1).fit(distiller, loader())
    names = {name for name, _ in distiller.named_parameters()}
    assert names - trained == {"student.pooler.dense.weight", "student.pooler.dense.bias"}
    assert all(p.requires_grad for p in distiller.parameters())


@pytest.mark.parametrize("validated", [True, False])
def test_where_nobody_has_measured_the_teacher_it_is_measured_before_the_first_step(distiller, tmp_path, validated):
    random = torch.get_rng_state()
    loaders = [loader()] if validated else []
    trainer(tmp_path, steps=1, num_sanity_val_steps=0).fit(distiller, loader(), *loaders)
    objective = distiller.imitation.objective
    measured = list(objective.variances)
    torch.set_rng_state(random)
    distiller.imitation.measure_teacher(loader())
    assert measured == pytest.approx(objective.variances)


def test_statistics_that_were_given_stay(distiller, tmp_path):
    distiller.imitation.objective.variances = [3.0] * 5
    trainer(tmp_path, steps=1).fit(distiller, loader(), loader())
    assert distiller.imitation.objective.variances == [3.0] * 5


def test_of_several_validation_loaders_the_first_is_the_held_out_one(distiller, tmp_path):
    alone = trainer(tmp_path).validate(distiller, loader(), verbose=False)[0]
    other = DataLoader(IDS[:16], batch_size=8, collate_fn=lambda rows: {"input_ids": torch.stack(rows)})
    first, _second = trainer(tmp_path).validate(distiller, [loader(), other], verbose=False)
    assert first == pytest.approx(alone)


def test_an_objective_of_relations_alone_trains_too(tmp_path):
    made = make(Objective((None, 4), {"relation": RelationKL(relation_heads=8)}))
    run = trainer(tmp_path, steps=4)
    run.fit(made, loader(), loader())
    assert math.isfinite(run.callback_metrics["heldout/loss"])


def test_averaged_weights_are_validated_and_kept(distiller, tmp_path):
    run = trainer(tmp_path, EMAWeightAveraging(decay=0.5))
    run.fit(distiller, loader(), loader())
    assert math.isfinite(run.callback_metrics["heldout/loss"])
    assert run.current_epoch == 2


def test_optimizer_and_schedule_are_factories(tmp_path):
    made = make(optimizer=torch.optim.Adafactor, scheduler=None)
    run = trainer(tmp_path, steps=1)
    run.fit(made, loader(), loader())
    assert isinstance(run.optimizers[0], torch.optim.Adafactor)
    assert run.optimizers[0].param_groups[0]["lr"] == 1e-2


def test_the_student_is_an_ordinary_encoder_again_when_it_is_released(distiller, tmp_path):
    trainer(tmp_path, steps=1).fit(distiller, loader())
    student = release(distiller.student).eval()
    assert student(IDS[:2]).pooler_output.shape == (2, 16)


def test_gradients_are_clipped_by_norm(distiller, tmp_path, monkeypatch):
    norms = []
    step = torch.optim.AdamW.step

    def watch(self, closure=None):
        def clipped():
            loss = closure()
            grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
            norms.append(torch.stack([g.norm() for g in grads]).norm().item())
            return loss

        return step(self, clipped)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    trainer(tmp_path, steps=3, gradient_clip_val=0.1).fit(distiller, loader())
    assert norms == pytest.approx([0.1] * 3, rel=1e-3)
