import pytest

from tinydistill.report.collected import collect
from tinydistill.report.curves import curves, smoothed


def log(path, text, phase="", version=0):
    place = path / "logs" / phase / "csv" / f"version_{version}"
    place.mkdir(parents=True)
    (place / "metrics.csv").write_text(text)


def test_every_phase_has_its_metrics_by_step(maker):
    path = maker.task("a", 0.5, "big", 0.8)
    log(path, "epoch,step,train/loss,validation/accuracy\n0,9,2.0,\n,9,,0.5\n0,19,1.5,\n", "prediction")
    log(path, "step,heldout/loss\n0,3.0\n", "intermediate")
    (run,) = collect([path]).runs
    first, second = curves(run)
    assert (first.phase, first.metrics) == ("intermediate", {"heldout/loss": [(0, 3.0)]})
    assert second.metrics == {"train/loss": [(9, 2.0), (19, 1.5)], "validation/accuracy": [(9, 0.5)]}


def test_a_run_that_was_cut_goes_on_in_the_next_file(maker):
    path = maker.finetune("a", 0.5, "teacher")
    log(path, "step,train/loss\n9,3.0\n19,2.0\n29,9.0\n", version=0)
    log(path, "step,train/loss\n29,1.0\n39,0.5\n49,na", version=10)  # the last line cut short
    log(path, "step,train/loss\n39,0.4\n", version=2)
    (phase,) = curves(collect([path]).runs[0])
    assert phase.phase == "finetune"
    assert phase.metrics["train/loss"] == [(9, 3.0), (19, 2.0), (29, 1.0), (39, 0.5)]


def test_a_run_without_logs_has_no_curves(maker):
    path = maker.finetune("a", 0.5, "teacher")
    log(path, "")
    assert curves(collect([path]).runs[0]) == []


def test_the_running_mean_keeps_the_steps_and_a_straight_line():
    points = [(float(x), 2.0 * x) for x in range(10)]
    mean = smoothed(points, 5)
    assert [step for step, _ in mean] == [step for step, _ in points]
    assert [value for _, value in mean[2:-2]] == pytest.approx([value for _, value in points[2:-2]])
    assert mean[0][1] == pytest.approx(2.0)
