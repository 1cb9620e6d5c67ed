import pytest

from tinydistill.report import tables
from tinydistill.report.collected import collect
from tinydistill.report.scores import scores
from tinydistill.report.sweeps import figure, sweeps, varying


def phases(rate, epochs=3):
    return {"prediction": {"learning_rate": rate, "epochs": epochs}}


@pytest.fixture
def swept(maker):
    maker.finetune("big", 0.8, "teacher")
    for name, score, rate in (("a", 0.6, 1e-3), ("b", 0.7, 1e-4), ("c", 0.65, 1e-5)):
        maker.task(name, score, "big", 0.8, phases=phases(rate), seed=0)
    return maker


def test_the_table_has_exactly_the_settings_that_vary_and_the_best_run_first(swept):
    collected = collect([swept.root])
    (sweep,) = sweeps(collected)
    assert sweep.varying == {"prediction.learning_rate": (1e-4, 1e-5, 1e-3)}
    assert [run.name for run in sweep.runs] == ["task/b", "task/c", "task/a"]
    page = tables.of_sweep(sweep, [model for task in scores(collected) for model in task.models])
    assert page.splitlines()[0] == "|  | validation/accuracy | of teacher | `prediction.learning_rate` | artifact |"
    assert page.splitlines()[2] == "| 1 | **0.700** | 87.5% | 0.0001 | `task/b` |"


def test_runs_that_differ_in_nothing_are_no_sweep(maker):
    for name in "ab":
        maker.task(name, 0.6, "big", 0.8, phases=phases(1e-3))
    assert not sweeps(collect([maker.root]))


def test_a_phase_that_some_went_without_is_one_difference(maker):
    maker.task("both", 0.7, "big", 0.8, phases={**phases(1e-3), "intermediate": {"epochs": 3, "learning_rate": 1e-4}})
    maker.task("one", 0.6, "big", 0.8, phases=phases(1e-3))
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"phases.intermediate": ("yes", "no")}


def test_what_the_others_differ_in_is_shown_beside_what_one_went_without(maker):
    layered = {"epochs": 3, "learning_rate": 1e-4}
    for name, rate, objective in (("a", 1e-4, {"hidden": 1}), ("b", 1e-4, {"hidden": 0})):
        phase = {**phases(1e-3), "intermediate": layered | {"learning_rate": rate}}
        maker.task(name, 0.7, "big", 0.8, phases=phase, objective=objective)
    maker.task("c", 0.6, "big", 0.8, phases=phases(1e-3))
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"objective.hidden": (1, 0, "-"), "phases.intermediate": ("yes", "yes", "no")}


def test_what_settings_know_by_a_hash_is_shown_by_the_option_that_names_it(maker):
    rows = {"task__name": "pets", "student__path": None}
    result = {"score": 0.5, "monitor": "validation/accuracy"}
    maker.make("task/a", {"augmentation": "0" * 64}, result, augmentation__path="rows.parquet", **rows)
    maker.make("task/b", {"augmentation": None}, result, augmentation__path=None, **rows)
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"augmentation.path": ("rows.parquet", None)}
    runs = collect([maker.root]).runs
    for run, weights in zip(runs, ("a" * 16, "b" * 16), strict=True):
        run.settings["student"] = weights
    assert varying(runs)["student"] == ("a" * 16, "b" * 16)
    assert tables.shown("a" * 16) == "a" * 8


def test_general_students_are_compared_by_what_can_be_compared(maker):
    for scale, loss, unexplained in (("raw", 9.0, 0.2), ("teacher_variance", 1.0, 0.4)):
        layers = [{"unexplained": unexplained}, {"unexplained": unexplained + 0.2}]
        maker.make(f"general/{scale}", {"objective": {"scale": scale}}, {"heldout_loss": loss, "layers": layers})
    (sweep,) = sweeps(collect([maker.root]))
    assert [run.name for run in sweep.runs] == ["general/raw", "general/teacher_variance"]
    assert figure(sweep.runs[0]).value == pytest.approx(0.3)
    assert sweep.figure == "mean unexplained variance"


def test_teachers_and_baselines_are_no_sweep_of_each_other(maker):
    maker.finetune("big", 0.8, "teacher", finetune={"epochs": 3})
    maker.finetune("alone", 0.5, "student", finetune={"epochs": 8})
    assert not sweeps(collect([maker.root]))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "true"),
        (1e-5, "1e-05"),
        ([2, 4], "[2,4]"),
        ("x" * 50, "…" + "x" * 38),
        ("uniform", "uniform"),
    ],
)
def test_values_are_shown_as_they_are_typed(value, said):
    assert tables.shown(value) == said
