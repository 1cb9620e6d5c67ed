"""Models by their hub name, against a stand-in for the hub on the loopback interface."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(teacher_dir) -> Iterator[tuple[str, list[str]]]:
    """(address, files asked for) of a server that knows one repository, `org/teacher`."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.split("?")[0].removeprefix("/")
            owner = "/".join(path.removeprefix("api/models/").split("/")[:2])
            if owner != "org/teacher":
                return self.send(404, b"{}", body, {"X-Error-Code": "RepoNotFound"})
            if path.startswith("api/models/"):
                files = [{"rfilename": file.name} for file in teacher_dir.iterdir()]
                tree = [
                    {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0"}
                    for f in teacher_dir.iterdir()
                ]
                info = {"id": owner, "sha": COMMIT, "siblings": files, "private": False, "tags": []}
                return self.send(200, json.dumps(tree if "/tree/" in path else info).encode(), body, {})
            file = teacher_dir / path.split("/")[-1]
            if "/resolve/" not in path or not file.is_file():
                return self.send(404, b"", body, {"X-Error-Code": "EntryNotFound"})
            asked.append(file.name)
            content = file.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            return self.send(200, content, body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

        def send(self, code: int, content: bytes, body: bool, headers: dict[str, str]) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()


def load(name: str, address: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    script = (
        "import sys; from tinydistill.models import loading as models\n"
        "place = models.locate(sys.argv[1])\n"
        "print(models.load_encoder(place).config.num_hidden_layers, len(models.load_tokenizer(place)))"
    )
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "HF_HUB_OFFLINE"}
    env = {**kept, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    return subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True, env=env, check=False)


def test_a_teacher_is_loaded_by_its_hub_name_and_then_from_the_cache(hub, tmp_path):
    address, asked = hub
    done = load("org/teacher", address, tmp_path)
    assert done.stdout.split() == ["4", "29"], done.stderr
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(asked)
    again = load("org/teacher", "http://127.0.0.1:9", tmp_path)
    assert again.stdout.split() == ["4", "29"], again.stderr


def test_a_hub_that_does_not_answer_is_given_up_at_once(tmp_path):
    done = load("org/teacher", "http://127.0.0.1:9", tmp_path)
    assert "InputError: the model=org/teacher can't be had from the hub" in done.stderr
    assert "Retrying" not in done.stderr


def test_a_name_that_the_hub_does_not_know_is_one_clear_line(hub, tmp_path):
    done = load("org/nothing", hub[0], tmp_path)
    assert "InputError: the model=org/nothing can't be had from the hub" in done.stderr
