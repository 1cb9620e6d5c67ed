"""The phases of task distillation: each is run once, in a directory of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from safetensors.torch import load_model, save_model
from transformers import PreTrainedModel

from tinydistill.artifacts import read_json, write_json
from tinydistill.console import say
from tinydistill.data.tasks import TaskDataModule
from tinydistill.distillation.predictor import Predictor
from tinydistill.ranks import rank
from tinydistill.stages import parts, scoring
from tinydistill.stages.lookup import Values
from tinydistill.training import runtime
from tinydistill.training.classifier import BestWeights, Scoring
from tinydistill.training.optimisation import Optimisation


def once(directory: Path, student: PreTrainedModel, phase: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Runs a phase on the student; where an earlier run has finished it, takes its weights and report from there."""
    if (directory / "report.json").is_file():
        say(f"{directory.name}: finished before")
        load_model(student, directory / "student.safetensors")
        return read_json(directory / "report.json")
    report = phase()
    if rank() == 0:
        save_model(student, str(directory / "student.safetensors"))
        write_json(directory / "report.json", report)  # the last thing written: with it the phase is finished
    return report


def predict(
    values: Values, directory: Path, data: TaskDataModule, student: PreTrainedModel, scored: Scoring
) -> dict[str, Any]:
    """The prediction phase, going on from a checkpoint below `directory`; the student ends with its best weights."""
    options = values["prediction"]
    pl.seed_everything(values["seed"], verbose=False)
    timer, best = Timer(), BestWeights(scored.monitored)
    trainer = parts.trainer(
        values, directory, clip=options["clip"], accumulate=options["accumulate"], callbacks=[timer, best]
    )
    data.trainer = trainer  # the number of steps depends on the number of devices
    # after every epoch: what is chosen must not depend on conf/trainer
    trainer.val_check_interval = data.total_batches // max(1, round(data.total_batches / data.batches_per_epoch))
    optimisation = Optimisation(data.total_steps, options["learning_rate"], options["warmup"], options["weight_decay"])
    soft = {name: options[name] for name in ("temperature", "scale_by_temperature", "hard_share")}
    predictor = Predictor(student, optimisation, scored, **soft)
    checkpoint = runtime.last_checkpoint(directory)
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(predictor, datamodule=data, ckpt_path=checkpoint)
    loss = trainer.callback_metrics.get("train/loss")  # none where a resumed run had no step left to do
    best.restore(predictor)
    scores = scoring.validate(trainer, predictor, data)
    runtime.finish(trainer)
    return {
        "scores": scores,
        "train_loss": None if loss is None else float(loss),
        "steps": data.total_steps,
        "best_step": best.step,
        "seconds": round(timer.time_elapsed("train"), 1),
    }
