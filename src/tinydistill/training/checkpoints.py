"""Lightning's checkpoints as runs here use them: one to go on from, and the weights that scored best."""

import functools
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from tinydistill.artifacts.files import archive_damage, clear, written
from tinydistill.console import say
from tinydistill.errors import RunError
from tinydistill.models.finite import not_finite
from tinydistill.ranks import rank

_LAST, _PREVIOUS, _BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or not there; the one to go on from leaves the one before it as previous.ckpt."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint beside its place, and move it there when it is on the disk."""
        place, serialized = Path(path), io.BytesIO()
        torch.save(checkpoint, serialized)
        place.parent.mkdir(parents=True, exist_ok=True)
        clear(place.parent)
        before = place.with_name(_PREVIOUS) if place.name == _LAST else None
        with written(place, size=serialized.getbuffer().nbytes, previous=before) as partial:
            partial.write_bytes(serialized.getbuffer())


def last_checkpoint(directory: Path) -> Path | None:
    """The checkpoint to go on from, if an earlier run left one: the newest that is undamaged, which is said.

    There is none where the best weights of the run are damaged: training must find them again.
    """
    places = [directory / "checkpoints" / name for name in (_BEST, _LAST, _PREVIOUS)]
    damaged = [path for path in places if path.is_file() and _damage(path)]
    whole = [path for path in places[1:] if path.is_file() and path not in damaged]
    if places[0] in damaged:
        damaged, whole = [*whole, *damaged], []  # the best ones last: they say why the others aren't gone on from
    for path in damaged:
        then = f"going on from {whole[0].name}" if whole else "training begins anew"
        if wrong := _damage(path):
            say(f"{path} is damaged ({wrong}): {then}")
        if rank() == 0:
            path.unlink()
    return whole[0] if whole else None


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None where nothing is."""
    found = path.stat()
    return _wrong(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache(64)
def _wrong(path: Path, *_: int) -> str | None:
    if wrong := archive_damage(path):
        return wrong
    states = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    weights = (item for name in ("state_dict", "current_model_state") for item in states.get(name, {}).items())
    broken = not_finite(weights)
    return f"{broken} isn't finite" if broken else None


def validate_when_resumed(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Change a checkpoint that is saved before the validation of its step, or in it, so that all of it comes first.

    Lightning's would go on with the next step, or with the rest of the validation, and the best weights be lost.
    """
    loop = trainer.fit_loop.epoch_loop
    measured, learned = loop.val_loop.batch_progress, loop.batch_progress.current
    within = trainer.validating and not (
        measured.is_last_batch and measured.current.completed == measured.current.ready
    )
    due = learned.completed < learned.processed and loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
    if not (within or due):
        return
    if within and "current_model_state" in checkpoint:  # averaged weights: they have changed places to be measured
        names = "state_dict", "current_model_state"
        checkpoint |= dict(zip(names, [checkpoint[name] for name in reversed(names)], strict=True))
    state = checkpoint["loops"]["fit_loop"]
    for counts in (state["epoch_loop.batch_progress"][scope] for scope in ("total", "current")):
        counts["completed"] = counts["processed"]
    begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    state["epoch_loop.val_loop.batch_progress"] |= {"total": begun, "current": dict.fromkeys(begun, 0)}


def best_checkpoint(directory: Path, monitor: str, mode: str = "max") -> ModelCheckpoint:
    """The weights as they were when a validation score was best, the first time on a tie; nan is never best.

    The file's name is fixed: a run that goes on from an older checkpoint finds weights there that are at least as good
    as those that it knows of.
    """
    return ModelCheckpoint(
        directory / "checkpoints",
        filename="best",
        monitor=monitor,
        mode=mode,
        enable_version_counter=False,
        save_weights_only=True,
        save_on_train_epoch_end=False,  # but when there is a score
    )


def load_best(trainer: pl.Trainer, module: pl.LightningModule) -> int:
    """Put the best weights of a run back, and return the optimizer step that they are of.

    Those that the run has ended with, where it was never validated or the trainer keeps no best ones. Raises RunError
    where they aren't as they were written.
    """
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            if wrong := _damage(Path(callback.best_model_path)):
                raise RunError(f"{callback.best_model_path} is damaged ({wrong}): the same command trains anew")
            checkpoint = torch.load(callback.best_model_path, map_location="cpu", weights_only=True)
            module.load_state_dict(checkpoint["state_dict"])
            return int(checkpoint["global_step"])
    return int(trainer.global_step)
