"""A stand-in for the Hugging Face hub on the loopback interface, which can be told to fail in many ways."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PORTAL = b"<!doctype html><title>Welcome to the hotel</title><form action='/login'></form>"


@dataclass
class StandIn:
    """A server that knows one repository, `org/teacher`, of the files of a directory.

    `fault` is called with every request's handler and the path that it asks for; True says that it has answered.
    """

    files: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)
    fault: Callable[["Handler", str], bool] = lambda handler, path: False
    released: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does: a repository's files, and for each its hash and the commit."""

    protocol_version = "HTTP/1.1"
    hub: StandIn

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = self.path.split("?")[0].removeprefix("/")
        self.hub.asked.append(path)
        if self.hub.fault(self, path):
            return None
        if not self.is_of(path, "org/teacher"):
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if path.startswith("api/models/"):
            every = sorted(file for file in self.hub.files.rglob("*") if file.is_file())
            files = [{"rfilename": file.relative_to(self.hub.files).as_posix()} for file in every]
            info = {"id": "org/teacher", "sha": COMMIT, "siblings": files, "private": False, "tags": []}
            return self.send(200, json.dumps(info).encode())
        return self.send_file(path)

    def is_of(self, path: str, name: str) -> bool:
        return path.removeprefix("api/models/").startswith((f"{name}/", name))

    def send_file(self, path: str, content: bytes | None = None, cut: int = 0, **headers: str) -> None:
        """A file; `content` stands for other bytes than the hash is of, `cut` are those at the end that don't come."""
        file = self.hub.files / path.partition("/resolve/")[2].partition("/")[2]
        if "/resolve/" not in path or not file.is_file():
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        whole = file.read_bytes()
        content = whole if content is None else content
        etag = hashlib.sha256(whole).hexdigest()
        named = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(content)), **headers}
        return self.send(200, content[: len(content) - cut], named)

    def send(self, code: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        if int((headers or {}).get("Content-Length", len(content))) > len(content):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(files: Path) -> Iterator[StandIn]:
    """A stand-in that serves a directory's files for as long as the block lasts."""
    hub = StandIn(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.released.set()  # for those who keep a client waiting
        server.shutdown()
        server.server_close()
