"""What dashboards show beside the metrics that Lightning logs: lineage, pictures, tables, the teacher's line.

Everything that is peculiar to Weights & Biases and MLflow is here. The other loggers get what they have a place for:
TensorBoard and trackio pictures and tables, the CSV logger's directory both as files.

Shapes: H heads, L tokens.
"""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from tinydistill.artifacts.portable import without_home
from tinydistill.console import say
from tinydistill.escaping import for_markdown, spreadsheet_cell
from tinydistill.training.trackio_logger import TrackioLogger

_PLACES = ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR")
_SIZE = 256  # pixels of an attention map
_GAP = 8


@dataclass(frozen=True)
class Product:
    """What a run makes or takes: an artifact by its name, the stage that made it, and the settings it was made with.

    The same settings are the same version: a run that takes it is joined to the one that made it, without a copy.
    """

    name: str
    stage: str
    settings: Mapping[str, Any]
    path: str


def wandb_logger(
    save_dir: str | Path,
    *,
    project: str = "tinydistill",
    group: str | None = None,
    run_name: str | None = None,
    run_config: Mapping[str, Any] | None = None,
    run_tags: Sequence[str] = (),
    cache_dir: str | Path | None = None,
) -> WandbLogger:
    """A run in Weights & Biases, writing below `save_dir`. Without a key it is offline, and says so.

    Its caches go below `cache_dir`, or `save_dir`, and not into the home directory.
    """
    import wandb

    Path(save_dir).mkdir(parents=True, exist_ok=True)
    keep_caches_below(Path(cache_dir or save_dir))
    if not (os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE") or _has_netrc_key()):
        os.environ["WANDB_MODE"] = "offline"
        say(
            "Weights & Biases has no key: logged offline, into the artifact's logs/wandb; wandb sync DIR sends it later"
        )
    os.environ.setdefault("WANDB_SILENT", "true")  # it would tell of a directory that is moved in the end
    logger = WandbLogger(
        name=run_name,
        project=project,
        group=group,
        save_dir=save_dir,
        config=without_home(dict(run_config or {})),
        tags=list(run_tags),
        settings=wandb.Settings(console="off", host="localhost", username="", x_disable_meta=True),
    )
    logger._wandb_init.pop("anonymous", None)  # Lightning's own, of which W&B warns that it has no effect
    return logger


def mlflow_logger(
    directory: str | Path,
    *,
    experiment_name: str = "tinydistill",
    run_name: str | None = None,
    run_config: Mapping[str, Any] | None = None,
    run_tags: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    **options: Any,
) -> MLFlowLogger:
    """A run in MLflow, at the server of MLFLOW_TRACKING_URI or in the database `mlflow.db` of a directory.

    It begins at once, with its configuration as parameters, so that a server that can't be reached is no late surprise.
    Its tags are `run_tags`, each KEY:VALUE, and `tags`; the user's name and the program's path aren't among them.
    """
    Path(directory).mkdir(parents=True, exist_ok=True)
    local = {
        "tracking_uri": f"sqlite:///{Path(directory).absolute() / 'mlflow.db'}",
        "artifact_location": str(Path(directory).absolute() / "mlflow-artifacts"),
    }
    server = {"tracking_uri": os.environ.get("MLFLOW_TRACKING_URI")}
    unnamed = {"mlflow.user": "", "mlflow.source.name": "tinydistill"}
    logger = MLFlowLogger(
        experiment_name=experiment_name,
        run_name=run_name,
        tags=unnamed | dict(tag.split(":", 1) for tag in run_tags) | dict(tags or {}),
        **(server if server["tracking_uri"] else local) | options,
    )
    logger.log_hyperparams(without_home(dict(run_config or {})))
    return logger


def keep_caches_below(directory: Path) -> None:
    """Have Weights & Biases keep its files there, not in the home directory; a user's own choice stands."""
    for variable in _PLACES:
        os.environ.setdefault(variable, str(directory.absolute()))
        Path(os.environ[variable]).mkdir(parents=True, exist_ok=True)


def _has_netrc_key() -> bool:
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    return netrc.is_file() and "wandb" in netrc.read_text(encoding="utf-8")


class Lineage(pl.Callback):
    """Tell Weights & Biases which artifacts a run takes and which it makes: their names and settings, no weights."""

    def __init__(self, made: Product | None, taken: Sequence[Product]):
        self.made, self.taken = made, taken

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What is taken; offline, where W&B can't join runs, it stands in the configuration alone."""
        for run in _wandb_runs(trainer.loggers):
            run.config.update({"takes": [f"{product.stage}/{product.name}" for product in self.taken]})
            for product in self.taken if not run.offline else ():
                run.use_artifact(_artifact(product))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What is made."""
        for run in _wandb_runs(trainer.loggers):
            if self.made is not None:
                run.log_artifact(_artifact(self.made))


def _artifact(product: Product) -> Any:
    import wandb

    artifact = wandb.Artifact(product.name, type=product.stage, metadata={"path": without_home(product.path)})
    with artifact.new_file("settings.json") as file:
        json.dump(without_home(product.settings), file, indent=2, sort_keys=True)
    return artifact


class TeachersLine(pl.Callback):
    """Log the teacher's scores beside the student's at every validation: a line to compare with."""

    def __init__(self, scores: Mapping[str, Mapping[str, float | None]]):
        self.scores = scores

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """As teacher/SPLIT/METRIC."""
        for split, of_split in self.scores.items():
            for metric, score in of_split.items():
                if score is not None:
                    pl_module.log(f"teacher/{split}/{metric}", score)


def log_picture(loggers: Sequence[Logger], name: str, picture: NDArray[np.uint8], step: int) -> None:
    """A picture [height, width, 3] for every logger."""
    from PIL import Image

    image = Image.fromarray(picture)
    for logger in loggers:
        if isinstance(logger, WandbLogger | TrackioLogger):
            logger.log_image(name, [image])
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, picture, step, dataformats="HWC")
        elif isinstance(logger, CSVLogger):
            file = _file_beside(logger, f"{name}.png")
            image.save(file)


def attention_picture(maps: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.uint8]:
    """Means over heads of attention probabilities [height, width, 3].

    A column a pair (student's [H, L, L], teacher's [H, L, L]), the teacher above, the student below.
    """
    columns = []
    for student, teacher in maps:
        between = np.full((_GAP, _SIZE, 3), 128, np.uint8)
        columns.append(np.concatenate([_colored(teacher), between, _colored(student)]))
        columns.append(np.full((2 * _SIZE + _GAP, _GAP, 3), 128, np.uint8))
    return np.concatenate(columns[:-1], axis=1)


def _colored(map_HLL: Tensor) -> NDArray[np.uint8]:
    """By the square root of the share, as most shares are small."""
    from matplotlib import colormaps

    map_LL = map_HLL.mean(0).cpu()
    share = (map_LL / map_LL.max()).sqrt().numpy()
    place = np.arange(_SIZE) * len(share) // _SIZE
    colored: NDArray[np.uint8] = colormaps["Blues"](share[place][:, place], bytes=True)[..., :3]
    return colored


def log_table(loggers: Sequence[Logger], name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for every logger."""
    for logger in loggers:
        if isinstance(logger, WandbLogger | TrackioLogger):
            logger.log_table(name, columns=list(columns), data=[list(row) for row in rows])
        elif isinstance(logger, TensorBoardLogger):
            cells = [[for_markdown(str(cell)) for cell in line] for line in (columns, *rows)]
            lines = [cells[0], ["---"] * len(columns), *cells[1:]]
            logger.experiment.add_text(name, "\n".join(f"| {' | '.join(line)} |" for line in lines))
        elif isinstance(logger, CSVLogger):
            with _file_beside(logger, f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
                kept = (list(map(spreadsheet_cell, row)) for row in (columns, *rows))
                csv.writer(out, lineterminator="\n").writerows(kept)


def _file_beside(logger: CSVLogger, name: str) -> Path:
    file = Path(logger.save_dir) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def finish(loggers: Sequence[Logger]) -> None:
    """Close what is held open: W&B would let the next job of a process log into this one's run."""
    for logger in loggers:
        if isinstance(logger, TrackioLogger):
            logger.finish()
    if any(isinstance(logger, WandbLogger) for logger in loggers):
        import wandb

        wandb.finish()


def _wandb_runs(loggers: Sequence[Logger]) -> list[Any]:
    runs = [logger.experiment for logger in loggers if isinstance(logger, WandbLogger)]
    # ranks other than the first have none, and WANDB_MODE=disabled has one that does nothing
    return [run for run in runs if hasattr(run, "use_artifact") and not run.disabled]
