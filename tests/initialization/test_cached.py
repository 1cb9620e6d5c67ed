import pytest
import torch

from tests.conftest import bert
from tinydistill.initialization import start
from tinydistill.initialization.closed_form import solve_student
from tinydistill.models import students

TEACHER = bert(2, 32, seed=1, initializer_range=0.2)
SAMPLE = [{"input_ids": torch.randint(5, 27, (16, 12), generator=torch.Generator().manual_seed(0))}]


def new(seed: int = 0):
    sizes = {"num_layers": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 4, "dropout": 0.0}
    return students.new_student(students.student_config(TEACHER.config, **sizes), seed)


@pytest.fixture
def solve(tmp_path):
    def call(student, teacher=TEACHER, mapping=(2,), sample=SAMPLE, seed=0) -> tuple[str, ...]:
        return start.solve_once(student, teacher, mapping, sample, seed=seed, cache_dir=tmp_path)

    return call


def same(one, other) -> bool:
    return all(torch.equal(x, y) for x, y in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_start_is_solved_for_once_and_the_same_the_second_time(solve, monkeypatch):
    expected, first, second = new(), new(), new()
    left = solve_student(expected, TEACHER, (2,), SAMPLE, seed=0)
    assert solve(first) == left
    monkeypatch.setattr(start, "solve_student", lambda *_, **__: pytest.fail("solved for again"))
    assert solve(second) == left
    assert same(first, expected)
    assert same(second, expected)


@pytest.mark.parametrize(
    "changed",
    [
        {"teacher": bert(2, 32, seed=2, initializer_range=0.2)},
        {"mapping": (1,)},
        {"sample": [{"input_ids": SAMPLE[0]["input_ids"].flip(0)}]},
        {"seed": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_a_start_depends_on_makes_another_one(solve, tmp_path, changed):
    solve(new())
    solve(new(changed.get("seed", 0)), **changed)
    assert len(list(tmp_path.glob("start-*[!k]"))) == 2
