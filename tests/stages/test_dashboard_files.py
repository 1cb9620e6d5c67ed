"""What the stages give to dashboards, as the CSV logger keeps it; and from what an artifact was made."""

import csv
from pathlib import Path

from PIL import Image

from tests.stages.conftest import changed
from tinydistill.artifacts.writer import open_artifact
from tinydistill.config.build.trainer import _lineage
from tinydistill.config.compose import composed


def test_where_both_look_is_a_picture_of_every_mapped_layer(arguments, command):
    assert command(changed(arguments, general__max_steps="2"))[0] == 0
    picture = Image.open(Path(arguments["output_dir"]) / "logs" / "attention.png")
    assert picture.size == (2 * 256 + 8, 2 * 256 + 8)  # two mapped layers


def test_without_an_attention_loss_there_is_no_picture(arguments, command):
    assert command(changed(arguments, general__max_steps="2", objective__attention="0"))[0] == 0
    assert not list(Path(arguments["output_dir"]).rglob("*.png"))


def test_predictions_are_a_table_with_the_worst_rows_first(task_arguments, command):
    code, out, _ = command({**task_arguments, "stage": "finetune", "finetune.teacher.epochs": "1"})
    assert code == 0
    assert "  -> cat" in out  # a row with its label, as the model gets it
    with (Path(task_arguments["output_dir"]) / "logs" / "predictions.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["row", "text", "label", "prediction", "loss"]
    assert sorted(int(row[0]) for row in rows) == list(range(40))
    losses = [float(row[-1]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert {row[2] for row in rows} == {"cat", "dog"}
    assert all(row[2] in row[1] for row in rows)


def test_a_run_knows_what_its_artifact_is_made_from(tmp_path, arguments, command):
    assert command(changed(arguments, general__max_steps="2"))[0] == 0
    student = arguments["output_dir"]
    places = student, str(tmp_path / "rows.parquet"), None, "google-bert/bert-base-uncased"
    inputs = dict(zip(("student", "augmentation", "corpus", "teacher"), places, strict=True))
    config = composed(["stage=task"])
    with open_artifact(tmp_path / "made", {"seed": 0}, inputs=inputs) as made:
        first, last = (_lineage(config, made, made.work / f"made-{phase}") for phase in ("intermediate", "prediction"))
    assert first.made is None
    assert (last.made.name, last.made.stage, last.made.settings) == ("made", "task", {"seed": 0})
    for run in (first, last):
        (taken,) = run.taken
        assert (taken.name, taken.stage, taken.path) == (Path(student).name, "general", student)
        assert taken.settings["options"]["general"]["max_steps"] == 2
