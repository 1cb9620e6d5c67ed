import pytest

from tinydistill.report import tables
from tinydistill.report.collected import collect
from tinydistill.report.scores import scores
from tinydistill.report.sweeps import sweeps, varying


def phase(rate, epochs=3):
    return {"learning_rate": rate, "epochs": epochs}


@pytest.fixture
def swept(maker):
    maker.finetune("big", 0.8, "teacher")
    for name, score, rate in (("a", 0.6, 1e-3), ("b", 0.7, 1e-4), ("c", 0.65, 1e-5)):
        maker.task(name, score, "big", 0.8, prediction=phase(rate), seed=0)
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
        maker.task(name, 0.6, "big", 0.8, prediction=phase(1e-3))
    assert not sweeps(collect([maker.root]))


def test_a_phase_that_some_went_without_is_one_difference(maker):
    maker.task("both", 0.7, "big", 0.8, prediction=phase(1e-3), intermediate=phase(1e-4))
    maker.task("one", 0.6, "big", 0.8, prediction=phase(1e-3))
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"intermediate": ("yes", "no")}


def test_what_the_others_differ_in_is_shown_beside_what_one_went_without(maker):
    for name, hidden in (("a", 1), ("b", 0)):
        both = {"prediction": phase(1e-3), "intermediate": phase(1e-4)}
        maker.task(name, 0.7, "big", 0.8, objective={"hidden": hidden}, **both)
    maker.task("c", 0.6, "big", 0.8, prediction=phase(1e-3))
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"objective.hidden": (1, 0, "-"), "intermediate": ("yes", "yes", "no")}


def test_what_is_known_by_a_hash_is_shown_by_the_option_that_names_it(maker):
    result = {"score": 0.5, "monitor": "validation/accuracy"}
    inputs = {"augmentation": "0" * 64, "student": "a" * 16}
    maker.make("task/a", {}, result, None, inputs, task__name="pets", augmentation__path="rows.parquet")
    maker.make("task/b", {}, result, None, {**inputs, "augmentation": None}, task__name="pets", augmentation__path=None)
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"augmentation.path": ("rows.parquet", None)}
    runs = collect([maker.root]).runs
    runs[1].inputs["student"] = "b" * 16
    assert varying(runs)["student"] == ("a" * 16, "b" * 16)
    assert tables.shown("a" * 16) == "a" * 8


def test_what_a_target_builds_goes_by_its_last_word(maker):
    rules = {
        "uniform": {"_target_": "tinydistill.distillation.mapping.uniform"},
        "list": {"_target_": "tinydistill.distillation.mapping.listed", "layers": [2, None, 6]},
    }
    for (name, mapping), optimizer in zip(rules.items(), ("torch.optim.AdamW", "mine.Muon"), strict=True):
        maker.task(name, 0.7, "big", 0.8, mapping=mapping, optimizer={"_target_": optimizer, "weight_decay": 0.01})
    (sweep,) = sweeps(collect([maker.root]))
    assert sweep.varying == {"mapping": ("listed [2,null,6]", "uniform"), "optimizer": ("Muon", "AdamW")}


def test_general_students_are_compared_by_what_can_be_compared(maker):
    for scale, loss, unexplained in (("raw", 9.0, 0.2), ("teacher_variance", 1.0, 0.4)):
        layers = [{"unexplained": unexplained}, {"unexplained": unexplained + 0.2}]
        maker.make(f"general/{scale}", {"objective": {"scale": scale}}, {"heldout_loss": loss, "layers": layers})
    (sweep,) = sweeps(collect([maker.root]))
    assert [run.name for run in sweep.runs] == ["general/raw", "general/teacher_variance"]
    assert sweep.runs[0].figure.value == pytest.approx(0.3)
    assert sweep.runs[0].figure.name == "mean unexplained variance"


def test_teachers_and_baselines_are_no_sweep_of_each_other(maker):
    maker.finetune("big", 0.8, "teacher", seed=1)
    maker.finetune("alone", 0.5, "student", seed=2)
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
