"""Models by their hub name, against a stand-in for the hub on the loopback interface."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from tests.embedders import embedder
from tests.hub import COMMIT, PORTAL, Handler, StandIn, serving
from tinydistill import hub as hub_module
from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.writer import open_artifact
from tinydistill.errors import InputError
from tinydistill.models import loading, packaged, snapshot
from tinydistill.models.embedder import EmbedderHead
from tinydistill.models.loading import save_model
from tinydistill.models.sentence_modules import Dense
from tinydistill.models.source import find

NAME = "org/teacher"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def hub(teacher_dir, tmp_path) -> Iterator[StandIn]:
    with serving(shutil.copytree(teacher_dir, tmp_path / "repository")) as served:
        yield served


@pytest.fixture(autouse=True)
def client(hub, tmp_path, monkeypatch) -> Callable[..., None]:
    """A fresh process's view of the hub, with a cache of the test's own; called, another one on the same cache."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the hub client's attempts
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(packaged, "_directory", lambda package: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    started = []

    def start(endpoint: str = hub.address, *, offline: bool = False, patience: float = 0.5) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", str(int(offline)))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + template)
        for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
            monkeypatch.setattr(constants, name, patience)
        hub_module._reasons.clear()
        hub_module.taken.clear()
        snapshot.configuration.cache_clear()
        snapshot.whole.cache_clear()
        close_session()
        hub.asked.clear()
        started.append(endpoint)

    start()
    return start


def layers() -> int:
    return int(find(NAME, "teacher.path").encoder().config.num_hidden_layers)


def refusal() -> str:
    with pytest.raises(InputError) as caught:
        layers()
    said = str(caught.value)
    assert said.startswith(f"teacher.path={NAME} can't be had from the hub (")
    assert "\n" not in said
    return said


def status(code: int, **headers: str) -> Callable[[Handler, str], bool]:
    def fault(handler: Handler, path: str) -> bool:
        handler.send(code, b"{}", {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return fault


def silence(handler: Handler, path: str) -> bool:
    handler.hub.released.wait(20)
    handler.close_connection = True
    return True


def portal(handler: Handler, path: str) -> bool:
    handler.send(200, PORTAL, {"Content-Type": "text/html"})
    return True


def nonsense(handler: Handler, path: str) -> bool:
    handler.send(200, b'{"id": "org/teacher", "sha": "../../../../etc", "siblings": []}')
    return True


def elsewhere(to: str) -> Callable[[Handler, str], bool]:
    return status(302, Location=f"{to}/login")


def stored_at(place: str) -> Callable[[Handler, str], bool]:
    """As the hub does it with large files: it tells hash, size and commit, and where the content is."""
    told = {
        "Location": f"{place}/store",
        "X_Repo_Commit": COMMIT,
        "X_Linked_ETag": '"' + "0" * 64 + '"',
        "X_Linked_Size": "9",
    }
    return status(302, **told)


def on(part: str, fault: Callable[[Handler, str], bool], method: str = "") -> Callable[[Handler, str], bool]:
    """The fault for files or questions of that name alone."""
    return lambda handler, path: part in path and method in handler.command and fault(handler, path)


def other_bytes(handler: Handler, path: str) -> bool:
    size = (handler.hub.files / path.split("/")[-1]).stat().st_size
    handler.send_file(path, b"\x00" * size)
    return True


def cut(handler: Handler, path: str) -> bool:
    handler.send_file(path, cut=64)
    return True


DEAD = "can't be reached: .*refused"
NO_HUB = "what answers for http://127.0.0.1:.* is no hub: a network's login page"
FAULTS = {
    "silent": (silence, "doesn't answer; HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT say how long"),
    "out of order": (status(500), r"is out of order \(500\)"),
    "unavailable": (status(503), r"is out of order \(503\)"),
    "overrun": (status(429), r"is asked too often \(429\)"),
    "captive portal": (portal, NO_HUB),
    "nonsense": (nonsense, NO_HUB),
    "redirects to nowhere": (elsewhere(NOWHERE), f"{NOWHERE}, to which 127.0.0.1:.* redirects, {DEAD}"),
}
REFUSALS = {
    "unknown": (status(404, X_Error_Code="RepoNotFound"), r"knows no such model \(404\)"),
    "private": (status(401), r"knows no such model, or wants a token: set HF_TOKEN \(401\)"),
    "gated": (status(403, X_Error_Code="GatedRepo"), "it is gated: accept its terms at http://127.0.0.1:"),
    "forbidden": (status(403), r"forbids it without a token: set HF_TOKEN \(403\)"),
    "no such revision": (status(404, X_Error_Code="RevisionNotFound"), "knows it, but no such revision"),
}
DURING = {
    "weights of other bytes": (
        on(".safetensors", other_bytes, "GET"),
        "model.safetensors has arrived twice with other",
    ),
    "a tokenizer of other bytes": (on("tokenizer.json", other_bytes, "GET"), "tokenizer.json has arrived twice with"),
    "weights cut short": (on(".safetensors", cut, "GET"), "model.safetensors: http://127.*cut the download short"),
    "gated weights": (on(".safetensors", status(403, X_Error_Code="GatedRepo")), "model.safetensors: it is gated"),
    "weights that never come": (on(".safetensors", silence, "GET"), "model.safetensors: http.* doesn't answer"),
    "weights from a portal": (on(".safetensors", portal), "model.safetensors: what answers for .* is no hub"),
    "weights redirected by a portal": (on(".safetensors", elsewhere(NOWHERE)), "what answers for .* is no hub"),
    "weights in a store that is gone": (on(".safetensors", stored_at(NOWHERE)), f"{NOWHERE}, to which .*{DEAD}"),
    "a broken hub": (on("/resolve/", status(500)), r": http://127.* is out of order \(500\)"),
    "no weights": (
        on(".safetensors", status(404, X_Error_Code="EntryNotFound")),
        "has no model.safetensors, and a pic",
    ),
}


def test_a_model_is_fetched_at_one_commit_and_then_costs_one_question(hub, client):
    assert layers() == 4
    assert {path.split("/")[-2] for path in hub.asked if "/resolve/" in path} <= {COMMIT, "main"}
    assert len([path for path in hub.asked if path.endswith("model.safetensors")]) == 2  # head and content
    client()
    assert layers() == 4
    assert hub.asked == [f"api/models/{NAME}"]
    assert find(NAME).tokenizer.mask_token == "[MASK]"
    assert hub.asked == [f"api/models/{NAME}"]


def test_a_commit_that_is_cached_is_asked_about_no_more(hub, client):
    layers()
    client()
    assert find(NAME, revision=COMMIT).encoder().config.num_hidden_layers == 4
    assert hub.asked == []


def test_nothing_but_configuration_and_tokenizer_is_fetched_before_weights_are_asked_for(hub):
    (hub.files / "modeling_own.py").write_text("raise SystemExit")
    (hub.files / "pytorch_model.bin").write_bytes(b"pickle")
    find(NAME)
    assert not {"model.safetensors", "modeling_own.py", "pytorch_model.bin"} & {p.split("/")[-1] for p in hub.asked}


@pytest.mark.parametrize("case", [*FAULTS, *REFUSALS])
def test_what_the_hub_does_instead_of_answering_is_one_line_that_names_it(hub, case):
    hub.fault, message = (FAULTS | REFUSALS)[case]
    began = time.monotonic()
    with pytest.raises(InputError, match=message):
        layers()
    assert time.monotonic() - began < 20
    assert "name a directory" in refusal()


@pytest.mark.parametrize("case", FAULTS)
def test_the_cached_copy_is_used_and_said_so_when_the_hub_does_not_answer(hub, client, capsys, case):
    layers()
    client()
    hub.fault, message = FAULTS[case]
    assert layers() == 4
    said = " ".join(capsys.readouterr().out.split())
    assert f"the cached copy of {NAME} is used, commit {COMMIT[:12]}" in said
    assert re.search(message, said)
    asked = len(hub.asked)
    snapshot.configuration.cache_clear()
    assert layers() == 4  # and the hub isn't waited for again
    assert len(hub.asked) == asked


@pytest.mark.parametrize("case", REFUSALS)
def test_a_hub_that_refuses_is_believed_but_the_cached_copy_is_named(hub, client, case):
    layers()
    client()
    hub.fault, _ = REFUSALS[case]
    assert "take the cached copy with HF_HUB_OFFLINE=1, or name a directory" in refusal()
    client(offline=True)
    assert layers() == 4


@pytest.mark.parametrize("case", DURING)
def test_a_fetch_that_fails_is_one_line_and_leaves_nothing_behind_that_is_used(hub, client, case):
    hub.fault, message = DURING[case]
    with pytest.raises(InputError, match=message):
        layers()
    client()
    hub.fault = lambda handler, path: False
    assert layers() == 4  # fetched anew


def test_a_wrong_token_is_named(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_test")
    hub.fault = status(401, X_Error_Message="Invalid credentials in Authorization header")
    said = refusal()
    assert "refuses your token (401)" in said
    assert "hf_secret" not in said


@pytest.mark.parametrize(
    ("offline", "message"), [(False, DEAD), (True, "HF_HUB_OFFLINE is set, and there is no cached")]
)
def test_without_a_server_or_a_cached_copy_the_line_says_which(client, offline, message):
    client(NOWHERE, offline=offline)
    with pytest.raises(InputError, match=message):
        layers()


@pytest.mark.parametrize("offline", [False, True])
def test_without_a_server_the_cached_copy_serves(client, capsys, offline):
    layers()
    client(NOWHERE, offline=offline)
    assert layers() == 4
    assert ("the cached copy of org/teacher is used" in capsys.readouterr().out) is not offline


def test_weights_that_are_not_cached_are_named_without_a_hub(client):
    find(NAME)
    client(offline=True)
    assert "model.safetensors: HF_HUB_OFFLINE is set, and it is not in the cache" in refusal()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_cached_file_that_was_damaged_is_fetched_again_or_refused_offline(client, tmp_path, file):
    layers()
    (blob,) = [one.resolve() for one in (tmp_path / "cache").rglob(file)]
    good = blob.read_bytes()
    blob.write_bytes(b" " * len(good))
    client(offline=True)
    assert f"the cached {file} is damaged" in refusal()
    client()
    assert layers() == 4
    assert blob.read_bytes() == good


def test_what_is_waited_for_is_said(hub, monkeypatch, capsys):
    monkeypatch.setattr(hub_module, "_SILENCE", 0.05)
    hub.fault = silence
    refusal()
    said = " ".join(capsys.readouterr().out.split())
    assert f"waiting up to 0.5 s for {hub.address} to answer about {NAME}" in said


def test_with_a_cached_copy_a_silent_hub_is_waited_for_briefly_unless_the_user_says_how_long(client, monkeypatch):
    layers()
    patience = []
    monkeypatch.setattr(snapshot, "_resolved", lambda name, revision, timeout: patience.append(timeout) or (COMMIT, []))
    for environment in ({}, {"HF_HUB_ETAG_TIMEOUT": "60"}):
        client(patience=60)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        layers()
    assert patience == [3, 60]


def test_an_index_that_comes_from_the_hub_is_checked_before_anything_that_it_names_is_fetched(hub):
    (hub.files / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../secret.safetensors"}}')
    with pytest.raises(InputError, match=r"teacher.path=org/teacher: its model.safetensors.index.json names '../../se"):
        layers()
    assert not [path for path in hub.asked if "secret" in path]


def test_weights_of_the_hub_are_what_they_are_in_a_directory_and_provenance_names_commit_and_hash(hub, tmp_path):
    source = find(NAME)
    assert source.identity == loading.identity(str(hub.files))
    with open_artifact(tmp_path / "made", {"seed": 0}, inputs={"teacher": NAME, "task": None}) as artifact:
        artifact.publish({"score": 1.0}, {"stage": "task"})
    made = loading.read_json(tmp_path / "made" / "provenance.json")
    weights = {"model.safetensors": file_hash(hub.files / "model.safetensors")}
    assert made["hub"] == {"teacher": {"name": NAME, "weights": {COMMIT: weights}}}


SCRIPT = """
import sys; from tinydistill.models import loading as models
place = models.locate(sys.argv[1])
print(models.load_encoder(place).config.num_hidden_layers, len(models.load_tokenizer(place)))
"""


@pytest.mark.slow
def test_the_variables_of_the_hub_are_the_users_words(hub, tmp_path):
    hub.fault = silence
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    user = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_OFFLINE": "0"}
    user["HF_HUB_DISABLE_TELEMETRY"] = "1"
    done = subprocess.run([sys.executable, "-c", SCRIPT, NAME], capture_output=True, text=True, env={**kept, **user})
    assert f"InputError: the model={NAME} can't be had from the hub ({hub.address} doesn't answer" in done.stderr
    assert "Retrying" not in done.stderr
    assert hub.asked == [f"api/models/{NAME}"]
    assert not Path(tmp_path / "hub" / "models--org--teacher" / "snapshots").exists()


def test_a_sentence_embedder_comes_with_its_pooling_and_its_maps(hub, client, tokenizer):
    model = embedder(dense=[Dense(32, 8, activation="tanh")], pooling="cls")
    shutil.rmtree(hub.files)
    save_model(model, tokenizer, hub.files)
    source = find(NAME, "teacher.path")
    found = source.with_head(EmbedderHead())
    assert str(found.sentence_modules) == "cls pooling, 32 to 8 tanh, normalized"
    assert (found.dense[0].weight == model.dense[0].weight).all()
    assert source.identity.count("+") == 1  # two files of weights
    assert set(hub_module.taken[NAME][COMMIT]) == {"model.safetensors", "2_Dense/model.safetensors"}
    client(NOWHERE, offline=True)
    assert (find(NAME, "teacher.path").with_head(EmbedderHead()).dense[0].weight == model.dense[0].weight).all()
