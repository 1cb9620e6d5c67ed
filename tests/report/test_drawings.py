import pytest

from tests.report.conftest import scored
from tinydistill.report.collected import collect
from tinydistill.report.contents import drawing
from tinydistill.report.drawings import MappingDrawing, draw

COSINE = {"_target_": "mine.Cosine", "weight": 0.5}
OBJECTIVE = {"embedding": 1.0, "hidden": 1.0, "attention": 0.0, "relation": 2.0, "losses": {"cosine": COSINE}}


def test_what_is_drawn_is_the_mapping_and_the_losses_that_counted(maker):
    result = {**scored(0.5), "phases": {"intermediate": {"mapping": [None, 4]}, "prediction": {}}}
    maker.make("task/a", {"objective": OBJECTIVE}, result)
    maker.make("general/a", {"objective": {**OBJECTIVE, "embedding": 0.0}}, {"mapping": [2, 4]})
    maker.finetune("a", 0.5, "teacher")
    finetuned, general, task = collect([maker.root]).runs
    assert drawing(task, 6) == MappingDrawing(
        (None, 4), 6, ("hidden", "relation", "cosine"), embedding=True, prediction=True
    )
    assert drawing(general, None) == MappingDrawing(
        (2, 4), None, ("hidden", "relation", "cosine"), embedding=False, prediction=False
    )
    assert drawing(finetuned, 6) is None


@pytest.mark.parametrize("depth", [None, 12])
def test_a_mapping_of_any_depth_is_drawn(tmp_path, depth):
    draw(
        tmp_path / "mapping.png", MappingDrawing((3, None, 9, 12), depth, ("hidden",), embedding=True, prediction=False)
    )
    assert (tmp_path / "mapping.png").read_bytes().startswith(b"\x89PNG")
