"""What an offline run of Weights & Biases holds, read back from its file."""

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from tests.stages.logged import last_values
from tests.test_readme import ROOT
from tinydistill.artifacts.portable import without_home
from tinydistill.config.compose import composed, plain

HOST = "planted-host-name"
OWN = {"_step", "_runtime", "_timestamp", "trainer/global_step"}  # what W&B and Lightning's logger add to a row

# The file is a log of LevelDB's format: blocks with chunks of records, each record a protocol buffer.
FILE_HEADER, BLOCK = 7, 32768
CHUNK = struct.Struct("<IHB")  # checksum, length, kind
WHOLE, LAST = 1, 4


def records(file: Path) -> Iterator[Any]:
    """Those of a .wandb file, in the order they were written."""
    content = file.read_bytes()
    assert content.startswith(b":W&B")
    at, parts = FILE_HEADER, b""
    while at + CHUNK.size <= len(content):
        if BLOCK - at % BLOCK < CHUNK.size:  # what is too small for a chunk is padding
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = CHUNK.unpack_from(content, at)
        parts += content[at + CHUNK.size : at + CHUNK.size + length]
        at += CHUNK.size + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(parts)
            parts = b""


def values(items: Any) -> dict[str, Any]:
    """What W&B writes as names and JSON; of a picture or a table the last of several."""
    return {item.nested_key[0] if item.nested_key else item.key: json.loads(item.value_json) for item in items}


@pytest.fixture
def run(distillation_arguments, command, tmp_path, monkeypatch) -> tuple[dict[str, str], Path]:
    """Both phases of stage=task, logged offline in a home directory of the test's; the options, and the logs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    output = tmp_path / "outputs" / "small"
    words = {
        **distillation_arguments,
        "output_dir": str(output),
        "logger": "wandb",
        "trainer.log_every_n_steps": "1",
        "intermediate.max_steps": "2",
        "prediction.max_steps": "2",
    }
    code, _, err = command(words)
    assert code == 0, err
    return words, output / "logs"


def test_a_run_holds_configuration_tags_and_metrics_and_no_machine(run, tmp_path):
    words, logs = run
    composed_to = without_home(plain(composed(f"{key}={value}" for key, value in words.items())))
    for phase, media in (("intermediate", {"attention"}), ("prediction", {"predictions"})):
        (file,) = (logs / phase).glob("wandb/offline-run-*/run-*.wandb")
        kept = list(records(file))
        (began,) = (record.run for record in kept if record.HasField("run"))
        config = values(began.config.update)
        assert {key: value for key, value in config.items() if not key.startswith("_")} == composed_to
        (later,) = (values(record.config.update) for record in kept if record.HasField("config"))
        assert later == {"takes": []}
        assert set(began.tags) == {"stage:task", "student:tiny3", "mapping:uniform", "task:files"}
        assert (began.project, began.display_name) == ("tinydistill", f"task-small-{phase}")

        logged: dict[str, Any] = {}
        for record in kept:
            logged |= values(record.history.item)
        expected = last_values(logs / phase)
        assert set(logged) - OWN == set(expected) | media
        assert {name: logged[name] for name in expected} == pytest.approx(expected)

        assert began.host == "localhost"
        for record in kept:
            for content in record.artifact.manifest.contents:
                content.local_path = ""  # `wandb sync` needs it, and docs/security.md tells it
            written = record.SerializeToString()
            assert str(tmp_path).encode() not in written
            assert HOST.encode() not in written
    assert "says where its files lie" in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").replace("\n", " ")
