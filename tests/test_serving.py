"""The server, the load test and the image of docs/serving.md: asked over loopback, and read line by line."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from transformers import AutoTokenizer

from tests.conftest import sentences
from tests.export.test_page import LABELS, classifier, with_int8
from tests.test_readme import ROOT
from tinydistill.export import onnx_export
from tinydistill.export.onnx_session import OnnxModel

PLACE = ROOT / "examples" / "serving"
SERVER = PLACE / "server.py"
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
PATIENCE = 60.0  # seconds until a server answers


def test_the_server_is_short_and_stands_on_its_page():
    code = SERVER.read_text(encoding="utf-8")
    assert len(code.splitlines()) < 60
    shown = re.search(r"<!-- examples/serving/server.py -->\n+```python\n(.*?)```", PAGE, re.DOTALL)
    assert shown[1].strip() == code.strip()


def test_the_image_stands_on_its_page():
    shown = re.search(r"<!-- examples/serving/Dockerfile -->\n+```dockerfile\n(.*?)```", PAGE, re.DOTALL)
    assert shown[1].strip() == (PLACE / "Dockerfile").read_text(encoding="utf-8").strip()


def imported(file: Path) -> set[str]:
    """The packages that a script imports which Python doesn't bring."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)


def pins(file: Path) -> dict[str, str]:
    lines = [Requirement(line) for line in file.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return {canonicalize_name(line.name): str(line.specifier) for line in lines}


def test_the_image_installs_what_the_server_imports_in_versions_that_the_tests_run_with():
    wanted, known = pins(PLACE / "requirements.txt"), pins(ROOT / "constraints.txt")
    assert imported(SERVER) - {"pydantic"} <= wanted.keys() | {"pydantic"}  # FastAPI brings it
    assert {name: known[name] for name in wanted} == wanted
    assert imported(PLACE / "load.py") == set()


def instructions() -> list[tuple[str, str]]:
    """(INSTRUCTION, the rest) of the Dockerfile; a line that isn't one is an error."""
    text = re.sub(r"\\\n\s*", "", (PLACE / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [re.fullmatch(r"([A-Z]+) (.+)", line).groups() for line in lines]


def test_the_image_copies_what_there_is_and_starts_the_server_without_rights():
    found = instructions()
    kinds = [name for name, _ in found]
    assert set(kinds) <= {"FROM", "ENV", "COPY", "RUN", "USER", "WORKDIR", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert kinds[0] == "FROM"
    named = {}
    for words in (rest.split() for name, rest in found if name == "COPY"):
        source = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else "context"
        named.setdefault(source, []).extend(words[:-1])
    assert all((PLACE / file).is_file() for file in named["context"])
    assert set(named["model"]) == {"config.json", "tokenizer.json", Path(onnx_export.FILES["onnx"]).parent.name}
    command = json.loads(next(rest for name, rest in found if name == "CMD"))
    assert command[:2] == ["uvicorn", "server:app"]
    port = command[command.index("--port") + 1]
    assert ("EXPOSE", port) in found
    check = next(rest for name, rest in found if name == "HEALTHCHECK").removeprefix("CMD ")
    assert f"http://127.0.0.1:{port}/health" in json.loads(check)[-1]
    compile(json.loads(check)[-1], "HEALTHCHECK", "exec")
    assert kinds.index("USER") < kinds.index("CMD")
    assert ("USER", "server") in found
    assert any("useradd" in rest and rest.split()[-1] == "server" for name, rest in found if name == "RUN")


def load(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, PLACE / "load.py", *words], capture_output=True, text=True, check=False)


def test_a_load_test_is_for_servers_on_this_machine_alone():
    done = load("other=http://192.0.2.1:8000")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "http://192.0.2.1:8000 isn't on this machine: a load test of others is for those who run them"
    )


def test_a_load_test_of_a_server_that_is_gone_ends_with_a_line():
    done = load("gone=http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("http://127.0.0.1:9/: ")
    assert done.stderr.count("\n") == 1


def ask(url: str, body: object | None = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def models(tokenizer, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("served")
    return {
        name: with_int8(classifier(root / name, tokenizer, seed=seed))
        for seed, name in enumerate(("teacher", "student"))
    }


@pytest.fixture(scope="module")
def servers(models):
    """The address of a server of each model, on loopback."""
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package)
    addresses, processes = {}, []
    for name, directory in models.items():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "server:app", "--port", str(port), "--log-level", "warning"]
        environment = {**os.environ, "MODEL": str(directory), "MAX_LENGTH": "12"}
        processes.append(subprocess.Popen(command, cwd=PLACE, env=environment))
        addresses[name] = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE
    for address in addresses.values():
        while time.monotonic() < deadline:
            try:
                ask(f"{address}/health")
                break
            except OSError:
                time.sleep(0.1)
    yield addresses
    for process in processes:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_the_server_answers_as_the_model_s_file_does(servers, models):
    texts: list = [*sentences(5), "the cat", ("the dog", "a bird sees")]
    answers = ask(servers["student"], {"texts": texts})
    rows = [text if isinstance(text, tuple) else (text, None) for text in texts]
    tokenizer = AutoTokenizer.from_pretrained(models["student"])
    batch = tokenizer(
        [first for first, _ in rows[:-1]], padding="max_length", truncation=True, max_length=12, return_tensors="np"
    )
    pair = tokenizer(*rows[-1], padding="max_length", max_length=12, return_tensors="np")
    session = OnnxModel(models["student"] / onnx_export.FILES["onnx_int8"])
    logits = session({name: np.concatenate([batch[name], pair[name]]) for name in batch})
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert [list(answer) for answer in answers] == [list(LABELS)] * len(texts)
    np.testing.assert_allclose([list(answer.values()) for answer in answers], shares, atol=1e-4)


@pytest.mark.slow
def test_the_server_says_which_model_answers(servers):
    assert ask(f"{servers['teacher']}/health") == {"model": "teacher"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [{}, {"texts": []}, {"texts": ["a"] * 65}, {"texts": ["a" * 20_001]}, {"texts": [["a", "b", "c"]]}, {"texts": [1]}],
    ids=["nothing", "no rows", "too many rows", "too long a text", "three texts", "a number"],
)
def test_a_request_that_cannot_be_answered_is_refused(servers, body):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(servers["student"], body)
    assert refused.value.code == 422


@pytest.mark.slow
def test_the_load_test_ends_by_itself_and_prints_what_every_server_does(servers):
    done = load(*(f"{name}={url}" for name, url in servers.items()), "--requests", "40", "--seconds", "20")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["teacher", "student"]
    for said in found.values():
        assert said["requests"] == 40
        assert said["requests/s"] > 0
        assert 0 < said["p50 ms"] <= said["p95 ms"]
