import json

import pytest

from tests.report.conftest import scored
from tinydistill.report import drawings
from tinydistill.report.collected import collect
from tinydistill.report.contents import Report

COSINE = {"_target_": "mine.Cosine", "weight": 0.5}
OBJECTIVE = {"embedding": 1.0, "hidden": 1.0, "attention": 0.0, "relation": 2.0, "losses": {"cosine": COSINE}}
LOSSES = ("embedding", "hidden", "relation", "cosine")


def test_what_is_drawn_is_the_mapping_and_the_losses_that_counted(maker, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawings, "draw", lambda file, *args, **options: drawn.append((args, options)))
    result = {**scored(0.5), "phases": {"intermediate": {"mapping": [None, 4]}, "prediction": {}}}
    path = maker.task("a", 0.5, "big", 0.8, objective=OBJECTIVE)
    (path / "result.json").write_text(json.dumps({**json.loads((path / "result.json").read_text()), **result}))
    general = maker.make("general/a", {"objective": {**OBJECTIVE, "embedding": 0.0}}, {"mapping": [2, 4]})
    (run,) = collect([path]).runs
    assert "`task/a`" in Report(collect([path]), tmp_path, {run.path: 6})._mapping()
    assert drawn.pop() == (((None, 4), LOSSES), {"teacher_layers": 6, "prediction": True})
    assert "`general/a`" in Report(collect([general]), tmp_path)._mapping()
    assert drawn.pop() == (((2, 4), LOSSES[1:]), {"teacher_layers": None, "prediction": False})
    assert not Report(collect([maker.finetune("a", 0.5, "teacher")]), tmp_path)._mapping()


@pytest.mark.parametrize("depth", [None, 12])
def test_a_mapping_of_any_depth_is_drawn(tmp_path, depth):
    file = tmp_path / "mapping.png"
    drawings.draw(file, (3, None, 9, 12), ("hidden",), teacher_layers=depth, prediction=False)
    assert file.read_bytes().startswith(b"\x89PNG")
