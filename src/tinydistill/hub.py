"""Whether the Hugging Face hub can be reached, why something can't be had from it, and what was taken."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from tinydistill.console import say

_PATIENCE = 5.0  # seconds
_SILENCE = 2.0  # seconds of waiting about which nothing is said

taken: dict[str, dict[str, dict[str, str]]] = {}  # what this process has read: SHA-256 by model, commit, and file
_reasons: list[str] = []  # why this process went offline by itself


@cache
def look_for_hub() -> None:
    """Switches the Hugging Face libraries to their offline mode when the hub doesn't answer.

    They then use what they have cached, or fail at once, instead of trying again for half a minute. Behind a proxy, or
    where offline mode is set already, nothing is looked for.
    """
    from huggingface_hub import constants

    proxied = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if constants.HF_HUB_OFFLINE or proxied:
        return
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=_PATIENCE).close()
    except OSError as error:
        go_offline(f"{constants.ENDPOINT} can't be reached: {error.strerror or error}")


def go_offline(reason: str) -> None:
    """Switches the Hugging Face libraries to their offline mode, for what is imported or started from now on too."""
    from huggingface_hub import constants

    _reasons.append(reason)
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True


def offline() -> str:
    """Why nothing is asked of the hub; empty where it is asked."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        return ""
    return _reasons[-1] if _reasons else "HF_HUB_OFFLINE is set"


@contextmanager
def waiting(line: str) -> Iterator[None]:
    """Says what is waited for when that takes more than two seconds."""
    timer = Timer(_SILENCE, say, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def answered(error: BaseException) -> int | None:
    """The status with which a server answered a request that failed; None where none did."""
    responses = (getattr(one, "response", None) for one in _chain(error))
    return next((response.status_code for response in responses if response is not None), None)


def cause(error: BaseException) -> str:
    """Why the hub didn't give what it was asked for, in words."""
    from huggingface_hub import constants, errors, get_token

    one = next((one for one in _chain(error) if not isinstance(one, errors.LocalEntryNotFoundError)), error)
    hub, place = constants.ENDPOINT, _asked_elsewhere(one)
    names = {kind.__name__ for kind in type(one).__mro__}
    if isinstance(one, errors.OfflineModeIsEnabled):
        return f"{offline()}, and it is not in the cache"
    if isinstance(one, errors.GatedRepoError):
        return f"it is gated: accept its terms at {hub}, and set HF_TOKEN or log in with hf auth login"
    if isinstance(one, errors.RevisionNotFoundError):
        return f"{hub} knows it, but no such revision"
    if (status := answered(one)) is not None:
        return f"{place or hub} {_status_in_words(status, token=get_token() is not None)}"
    if "TimeoutException" in names:
        return f"{place or hub} doesn't answer; HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT say how long to wait"
    if names & {"RemoteProtocolError", "ReadError"} or "Consistency check failed" in str(one):
        return f"{place or hub} cut the download short"
    if "NetworkError" in names or "ProxyError" in names:
        return f"{place or hub} can't be reached: {_first_line(one)}"
    if isinstance(one, ValueError | KeyError | TypeError | errors.FileMetadataError):
        return f"what answers for {hub} is no hub: a network's login page, a proxy, or another HF_ENDPOINT than meant"
    return _first_line(one)


def _status_in_words(status: int, *, token: bool) -> str:
    known = {
        401: "refuses your token (401)" if token else "knows no such model, or wants a token: set HF_TOKEN (401)",
        403: "forbids it to your token (403)" if token else "forbids it without a token: set HF_TOKEN (403)",
        404: "knows no such model (404)",
        429: "is asked too often (429): wait a little, or set HF_TOKEN",
    }
    return known.get(status, f"is out of order ({status})" if status >= 500 else f"answers with {status}")


def _asked_elsewhere(error: BaseException) -> str:
    """The host that a redirect led to; empty where there was none."""
    from huggingface_hub import constants

    try:
        url: Any = error.request.url  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # httpx raises the second for an error without a request
        return ""
    home = urlsplit(constants.ENDPOINT)
    there = urlsplit(str(url))
    return "" if there.netloc == home.netloc else f"{there.scheme}://{there.netloc}, to which {home.netloc} redirects,"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__
