"""Data sets on the Hugging Face hub."""

from typing import Any

from tinydistill.data.files import first_line
from tinydistill.errors import InputError
from tinydistill.hub import look_for_hub


def hub_rows(name: str, repo: str, config: str | None, split: str, revision: str | None, *, advice: str) -> Any:
    """One split as a `datasets.Dataset`, from the local copy that the first use downloads.

    Raises:
        InputError: it can't be loaded; the message calls it `name`, and `advice` says what works without a network.
    """
    look_for_hub()
    import datasets  # slow to import, and only data sets of the hub need it

    try:
        return datasets.load_dataset(repo, config, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        # no network, no such data set, configuration or split, a data set that is a script
        advice = f"without a network, use {advice}"
        raise InputError(f"{name} can't be loaded from the hub ({first_line(error)})", advice) from None
