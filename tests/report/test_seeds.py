"""Artifacts that differ in their seed alone are one line, with the interval that their predictions give."""

import json
import statistics

import pytest

from tests.report.conftest import answered
from tinydistill.artifacts.files import read_sealed, write_sealed
from tinydistill.report import printed, tables
from tinydistill.report.collected import collect
from tinydistill.report.contents import Report
from tinydistill.report.scores import scores
from tinydistill.report.seeds import deviation
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER
from tinydistill.report.sweeps import sweeps

SEEDS = (0, 1, 2)
ROWS = 200


def right(share: float, shift: int = 0) -> list[bool]:
    """So many of the rows in a hundred, other ones with another shift."""
    return [(7 * row + shift) % 100 < round(100 * share) for row in range(ROWS)]


@pytest.fixture
def seeded(maker):
    """A teacher, and baselines and students of three seeds, with what they predict."""
    answered(maker.finetune("big", 0.9, "teacher"), right(0.9))
    for seed in SEEDS:
        alone, made = 0.6 + 0.01 * seed, 0.8 + 0.02 * seed
        answered(maker.finetune(f"alone{seed}", alone, "student", seed=seed), right(alone, seed))
        place = maker.task(f"student{seed}", made, "big", 0.9, seed=seed)
        answered(place, right(made, seed))
        answered(place, right(0.9), of="teacher")
    return maker


def one_task(maker):
    (task,) = scores(collect([maker.root]))
    return task


def test_seeds_are_one_line_with_mean_deviation_and_interval(seeded):
    task = one_task(seeded)
    assert [(model.kind, model.seeds) for model in task.models] == [(TEACHER, 1), (STUDENT, 3), (BASELINE, 3)]
    teacher, student, _ = task.models
    assert student.score == pytest.approx(0.82)
    assert student.deviation == pytest.approx(statistics.stdev((0.8, 0.82, 0.84)))
    assert student.retention == pytest.approx(100 * 0.82 / 0.9)
    assert student.scores["validation/f1"] == pytest.approx(0.41)
    assert student.interval.value == pytest.approx(0.82)
    assert student.interval.low < 0.82 < student.interval.high
    assert teacher.interval.value == pytest.approx(0.9)
    page = tables.of_task(task)
    assert "| ± | seeds | 95% interval | of teacher |" in page
    assert "| **student, distilled** | 0.820 | 0.020 | 3 |" in page
    assert "`task/student0`, `task/student1`, `task/student2`" in page


def test_a_student_is_compared_with_its_teacher_and_with_the_baseline(seeded):
    task = one_task(seeded)
    teacher, baseline = task.differences
    assert [(one.against, one.seeds, one.rows) for one in task.differences] == [(TEACHER, 3, 200), (BASELINE, 3, 200)]
    assert teacher.score.value == pytest.approx(-0.08)
    assert teacher.score.low < teacher.score.value < teacher.score.high < 0
    assert teacher.share.value == pytest.approx(task.best(STUDENT).retention)
    assert baseline.score.value == pytest.approx(0.82 - 0.61)
    assert baseline.score.low > 0
    page = tables.of_differences(task.differences)
    assert "| student, distilled | teacher | -0.080 | -0.1" in page
    assert "| 91.1% | 8" in page


def test_every_page_says_what_was_resampled(seeded, tmp_path):
    page = Report(collect([seeded.root]), tmp_path).write("")
    assert "2,000 resamples of 200 rows" in page
    assert "rows resampled, and seeds where there are several; 1 to 3 seeds" in page
    assert "±: the sample standard deviation over the seeds." in page
    one = [seeded.root / name for name in ("task/student0", "finetune/alone0", "finetune/big")]
    page = Report(collect(one), tmp_path).write("")
    assert "rows resampled; one seed" in page
    assert "±" not in page


def test_what_is_printed_is_what_the_result_holds(seeded, capsys):
    result = json.loads(json.dumps(printed.summary([one_task(seeded)])))
    assert [(row["model"], row["seeds"]) for row in result["models"]] == [(TEACHER, 1), (STUDENT, 3), (BASELINE, 3)]
    printed.show(result)
    out = capsys.readouterr().out
    assert "student, distilled, against teacher" in out
    assert "rows resampled, and seeds where there are several; 1 to 3 seeds" in out
    printed.show({})  # of an older report
    assert capsys.readouterr().out == ""


