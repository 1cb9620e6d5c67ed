"""From which artifacts a stage makes its own, for dashboards that draw it."""

from collections.abc import Iterable
from pathlib import Path

from tinydistill.artifacts.writer import ArtifactWriter, read_json, write_json
from tinydistill.config.build.sources import Values
from tinydistill.ranks import rank
from tinydistill.training.dashboards import Lineage, Product

_TAKEN = "taken.json"  # in a working directory: the paths of what the stage takes


def record(place: ArtifactWriter, paths: Iterable[str | None]) -> None:
    """Notes what a stage takes; runs below its working directory tell of it."""
    if rank() == 0:
        write_json(place.work / _TAKEN, [path for path in paths if path is not None])


def lineage(values: Values, directory: Path) -> Lineage:
    """What a run below a claimed working directory takes, and what it makes; a first phase makes nothing to keep."""
    work = next(place for place in (directory, directory.parent) if (place / "settings.json").is_file())
    name = work.name.removesuffix(".unfinished")
    made = Product(name, values["stage"], read_json(work / "settings.json"), str(work.with_name(name)))
    taken = [_product(Path(path)) for path in read_json(work / _TAKEN)] if (work / _TAKEN).is_file() else []
    last = not directory.name.endswith("-intermediate") or values["distill"]["phases"] == "intermediate"
    return Lineage(made if last else None, [product for product in taken if product is not None])


def _product(path: Path) -> Product | None:
    """An artifact of ours, by its directory or by a file in it; None for anything else, as a hub's model."""
    directory = (path.parent if path.is_file() else path).resolve()
    if not (directory / "provenance.json").is_file():
        return None
    found = read_json(directory / "provenance.json")
    return Product(directory.name, found["configuration"]["stage"], found["settings"], str(directory))
