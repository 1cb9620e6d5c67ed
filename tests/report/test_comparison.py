"""The table that a pipeline ends with."""

from tinydistill.report.comparison import averages, show
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER


def row(model: str, score: float | None, **more: object) -> dict:
    measured = {"parameters": 109_500_000, "bytes": 438.0e6, "latency_ms": 136.2, "speedup": 10.1}
    known = {"task": "docstrings", "metric": "validation/accuracy", "model": model, "score": score}
    return {**known, "retention": 100.0, **measured, **more}


def test_it_fits_a_terminal_of_a_hundred_columns_and_tells_how_sure_a_score_is(capsys):
    show([row(TEACHER, 0.675, interval=[0.64, 0.70]), row(BASELINE, 0.542), row(STUDENT, None, interval=None)], 128)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    words = [line.split() for line in lines if "accuracy" in line]
    assert [line[2:-6] for line in words] == [
        ["teacher", "0.675", "±0.030"],
        ["not", "distilled", "0.542"],
        ["distilled", "-"],
    ]


def test_a_class_that_a_model_never_predicts_is_said_below(capsys):
    show([row(TEACHER, 0.9, never=None), row(STUDENT, 0.8, never="never predicts neutral (24 rows)")], 128)
    said = [line for line in capsys.readouterr().out.splitlines() if "never" in line]
    assert said == ["docstrings: the student, distilled never predicts neutral (24 rows)"]


def test_means_over_tasks_have_no_interval(capsys):
    rows = [row(TEACHER, 0.5, interval=[0.4, 0.6]), row(TEACHER, 0.7, task="pets", interval=[0.6, 0.8])]
    show(rows + averages(rows), 128)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("all average")]
    assert line.split()[-2:] == ["0.600", "100.0%"]
