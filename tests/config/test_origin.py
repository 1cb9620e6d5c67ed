"""Where a model comes from is found, however artifacts lead to each other."""

from pathlib import Path

import pytest

from tinydistill.artifacts.files import write_json
from tinydistill.artifacts.provenance import record_of
from tinydistill.config.build import origin
from tinydistill.config.compose import composed

LEADS = [
    ({"a": "hub/bert"}, "hub/bert"),
    ({"a": "b", "b": "hub/bert"}, "hub/bert"),
    ({"a": "a"}, "a"),
    ({"a": "b", "b": "b"}, "b"),
    ({"a": "b", "b": "a"}, "a"),
    ({"a": "b", "b": "c", "c": "a"}, "a"),
]


@pytest.mark.parametrize(("teachers", "base"), LEADS)
def test_the_search_for_the_first_teacher_ends_though_a_model_was_made_into_its_teachers_place(
    teachers, base, tmp_path, monkeypatch
):
    def place(name: str) -> str:
        return str(tmp_path / name) if name in teachers else name

    for name, teacher in teachers.items():
        Path(place(name)).mkdir()
        configuration = {"stage": "finetune", "teacher": {"path": place(teacher)}}
        write_json(tmp_path / name / "provenance.json", {"settings": {}, "configuration": configuration})
        write_json(tmp_path / name / "result.json", {})
    asked: list[str] = []

    def counted(path: str) -> object:
        asked.append(path)
        assert len(asked) < 9, "it goes in circles"
        return record_of(path)

    monkeypatch.setattr(origin, "record_of", counted)
    config = composed(["stage=export", f"teacher.path={place('a')}"])
    made = record_of(place("a"))
    assert made is not None
    assert origin.Origin(made, config, None, None).base == place(base)
