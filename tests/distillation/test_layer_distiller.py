import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from tests.conftest import bert
from tinydistill.distillation.layer_distiller import LayerDistiller, unexplained
from tinydistill.distillation.objective import Objective, Weights
from tinydistill.training.optimization import Optimization

IDS = torch.randint(5, 27, (64, 12), generator=torch.Generator().manual_seed(0))
OPTIMISATION = Optimization(steps=40, learning_rate=1e-2, warmup=0.1, weight_decay=0.01)


@pytest.fixture
def distiller() -> LayerDistiller:
    torch.manual_seed(0)
    objective = Objective((2, 4), Weights(), student_width=16, teacher_width=32)
    teacher = bert(4, 32, seed=1, initializer_range=0.2, hidden_dropout_prob=0.5)
    return LayerDistiller(bert(2, 16, hidden_dropout_prob=0.5), teacher, objective, OPTIMISATION)


def loader() -> DataLoader:
    return DataLoader(IDS, batch_size=16, collate_fn=lambda rows: {"input_ids": torch.stack(rows)})


def trainer(tmp_path, steps: int = 8, **options) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **options,
    )


def test_the_rate_rises_linearly_and_falls_linearly_to_zero():
    rates = [Optimization(10, 1.0, 0.2, 0).rate(step) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    assert Optimization(1, 1.0, 0.1, 0).rate(0) == 1


def test_biases_and_layer_norms_do_not_decay(distiller):
    decayed, free = OPTIMISATION.optimizer(distiller).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0)
    assert all(p.ndim > 1 for p in decayed["params"])
    norm = distiller.student.embeddings.LayerNorm.weight
    assert any(p is norm for p in free["params"])


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
    assert unexplained(last).keys() == {f"{n}/{m}" for n in ("hidden", "attention") for m in (1, 2)} | {"embedding/0"}
    for name, value in distiller.imitation.teacher.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_the_loss_does_not_reach_is_frozen(distiller):
    distiller.freeze_unreached({"input_ids": IDS[:1]})
    frozen = {name for name, p in distiller.named_parameters() if not p.requires_grad}
    assert frozen == {"student.pooler.dense.weight", "student.pooler.dense.bias"}


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
