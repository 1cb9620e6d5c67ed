"""Under which license a model was published: what its own card says."""

from pathlib import Path

from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from tinydistill.models import loading as models


def license_of(path: str) -> str | None:
    """The license of a directory or hub name as the hub spells it (apache-2.0); None where that can't be found out."""
    try:
        place = models.locate(path)
        card = Path(place) / "README.md"
        if Path(place).is_dir() and not card.is_file():
            return None
        data = ModelCard.load(card if card.is_file() else place, ignore_metadata_errors=True).data
    except (ValueError, OSError, HfHubHTTPError, OfflineModeIsEnabled):
        return None
    named = getattr(data, "license", None)
    return str(named) if named else None
