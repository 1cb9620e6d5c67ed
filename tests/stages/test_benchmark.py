"""stage=benchmark from the command line, on tiny models for a moment."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.conftest import changed
from tinydistill.benchmarking import gemm, tokenization

PIECES = ["general", "finetune", "intermediate", "prediction", "augmentation", "tokenization", "latency"]


@pytest.fixture
def run(command, arguments, task_arguments, monkeypatch):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(gemm, "SIDES", {"cpu": 32})
    fixed = {
        **arguments,
        **task_arguments,
        "stage": "benchmark",
        "benchmark.seconds": "0.02",
        "intermediate.epochs": "3",
        "prediction.epochs": "2",
        "prediction.batch_size": "16",
        "augmentation.rows": "2",
        "augmentation.candidates": "3",
        "pipeline.latency_length": "16",
    }
    return lambda **changes: command(changed(fixed, **changes))


@pytest.fixture
def output(arguments) -> Path:
    return Path(arguments["paths.outputs"])


def result(directory: Path) -> dict:
    return json.loads((directory / "result.json").read_text())


def test_every_piece_is_measured_beside_matrix_products(run, output):
    code, printed, error = run()
    assert code == 0, error
    found = result(output / "made")
    names = [row["piece"] for row in found["pieces"]]
    assert names == [*PIECES[:-1], "latency, teacher", "latency, student"]
    for row in found["pieces"]:
        speed, rates = row["units_per_second"], [row["gemm"][when] for when in ("before", "after")]
        assert speed == pytest.approx(row["units"] / row["seconds"])
        assert min(rate for of_time in rates for rate in of_time.values()) > 0
        assert row["peak_memory"] > 1e6
        if row["piece"] == "tokenization":
            assert row["flops_per_unit"] is None
            continue
        fp32, bf16 = (sum(of_time[name] for of_time in rates) / 2 for name in ("fp32", "bf16"))
        assert row["multiple_of_fp32_gemm"] == pytest.approx(speed * row["flops_per_unit"] / fp32)
        assert row["share_of_floor"] == pytest.approx(speed * row["flops_per_unit"] / max(fp32, bf16))
        assert row["piece"] in printed
    assert {"device", "threads", "precision", "seconds"} <= found.keys()
    assert re.search(r"general +1\.5 k tokens +\d", printed)
    assert f"artifact: {output / 'made'}" in printed
    assert sorted(file.name for file in (output / "made").iterdir()) == [
        "checksums.json",
        "provenance.json",
        "result.json",
    ]


@pytest.mark.slow
def test_a_run_is_estimated_from_the_rows_and_blocks_that_there_are(run, output):
    code, _, error = run(benchmark__pieces="[general,finetune,intermediate,prediction,augmentation]")
    assert code == 0, error
    runs = {row["piece"]: row["run"]["units"] for row in result(output / "made")["pieces"]}
    assert runs["general"] == 12 * 8 * 16  # steps, blocks, tokens
    assert runs["augmentation"] == 160
    assert runs["intermediate"] == 160 * 3 * 10  # rows, epochs, tokens: [CLS], eight words, [SEP]
    assert runs["finetune"] * 3 == pytest.approx(runs["intermediate"] * 8)
    assert runs["prediction"] * 3 == pytest.approx(runs["intermediate"] * 2)


@pytest.mark.slow
def test_both_phases_are_measured_on_the_augmented_rows_that_are_named(run, output, tmp_path):
    rows = {"text": ["the cat sat on the mat and it ran"] * 320, "source_row": list(range(160)) * 2}
    pq.write_table(pa.table(rows), tmp_path / "more.parquet")
    pieces = "[finetune,intermediate,prediction]"
    code, _, error = run(benchmark__pieces=pieces, augmentation__path=str(tmp_path / "more.parquet"))
    assert code == 0, error
    runs = {row["piece"]: row["run"]["units"] for row in result(output / "made")["pieces"]}
    tokens = 320 * 11
    assert (runs["intermediate"], runs["prediction"]) == (3 * tokens, 2 * tokens)
    assert runs["finetune"] == 160 * 8 * 10  # the task's own rows


@pytest.mark.slow
def test_of_a_corpus_that_is_read_in_part_no_run_is_estimated(run, output, monkeypatch):
    monkeypatch.setattr(tokenization, "SAMPLE", 20_000)
    pieces = "[general,tokenization]"
    assert run(benchmark__pieces=pieces)[0] == 0
    units = [row["run"]["units"] for row in result(output / "made")["pieces"]]
    assert units == [None, None]
    assert run(stage="general", output_dir=None)[0] == 0  # which cuts it into blocks
    code, printed, error = run(benchmark__pieces=pieces, overwrite="true")
    assert code == 0, error
    units = [row["run"]["units"] for row in result(output / "made")["pieces"]]
    assert units == [12 * 8 * 16, None]
    assert re.search(r"tokenization +each 1\.0 k MB ", printed)


@pytest.mark.slow
def test_every_measurement_has_a_directory_of_its_own(run, output):
    for _ in range(2):
        code, _, error = run(benchmark__pieces="[latency]", output_dir=None)
        assert code == 0, error
    kept = [path for path in (output / "benchmark").iterdir() if path.is_dir()]
    assert len(kept) == 2
    code, _, error = run(benchmark__pieces="[latency]")
    assert code == 0, error
    code, _, error = run(benchmark__pieces="[latency]")
    assert code == 2
    assert "overwrite=true" in error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"benchmark__pieces": "[general,latencies]"},
            r"'latencies', which is not one of .* \(did you mean latency\?\)",
        ),
        ({"benchmark__pieces": "[]"}, "benchmark.pieces is empty: name any of general"),
        ({"general__max_length": "100"}, r"general.max_length=100 is too long: the models end at 64"),
        ({"trainer__devices": "2"}, r"measures one device, not 2: set trainer.devices=1"),
        ({"task__train": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line_and_leaves_nothing(run, output, changes, message):
    code, _, error = run(**changes)
    assert code == 2
    assert re.search(message, error)
    assert len(error.strip().splitlines()) == 1
    assert not (output / "made").exists()
    assert not (output / "made.unfinished").exists()
