"""Upload a finished directory to the Hugging Face hub, with the user's own token."""

import re
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError

from tinydistill.errors import InputError
from tinydistill.hub import look_for_hub, offline

LEFT_BEHIND = ("provenance.json", "page/*")  # paths and the machine's name; rows of the task


def check(repo: str | None) -> None:
    """Raise InputError where nothing could be pushed: no name, no token, one that the hub refuses, or no hub."""
    if repo is None:
        raise InputError("a push to the hub needs the name of a repository", "set {push.repo}=USER/NAME")
    if not re.fullmatch(r"[\w.-]+/[\w.-]{1,96}", repo):
        raise InputError(f"{repo} is no name of a repository", "set {push.repo}=USER/NAME")
    if get_token() is None:
        raise InputError("a push to the hub needs your token", "set HF_TOKEN, or log in with hf auth login")
    look_for_hub()
    if why := offline():
        raise InputError(f"nothing can be pushed: {why}")
    try:
        HfApi().whoami()
    except HfHubHTTPError as error:
        raise InputError(f"nothing can be pushed: {constants.ENDPOINT} refuses the token ({_said(error)})") from error


def push(directory: Path, repo: str, *, private: bool) -> str:
    """Upload a directory, without LEFT_BEHIND, to a repository, which is made if there is none; its address.

    Raises InputError where the hub refuses.
    """
    api = HfApi()
    try:
        made = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id,
            folder_path=directory,
            commit_message="Export of tinydistill",
            ignore_patterns=[*LEFT_BEHIND],
        )
    except HfHubHTTPError as error:
        raise InputError(
            f"{repo}: the hub refuses ({_said(error)}); {directory} is finished, the same command pushes it"
        ) from error
    return str(made)


def _said(error: HfHubHTTPError) -> str:
    return error.server_message or str(error).partition("\n")[0]
