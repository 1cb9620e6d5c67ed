"""What an artifact tells of how it came to be."""

import os

from tinydistill.artifacts.files import read_json
from tinydistill.artifacts.provenance import PACKAGES, record_of
from tinydistill.artifacts.writer import open_artifact


def test_variables_that_can_change_a_run_are_recorded_and_no_others(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("PL_", "TORCH_", "OMP_"))]:
        monkeypatch.delenv(name)
    set_to = {"PL_TRAINER_MAX_EPOCHS": "3", "OMP_NUM_THREADS": "2", "TORCH_LOGS": "+dynamo"}
    for name, value in {**set_to, "HF_TOKEN": "a secret", "WANDB_API_KEY": "another"}.items():
        monkeypatch.setenv(name, value)
    with open_artifact(tmp_path / "made", {"seed": 0}) as artifact:
        artifact.publish({"score": 1.0}, {"stage": "task"})
    found = read_json(tmp_path / "made" / "provenance.json")
    assert found["environment"] == set_to
    assert found["versions"].keys() == {"python", *PACKAGES}
    assert "secret" not in (tmp_path / "made" / "provenance.json").read_text()


def test_an_artifact_is_found_by_its_path_or_by_a_file_in_it(tmp_path):
    with open_artifact(tmp_path / "made", {"seed": 0}) as artifact:
        artifact.product.mkdir()
        (artifact.product / "rows.parquet").touch()
        artifact.publish({"score": 1.0}, {"stage": "augment"})
    for path in (tmp_path / "made", tmp_path / "made" / "rows.parquet"):
        made = record_of(path)
        assert made is not None
        assert (made.stage, made.settings, made.result) == ("augment", {"seed": 0}, {"score": 1.0})
    assert record_of(tmp_path) is record_of("google-bert/bert-base-uncased") is None