def test_without_predictions_there_are_means_and_deviations_alone(maker):
    maker.finetune("big", 0.9, "teacher")
    for seed in SEEDS:
        maker.task(f"student{seed}", 0.8 + 0.02 * seed, "big", 0.9, seed=seed)
    task = one_task(maker)
    assert [(model.kind, model.seeds, model.interval) for model in task.models] == [
        *((TEACHER, 1, None), (STUDENT, 3, None))
    ]
    assert not task.differences
    assert "95% interval" not in tables.of_task(task)


def test_predictions_of_other_rows_are_not_compared(maker):
    place = maker.task("student", 0.8, "big", 0.9, seed=0)
    answered(place, right(0.8))
    answered(place, right(0.9), of="teacher", first=2)
    assert not one_task(maker).differences


def test_the_same_seed_twice_and_other_settings_are_lines_of_their_own(maker):
    for name, seed, rate in (("a", 0, 0.1), ("b", 1, 0.1), ("c", 1, 0.1), ("d", 1, 0.2)):
        maker.task(name, 0.8, "big", 0.9, seed=seed, rate=rate)
    lines = [[run.name for run in model.members] for model in one_task(maker).models if model.kind == STUDENT]
    assert sorted(lines) == [["task/a", "task/b"], ["task/c"], ["task/d"]]


def test_students_whose_teachers_differ_in_their_seed_are_one_line_if_their_record_says_so(maker):
    for seed in SEEDS:
        place = maker.task(f"student{seed}", 0.8, f"big{seed}", 0.9, seed=seed)
        record = json.loads((place / "provenance.json").read_text())
        (place / "provenance.json").write_text(json.dumps({**record, "recipe": "the same"}))
    assert [(model.kind, model.seeds) for model in one_task(maker).models] == [(TEACHER, 3), (STUDENT, 3)]


def test_variants_are_compared_with_the_whole_recipe_or_else_with_the_first_job(seeded):
    for number, variant in enumerate(("no_hidden", "full")):
        for seed in SEEDS:
            score = 0.8 + 0.05 * number + 0.01 * seed
            job = f"sweeps/x/{variant}_{seed}"
            place = seeded.make(
                f"{job}/task",
                {"hidden": number, "seed": seed},
                {"score": score, "monitor": "validation/accuracy"},
                **{"stage": "task", "task__name": "pets"},
            )
            answered(place, right(score, seed))
            said = {"overrides": [f"ablation={variant}"], "number": number}
            write_sealed(seeded.root / job / "job.json", said)
    (sweep,) = sweeps(collect([seeded.root / "sweeps"]))
    assert sweep.reference.name == "full_0/task"
    assert (sweep.varying, sweep.seeds) == ({"hidden": (1, 0)}, 3)
    whole, without = sweep.differences
    assert whole is None
    assert without.score.value == pytest.approx(-0.05)
    page = tables.of_sweep(sweep, [])
    assert "| ± | seeds | difference | 95% interval | `hidden` | artifact |" in page
    assert "| 2 | 0.810 | 0.010 | 3 | -0.050 | -0." in page
    for file in (seeded.root / "sweeps").glob("*/*/job.json"):
        write_sealed(file, {**read_sealed(file), "overrides": ["hidden=0"]})
    (sweep,) = sweeps(collect([seeded.root / "sweeps"]))
    assert sweep.reference.name == "no_hidden_0/task"


def test_general_students_of_several_seeds_are_one_line_too(maker):
    for seed in SEEDS:
        layers = [{"unexplained": 0.2 + 0.1 * seed}]
        maker.make(f"general/{seed}", {"seed": seed}, {"heldout_loss": 1.0, "layers": layers})
    (sweep,) = sweeps(collect([maker.root]))
    assert not sweep.varying
    assert tables.of_sweep(sweep, []).splitlines()[2].startswith("| 1 | **0.300** | 0.100 | 3 | `general/0`, ")


def test_a_deviation_needs_two_values():
    assert deviation([0.5]) is deviation([0.5, None]) is None
    assert deviation([0.5, 0.7]) == pytest.approx(0.02**0.5)
