"""How many requests servers on this machine answer, and how fast: python load.py NAME=URL ... [--clients 4].

Every server is asked the same, in turns of a few seconds, so that what else the machine does meets all of them alike.
It ends by itself: after --requests of each, or --seconds of each.
"""

import argparse
import http.client
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "localhost", "::1")
TURN = 2.0  # seconds
TEXTS = ("a short text", "a text that is a little longer than the one before it", "words " * 60)


class Load:
    """The requests to one server, and the seconds that each took."""

    def __init__(self, url: str, texts: Sequence[str], rows: int):
        address = urlsplit(url)
        if address.hostname not in LOCAL:
            raise SystemExit(f"{url} isn't on this machine: a load test of others is for those who run them")
        self.host, self.port, self.path = address.hostname, address.port or 80, address.path or "/"
        groups = [texts[first : first + rows] for first in range(0, len(texts), rows)]
        self.bodies = [json.dumps({"texts": list(group)}) for group in groups]
        self.took: list[float] = []
        self.busy = 0.0

    def turn(self, clients: int, requests: int, seconds: float) -> None:
        """Ask with several clients at once until one of both limits is reached."""
        left, begun = iter(range(requests)), time.perf_counter()
        lock, errors = threading.Lock(), []

        def client() -> None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
            try:
                while time.perf_counter() - begun < seconds:
                    with lock:
                        number = next(left, None)
                    if number is None:
                        return
                    start = time.perf_counter()
                    body = self.bodies[(len(self.took) + number) % len(self.bodies)]
                    connection.request("POST", self.path, body, {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        raise OSError(f"the server answers {answer.status}")
                    with lock:
                        self.took.append(time.perf_counter() - start)
            except OSError as error:
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.busy += time.perf_counter() - begun
        if errors:
            raise SystemExit(f"http://{self.host}:{self.port}{self.path}: {errors[0]}")

    def said(self) -> dict[str, float]:
        """Requests a second, and milliseconds."""
        took = sorted(self.took)
        p50, p95 = (1000 * took[min(len(took) - 1, int(share * len(took)))] for share in (0.5, 0.95))
        return {"requests": len(took), "requests/s": len(took) / self.busy, "p50 ms": p50, "p95 ms": p95}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="+", metavar="NAME=URL")
    parser.add_argument("--clients", type=int, default=4, help="requests at once")
    parser.add_argument("--rows", type=int, default=1, help="texts in a request")
    parser.add_argument("--requests", type=int, default=1000, help="of each server, at most")
    parser.add_argument("--seconds", type=float, default=20, help="of each server, at most")
    parser.add_argument("--texts", type=Path, help="a file with one text a line; a few of all lengths otherwise")
    asked = parser.parse_args()
    texts = asked.texts.read_text(encoding="utf-8").splitlines() if asked.texts else TEXTS
    loads = {name: Load(url, texts, asked.rows) for name, _, url in (one.partition("=") for one in asked.servers)}
    for load in loads.values():
        load.turn(1, 3, 30)  # the first answers take longer
        load.took, load.busy = [], 0.0
    while open_still := [one for one in loads.values() if one.busy < asked.seconds and len(one.took) < asked.requests]:
        for load in open_still:
            load.turn(asked.clients, asked.requests - len(load.took), min(TURN, asked.seconds - load.busy))
    print(json.dumps({name: load.said() for name, load in loads.items()}, indent=2))


if __name__ == "__main__":
    main()
