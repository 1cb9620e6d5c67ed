"""Models of the hub as directories of its cache: one commit a run, every file checked by its hash before it is read."""

import hashlib
import math
import os
import re
from functools import cache
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HTTPError  # type: ignore[attr-defined]  # its client's

from tinydistill import hub
from tinydistill.artifacts.files import file_hash
from tinydistill.console import say
from tinydistill.models.directory import INDEX, WEIGHTS, parts

_TEXTS = (".json", ".txt", ".model", "README.md")  # configuration, tokenizer, license
_OF_MODULES = re.compile(r"\d+_\w+/config\.json")  # what a sentence-transformers model has for every module
_BRIEFLY = 3.0  # seconds to wait for a hub of which there is a cached copy, unless the user has said how many
_REFUSALS = (401, 403, 404)  # answers with which the cached copy isn't used unasked
_FAILURES = (OSError, HTTPError, ValueError, KeyError, TypeError)


class HubError(OSError):
    """Why a model can't be had from the hub, and what would help."""

    def __init__(self, why: str, advice: str = ""):
        super().__init__(why)
        self.advice = advice


@cache
def configuration(name: str, revision: str | None) -> Path:
    """The directory of a model's configuration and tokenizer at the commit that a revision is now.

    Without a hub that answers it is the cached copy, which is said. Raises HubError.
    """
    cached = _cached(name, revision)
    if why := hub.offline():
        if cached is None:
            raise HubError(f"{why}, and there is no cached copy")
        _check(name, cached)
        return cached
    if cached is not None and cached.name == revision:
        _check(name, cached)
        return cached
    brief = cached is not None and "HF_HUB_ETAG_TIMEOUT" not in os.environ
    patience = min(constants.HF_HUB_ETAG_TIMEOUT, _BRIEFLY if brief else math.inf)
    try:
        with hub.waiting(f"waiting up to {patience:g} s for {constants.ENDPOINT} to answer about {name}"):
            commit, files = _resolved(name, revision, patience)
    except _FAILURES as error:
        why, status = hub.cause(error), hub.answered(error)
        if cached is None or status in _REFUSALS:
            offline = "" if cached is None else "take the cached copy with HF_HUB_OFFLINE=1"
            raise HubError(why, offline) from error
        hub.go_offline(why)
        say(f"{why}: the cached copy of {name} is used, commit {cached.name[:12]}")
        _check(name, cached)
        return cached
    for file in files:
        _fetched(name, file, commit)
    directory = _fetched(name, "config.json", commit).parent  # the last: where it is, the others are
    if cached != directory:  # from now on the revision is this commit without a hub, too
        hf_hub_download(name, "config.json", revision=revision)
    return directory


@cache
def whole(name: str, revision: str | None, shown: str) -> Path:
    """The same directory, with the weights in it. Raises HubError, InputError for an index that names no weights."""
    directory = configuration(name, revision)
    names = parts(directory, shown) if (directory / INDEX).is_file() else [WEIGHTS]
    names += sorted(f"{place.name}/{WEIGHTS}" for place in directory.glob("[0-9]*_Dense"))
    if not all((directory / file).is_file() for file in names) and not hub.offline():
        say(f"fetching the weights of {name} from {constants.ENDPOINT}")
    try:
        files = [_fetched(name, file, directory.name) for file in names]
    except EntryNotFoundError:
        raise HubError(f"it has no {names[0]}, and a pickle is never loaded") from None
    hub.taken.setdefault(name, {})[directory.name] = {
        place: file_hash(file) for place, file in zip(names, files, strict=True)
    }
    return directory


def _cached(name: str, revision: str | None) -> Path | None:
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _resolved(name: str, revision: str | None, patience: float) -> tuple[str, list[str]]:
    """The commit that a revision is, and the files of configuration and tokenizer that it has."""
    info = HfApi().model_info(name, revision=revision, timeout=patience)
    if not re.fullmatch("[0-9a-f]{40}", info.sha or ""):
        raise ValueError(f"{info.sha!r} is no commit")
    files = [one.rfilename for one in info.siblings or ()]
    wanted = [one for one in files if ("/" not in one and one.endswith(_TEXTS)) or _OF_MODULES.fullmatch(one)]
    return str(info.sha), [one for one in wanted if one != "config.json"]


def _check(name: str, cached: Path) -> None:
    for file in cached.iterdir():
        if file.name.endswith(_TEXTS):
            _fetched(name, file.name, cached.name)


def _fetched(name: str, file: str, commit: str) -> Path:
    """A file as it is at a commit, fetched if it isn't cached, or if the cached bytes aren't those that the hub names.

    Raises EntryNotFoundError where the commit has no such file, HubError for anything else.
    """
    for _ in range(2):
        try:
            got = Path(hf_hub_download(name, file, revision=commit))
        except _FAILURES as error:
            if isinstance(error, EntryNotFoundError) and hub.answered(error) == 404:
                raise
            raise HubError(f"{file}: {hub.cause(error)}") from error
        if _is_intact(got):
            return got
        if hub.offline():
            raise HubError(f"the cached {file} is damaged, and {hub.offline()}", "fetch it again with HF_HUB_OFFLINE=0")
        for place in (got.resolve(), got.parent / got.readlink(), got):
            place.unlink(missing_ok=True)
    raise HubError(f"{file} has arrived twice with other bytes than the hub's hash says; nothing of it is kept")


def _is_intact(file: Path) -> bool:
    """Whether a cached file's bytes have the hash by which the cache calls them: SHA-256, or of small ones git's own.

    True where the cache holds no hash: it couldn't make links, or the server names its files in another way.
    """
    named = file.readlink().name if file.is_symlink() else ""
    if re.fullmatch("[0-9a-f]{64}", named):
        return file_hash(file) == named
    if re.fullmatch("[0-9a-f]{40}", named):
        content = file.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == named
    return True
