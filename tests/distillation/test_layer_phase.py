"""A layered training as stages run it: measured before and after, and resumed where it was cut."""

from datetime import timedelta
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, Timer
from pytorch_lightning.loggers import CSVLogger

from tests.conftest import bert, sentences
from tests.data.conftest import GivenTask
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.layer_phase import begin, chosen_mapping, distill_layers, end
from tinydistill.distillation.logit_distiller import MergedDistiller
from tinydistill.distillation.objective import Objective
from tinydistill.models.heads import Head, add_head
from tinydistill.training.checkpoints import best_checkpoint, last_checkpoint
from tinydistill.training.epochs import EpochScores
from tinydistill.training.progress import Progress
from tinydistill.training.scoring import make_scoring
from tinydistill.training.task_fit import fit_task

TEXTS = [" ".join(sentences(1 + seed % 4, seed)) for seed in range(60)]


class Cut(pl.Callback):
    """Stops a run before a step."""

    def __init__(self, step: int):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            raise KeyError("cut")


def trainer(directory: Path, *callbacks: pl.Callback, **options) -> pl.Trainer:
    resumable = ModelCheckpoint(
        directory / "checkpoints",
        "last",
        enable_version_counter=False,
        save_on_exception=True,
        train_time_interval=timedelta(minutes=5),
    )
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        num_sanity_val_steps=0,
        logger=CSVLogger(directory / "logs", name="csv"),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=directory,
        callbacks=[Timer(), Progress(), resumable, *callbacks],
        **options,
    )


def test_a_run_that_was_cut_in_its_second_epoch_reports_what_it_would_have_reported(tmp_path, tokenizer, capsys):
    def run(directory: Path, *callbacks: pl.Callback) -> tuple[dict, LayerDistiller, list[str]]:
        torch.manual_seed(0)
        teacher, student = bert(4, 32, seed=1, initializer_range=0.2), bert(2, 16)
        objective = Objective(chosen_mapping(directory) or (2, 4), scale="teacher_variance")
        distiller = LayerDistiller(teacher, student, objective, learning_rate=1e-2)
        data = TextDataModule(TEXTS, tokenizer, max_length=16, batch_size=8, heldout_blocks=6, cache_dir=tmp_path / "c")
        initialized: list[str] = []
        report = distill_layers(
            trainer(directory, *callbacks),
            distiller,
            data,
            directory=directory,
            initialize=lambda: initialized.append("first weights"),
        )
        return report, distiller, initialized

    straight, distiller, initialized = run(tmp_path / "straight")
    assert initialized == ["first weights"]
    assert (straight["mapping"], straight["steps"]) == ((2, 4), 32)
    assert sum(row["unexplained"] - row["unexplained_before"] for row in straight["layers"]) < 0
    assert [row["floor"] is None for row in straight["layers"]] == [False, False, False, True, True]
    assert (tmp_path / "straight" / "logs" / "attention.png").is_file()
    said = capsys.readouterr().out
    assert "learns from teacher" in said
    assert "plan: 32 steps of 8 blocks, 4.1 k tokens in all: " in said

    with pytest.raises(KeyError, match="cut"):
        run(tmp_path / "cut", Cut(25))
    assert last_checkpoint(tmp_path / "cut")
    assert chosen_mapping(tmp_path / "cut") == (2, 4)
    resumed, again, initialized = run(tmp_path / "cut")
    assert initialized == []
    assert {**resumed, "seconds": 0, "mapping": 0} == {**straight, "seconds": 0, "mapping": 0}
    for ours, theirs in zip(again.parameters(), distiller.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert "going on from" in capsys.readouterr().out


def test_a_task_is_fitted_and_ends_with_its_best_weights_and_merged_phases_report_layers_too(tmp_path, tokenizer):
    data = TaskDataModule(GivenTask(), tokenizer, max_length=12, batch_size=8, cache_dir=tmp_path / "c")
    teacher, student = bert(4, 32, seed=1, initializer_range=0.2), add_head(bert(2, 16), Head(("no", "yes")), seed=0)
    data.teacher_logits = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).numpy()
    scoring = make_scoring(data.target, data.validation, monitor="accuracy", metrics=("f1", "accuracy"))
    assert (scoring.metrics, scoring.monitored) == (("accuracy", "f1"), "matched/accuracy")
    objective = Objective((2, 4))
    probe = LayerDistiller(teacher, student.base_model, objective)
    silent = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    before = begin(silent, probe, data, tmp_path)
    run = trainer(tmp_path, best_checkpoint(tmp_path, scoring.monitored), EpochScores(scoring))
    module = MergedDistiller(teacher, student, objective, scoring, learning_rate=1e-2)
    report = fit_task(run, module, data, checkpoint=last_checkpoint(tmp_path)) | end(silent, probe, data, before)
    assert (report["steps"], report["best_step"] in (7, 14)) == (14, True)
    assert set(report["scores"]) == {"matched", "mismatched"}
    assert report["train_loss"] > 0
    assert sum(row["unexplained"] - row["unexplained_before"] for row in report["layers"]) < 0
    assert (tmp_path / "logs" / "predictions.csv").is_file()
