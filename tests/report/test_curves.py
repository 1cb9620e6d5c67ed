from tinydistill.report.collected import collect
from tinydistill.report.curves import curves


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
    assert [first.phase, second.phase] == ["intermediate", "prediction"]
    assert dict(first.metric("heldout/loss")) == {0: 3.0}
    assert dict(second.metric("train/loss")) == {9: 2.0, 19: 1.5}
    assert dict(second.metric("validation/accuracy")) == {9: 0.5}
    assert second.metric("heldout/loss").empty
    assert second.named("validation/").keys() == {"accuracy"}


def test_a_run_that_was_cut_goes_on_in_the_next_file(maker):
    path = maker.finetune("a", 0.5, "teacher")
    log(path, "step,train/loss\n9,3.0\n19,2.0\n29,9.0\n", version=0)
    log(path, "step,train/loss\n29,1.0\n39,0.5\n49,na", version=10)  # the last line cut short
    log(path, "step,train/loss\n39,0.4\n", version=2)
    (phase,) = curves(collect([path]).runs[0])
    assert phase.phase == "finetune"
    assert dict(phase.metric("train/loss")) == {9: 3.0, 19: 2.0, 29: 1.0, 39: 0.5}


def test_a_run_without_logs_has_no_curves(maker):
    path = maker.finetune("a", 0.5, "teacher")
    log(path, "")
    assert curves(collect([path]).runs[0]) == []
