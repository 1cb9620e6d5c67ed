"""One file a stage: objects are built from a configuration, run, and an artifact is published."""

from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir

from tinydistill.artifacts.disk import check_place, writing
from tinydistill.config.errors import option_of
from tinydistill.config.schema import Config
from tinydistill.errors import InputError, RunError, UserError


def run(config: Config) -> float:
    """Runs the stage that a configuration names; the number that a sweep or a search goes by.

    Raises UserError where something that was given can't be used; it names the option. Raises RunError, which names the
    stage, where a run can't go on: a full disk, numbers that aren't finite.
    """
    places = {"open_artifact.path": config.output_dir or config.paths.outputs, "check_place.cache": config.paths.cache}
    try:
        for argument, place in places.items():
            check_place(Path(place), argument)
        if config.stage not in ("export", "report"):
            import_module("tinydistill.config.build.trainer").check(config)
        with writing(*map(Path, places.values()), Path(gettempdir())):
            return float(import_module(f"tinydistill.stages.{config.stage}").run(config))
    except InputError as error:
        raise UserError(error.told(partial(option_of, stage=config.stage))) from error
    except RunError as error:
        if str(error).startswith("stage="):  # one of the pipeline's
            raise
        raise error.within(f"stage={config.stage}") from error
