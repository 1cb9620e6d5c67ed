"""A Lightning logger for trackio, which has none of its own: metrics in a local database, without an account."""

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from tinydistill.artifacts.portable import without_home
from tinydistill.errors import InputError


class TrackioLogger(Logger):
    """A run of trackio, in the database of a project.

    Args:
        directory: where the databases are, unless TRACKIO_DIR says where; one for all runs of a process.
        project: the database.
        run_name: of the run; without one trackio makes one up.
        group: what runs are shown together by.
        run_config: what the run was made with.
        options: of `trackio.init`, such as `space_id`, which sends the run to a Space of the hub.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        project: str = "tinydistill",
        run_name: str | None = None,
        group: str | None = None,
        run_config: Mapping[str, Any] | None = None,
        **options: Any,
    ):
        super().__init__()
        os.environ.setdefault("TRACKIO_DIR", str(Path(directory).absolute()))  # which trackio reads once: at its import
        try:
            import trackio
        except ModuleNotFoundError as error:
            raise InputError("trackio is not installed", "pip install trackio") from error
        if (used := Path(trackio.utils.TRACKIO_DIR)) != (asked := Path(os.environ["TRACKIO_DIR"])):
            raise InputError(f"trackio writes to {used} in this process already, not to {asked}")
        self._trackio, self._project, self._run_name = trackio, project, run_name
        about = {"group": group, "config": without_home(dict(run_config or {}))}
        self._options = {**about, "embed": False, "auto_log_cpu": False, "auto_log_gpu": False, **options}
        self._run: Any = None

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run, which begins when it is first asked for."""
        if self._run is None:
            with contextlib.redirect_stdout(io.StringIO()):
                self._run = self._trackio.init(self._project, name=self._run_name, **self._options)
            self._run.config["_Username"] = None  # of the hub, where there is a token
        return self._run

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str | None:
        """The run's name."""
        return self._run.name if self._run is not None else self._run_name

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Do nothing: a run is given its whole configuration when it begins."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        self.experiment.log(dict(metrics), step=step)

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[Any], step: int | None = None) -> None:
        """Add a picture."""
        self.experiment.log({key: self._trackio.Image(images[0])}, step=step)

    @rank_zero_only
    def log_table(self, key: str, columns: list[str], data: list[list[Any]], step: int | None = None) -> None:
        """Add a table."""
        self.experiment.log({key: self._trackio.Table(columns=columns, data=data)}, step=step)

    def finish(self) -> None:
        """Write what is not yet written; what is logged later is another run."""
        if self._run is not None:
            with contextlib.redirect_stdout(io.StringIO()):
                self._run.finish()
            self._run = None
