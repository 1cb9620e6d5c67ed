"""A finished directory goes to a stand-in for the hub on the loopback interface."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tinydistill.errors import InputError
from tinydistill.export import publishing

TOKEN = "hf_of_the_test"
LARGE = ".safetensors"  # what the stand-in takes apart from the commit, as the hub takes large files


@dataclass
class Hub:
    """What a stand-in server has been asked for and given."""

    address: str = ""
    created: list[dict] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    known = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known.asked.append(self.path)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.send(401, {"error": "Invalid username or password."})
            elif "forbidden" in self.path:
                self.send(404, {"error": "Repository not found"})
            elif self.path == "/api/whoami-v2":
                self.send(200, {"name": "user", "type": "user", "orgs": []})
            else:
                self.send(200, {"id": "user/model", "sha": "0" * 40, "siblings": [], "private": True, "tags": []})

        def do_PUT(self) -> None:
            content = self.body()
            known.stored[hashlib.sha256(content).hexdigest()] = content
            self.send(200, {})

        def do_POST(self) -> None:
            content = self.body()
            known.asked.append(self.path)
            path = self.path.split("?")[0]
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.send(401, {"error": "Invalid username or password."})
            if path == "/api/repos/create":
                known.created.append(json.loads(content))
                name = json.loads(content)["name"]
                if name == "forbidden":
                    return self.send(403, {"error": "You don't have the rights to create a model under user"})
                return self.send(200, {"url": f"{known.address}/user/{name}", "name": f"user/{name}"})
            if path == "/api/validate-yaml":
                return self.send(200, {"errors": [], "warnings": []})
            if "/preupload/" in path:
                named = [file["path"] for file in json.loads(content)["files"]]
                modes = {name: "lfs" if name.endswith(LARGE) else "regular" for name in named}
                rows = [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes.items()]
                return self.send(200, {"files": rows})
            if path.endswith("/info/lfs/objects/batch"):
                rows = [
                    {**one, "actions": {"upload": {"href": f"{known.address}/store"}}}
                    for one in json.loads(content)["objects"]
                ]
                return self.send(200, {"transfer": "basic", "objects": rows})
            assert "/commit/" in path
            for line in content.splitlines():
                step = json.loads(line)
                if step["key"] == "file":
                    known.files[step["value"]["path"]] = base64.b64decode(step["value"]["content"])
                elif step["key"] == "lfsFile":
                    known.files[step["value"]["path"]] = known.stored[step["value"]["oid"]]
            return self.send(200, {"commitUrl": f"{known.address}/user/model/commit/1", "commitOid": "1"})

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def send(self, code: int, answer: dict) -> None:
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield known
    server.shutdown()


@pytest.fixture
def directory(tmp_path) -> Path:
    made = tmp_path / "export"
    (made / "onnx").mkdir(parents=True)
    for name in ("README.md", "config.json", "model.safetensors", "onnx/model.onnx"):
        (made / name).write_bytes(name.encode() * 100)
    return made


SCRIPT = """
import sys
from pathlib import Path
from tinydistill.export import publishing
from tinydistill.errors import InputError
try:
    publishing.check(sys.argv[2] or None)
    print(publishing.push(Path(sys.argv[1]), sys.argv[2], private=sys.argv[3] == "private"))
except InputError as error:
    sys.exit(str(error))
"""


def push(directory: Path, address: str, home: Path, repo="user/model", seen="private", **environment: str):
    left = ("HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k not in left}
    env = {**kept, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    command = [sys.executable, "-c", SCRIPT, str(directory), repo, seen]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_files_arrive_as_they_are_in_a_repository_that_is_made_for_them_without_paths_of_this_machine(
    hub, directory, tmp_path
):
    (directory / "provenance.json").write_text("{}")
    (directory / "page" / "vendor").mkdir(parents=True)
    (directory / "page" / "vendor" / "ort.js").write_text("")
    done = push(directory, hub.address, tmp_path, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.address}/user/model"
    (created,) = hub.created
    assert (created["name"], created["organization"]) == ("model", "user")
    assert created.get("private") is True or created.get("visibility") == "private"
    there = {str(f.relative_to(directory)): f.read_bytes() for f in directory.rglob("*") if f.is_file()}
    assert hub.files == {name: there[name] for name in there.keys() - {"provenance.json", "page/vendor/ort.js"}}
    assert len(hub.stored) == 1  # the weights went another way


def test_a_token_that_was_stored_by_logging_in_serves(hub, directory, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    done = push(directory, hub.address, tmp_path, seen="public")
    assert done.returncode == 0, done.stderr
    assert not hub.created[0].get("private")
    assert hub.created[0].get("visibility") in (None, "public")


@pytest.mark.parametrize(
    ("repo", "environment", "message"),
    [
        ("user/model", {"HF_TOKEN": "hf_wrong"}, "refuses the token ("),
        (
            "user/model",
            {"HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"},
            "nothing can be pushed: http://127.0.0.1:9 can't be reached: ",
        ),
        ("user/forbidden", {"HF_TOKEN": TOKEN}, "user/forbidden: the hub refuses (You don't have the rights"),
    ],
)
def test_a_hub_that_refuses_is_one_clear_line(hub, directory, tmp_path, repo, environment, message):
    done = push(directory, hub.address, tmp_path, repo, **environment)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not hub.files


@pytest.mark.parametrize(
    ("repo", "token", "message"),
    [
        (None, TOKEN, "a push to the hub needs the name of a repository: set repo=USER/NAME"),
        ("model", TOKEN, "model is no name of a repository: set repo=USER/NAME"),
        ("user/model", None, "a push to the hub needs your token: set HF_TOKEN, or log in with hf auth login"),
        ("user/model", TOKEN, "nothing can be pushed: HF_HUB_OFFLINE is set"),  # as it is in these tests
    ],
)
def test_nothing_is_asked_of_the_hub_without_name_token_or_network(monkeypatch, repo, token, message):
    monkeypatch.setattr(publishing, "get_token", lambda: token)
    with pytest.raises(InputError, match=message):
        publishing.check(repo)
