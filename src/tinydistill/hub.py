"""Whether the Hugging Face hub can be reached."""

import os
import socket
from functools import cache
from urllib.parse import urlsplit

_PATIENCE = 5.0  # seconds


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
    except OSError:
        os.environ["HF_HUB_OFFLINE"] = "1"  # for what is imported or started from now on
        constants.HF_HUB_OFFLINE = True
