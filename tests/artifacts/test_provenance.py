"""What an artifact tells of how it came to be."""

import os
from pathlib import Path

from tinydistill.artifacts.files import read_json
from tinydistill.artifacts.provenance import PACKAGES, Record, record_of
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


def test_what_differs_in_its_seed_alone_or_in_that_of_its_inputs_has_one_recipe(tmp_path):
    def make(name: str, seed: int, rate: float, teacher: str | None = None) -> Record:
        inputs = {"teacher": None if teacher is None else f"hash of {teacher}", "task": "rows"}
        settings = {"options": {"seed": seed, "learning_rate": rate}, "inputs": inputs}
        given = {"teacher": None if teacher is None else str(tmp_path / teacher)}
        with open_artifact(tmp_path / name, settings, inputs=given) as artifact:
            artifact.publish({"score": 1.0}, {"stage": "task"})
        made = record_of(tmp_path / name)
        assert made is not None
        return made

    first, second, other = make("t0", 0, 0.1), make("t1", 1, 0.1), make("t2", 0, 0.2)
    assert (first.seed, second.seed) == (0, 1)
    assert first.recipe == second.recipe != other.recipe
    assert make("s0", 0, 0.3, "t0").recipe == make("s1", 1, 0.3, "t1").recipe != make("s2", 0, 0.3, "t2").recipe


def test_older_artifacts_have_a_recipe_as_far_as_their_inputs_are_the_same():
    def record(seed: int, teacher: str) -> Record:
        settings = {"options": {"seed": seed}, "inputs": {"teacher": teacher}}
        return Record(Path("made"), {"settings": settings}, {})

    assert record(0, "a").recipe == record(1, "a").recipe != record(0, "b").recipe


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
