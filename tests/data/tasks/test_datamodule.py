from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pytorch_lightning.callbacks import OnExceptionCheckpoint

from tests.conftest import WORDS
from tests.data.conftest import GivenTask
from tests.data.text.test_datamodule import Recorder, fit, saver
from tinydistill.data.tasks import datamodule
from tinydistill.data.tasks.batches import every_row
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.errors import InputError


def rows(loader: Any) -> list[list[int]]:
    return [batch["row"].tolist() for batch in loader]


def flat(lists: Any) -> list[int]:
    return [row for batch in lists for row in (batch.tolist() if hasattr(batch, "tolist") else batch)]


def test_every_validation_row_comes_once_and_says_where_it_stood(task_module: Any) -> None:
    data = task_module(GivenTask(pairs=True))
    loaders = data.val_dataloader()
    assert list(data.validation) == ["matched", "mismatched"]
    for loader, split in zip(loaders, data.validation.values(), strict=True):
        seen = list(loader)
        numbers = torch.cat([batch["row"] for batch in seen])
        assert sorted(numbers.tolist()) == list(range(50))
        labels = torch.empty(50, dtype=torch.long)
        labels[numbers] = torch.cat([batch["labels"] for batch in seen])
        assert np.array_equal(labels, split.labels)
    assert len(flat(rows(data.test_dataloader()[0]))) == len(flat(rows(data.predict_dataloader()[0]))) == 50
    assert sorted(flat(every_row(np.arange(50), 4))) == list(range(50))


def test_reading_leaves_the_global_random_numbers_alone(task_module: Any) -> None:
    data = task_module()
    before = torch.get_rng_state()
    rows(data.train_dataloader()), rows(data.val_dataloader()[0])
    assert torch.equal(before, torch.get_rng_state())


# stored logits and augmented rows


def test_training_batches_carry_their_rows_of_the_stored_logits(task_module: Any) -> None:
    data = task_module(num_workers=2)
    data.teacher_logits = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float16)
    for batch in data.train_dataloader():
        assert batch["teacher_logits"].dtype == torch.float32
        assert np.array_equal(batch["teacher_logits"], data.teacher_logits[batch["row"]].astype(np.float32))
    assert "teacher_logits" not in next(iter(data.val_dataloader()[0]))
    data.teacher_logits = data.teacher_logits[:-1]
    with pytest.raises(ValueError, match="49 rows of teacher logits for 50 rows"):
        data.train_dataloader()


def augmented(file: Path, sources: list[Any], pairs: bool = True, **columns: list[str]) -> Path:
    texts = {name: [f"the cat {WORDS[i]}" for i in range(len(sources))] for name in ("text", "text_pair")[: 1 + pairs]}
    pq.write_table(pa.table({**texts, "source_row": sources, **columns}), file)
    return file


def test_augmented_rows_take_the_place_of_the_training_rows_with_their_labels(task_module: Any, tmp_path: Path) -> None:
    sources = [3, 3, 4, 49, 0]
    data = task_module(GivenTask(pairs=True), augmentation=augmented(tmp_path / "a.parquet", sources))
    assert data.train.texts[1] == f"the cat {WORDS[1]}"
    assert data.train.source_rows.tolist() == sources
    assert data.train.labels.tolist() == [1, 1, 0, 1, 0]
    assert sorted(flat(rows(data.train_dataloader()))) == [0, 1, 2, 3, 4]
    assert len(data.validation["matched"]) == 50
    original = data.source.train()
    assert len(flat(rows(data.loader(original)))) == 50
    numbers = task_module(
        GivenTask(regression=True), augmentation=augmented(tmp_path / "b.parquet", sources, pairs=False)
    )
    assert np.array_equal(numbers.train.labels, numbers.source.train().labels[sources])


@pytest.mark.parametrize(
    ("sources", "pairs", "expected"),
    [
        ([0, 50], True, "row 2: there is no training row 50, they end at 49"),
        ([0, -1], True, "row 2: there is no training row -1"),
        ([0, None], True, "row 2: there is no training row"),
        ([0, 1], False, "has no column 'text_pair' but text, source_row: check augmentation"),
    ],
)
def test_augmented_rows_that_dont_fit_the_task_are_refused(
    task_module: Any, tmp_path: Path, sources: list[Any], pairs: bool, expected: str
) -> None:
    data = task_module(GivenTask(pairs=True), augmentation=augmented(tmp_path / "a.parquet", sources, pairs))
    with pytest.raises(InputError, match=expected):
        data.prepare_data()


def test_a_missing_augmentation_is_named(task_module: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*gone.parquet"):
        task_module(augmentation=tmp_path / "gone.parquet").prepare_data()


# resuming


class TaskRecorder(Recorder):
    """Keeps the rows that it was given, of training and of validation."""

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        assert dataloader_idx in (0, 1)


@pytest.mark.filterwarnings("error:.*not resumable")
@pytest.mark.parametrize(("accumulate", "workers"), [(1, 0), (2, 0), (1, 2)])
def test_a_resumed_run_goes_on_with_the_next_batch_in_a_later_epoch(
    task_module: Any, tmp_path: Path, accumulate: int, workers: int
) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": accumulate, "max_epochs": 3}

    def data() -> TaskDataModule:
        return task_module(num_workers=workers)

    straight = fit(data(), TaskRecorder(), tmp_path, **options)
    assert len(straight) == 39  # 50 rows: 13 batches an epoch
    with pytest.raises(RuntimeError, match="went down"):
        fit(data(), TaskRecorder(fail_at=24), tmp_path, callbacks=[saver(tmp_path)], **options)
    steps = {1: (3, 13, 14, 20), 2: (3, 7, 8, 11)}[accumulate]
    for step in steps:
        done = step if accumulate == 1 else min(2 * step, 13) if step <= 7 else 13 + 2 * (step - 7)
        resumed = fit(data(), TaskRecorder(), tmp_path, tmp_path / f"step{step}.ckpt", **options)
        assert resumed == straight[done:], step


def test_the_first_rows_are_a_sample_without_labels(task_module: Any) -> None:
    data = task_module()
    sample = list(data.sample_batches(40))
    assert sum(int(batch["attention_mask"].sum()) for batch in sample[:-1]) < 40
    for batch, trained in zip(sample, data.train_dataloader(), strict=False):
        assert set(batch) == {"input_ids", "attention_mask", "token_type_ids"}
        assert torch.equal(batch["input_ids"], trained["input_ids"])
    assert len(list(data.sample_batches(10**9))) == 13
    assert len(flat(rows(data.heldout_batches()))) == 50


def test_a_sample_encodes_nothing_again(task_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = task_module()
    data.prepare_data()
    monkeypatch.setattr(datamodule, "encode", lambda *_, **__: pytest.fail("encoded again"))
    assert list(data.sample_batches(40))


def test_a_sample_of_augmented_rows_begins_with_the_tasks_own_ones(task_module: Any, tmp_path: Path) -> None:
    task = GivenTask(pairs=True)
    own = task.train()
    columns = {"text": [*["the cat sat"] * 30, *own.texts[30:36]], "text_pair": own.pairs[:36], "source_row": range(36)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    data = task_module(task, augmentation=tmp_path / "a.parquet")
    data.teacher_logits = np.stack([np.arange(36), np.zeros(36)], 1).astype(np.float32)

    def sampled(tokens: int) -> list[int]:
        return flat(batch["teacher_logits"][:, 0].int() for batch in data.sample_batches(tokens, logits=True))

    assert sorted(sampled(10**9)[:6]) == [*range(30, 36)]
    assert set(sampled(10)) <= {*range(30, 36)}
    assert sorted(sampled(10**9)) == [*range(36)]


def test_resuming_with_other_batches_is_refused(task_module: Any, tmp_path: Path) -> None:
    kept = OnExceptionCheckpoint(tmp_path, "fell")
    with pytest.raises(RuntimeError, match="went down"):
        fit(task_module(), TaskRecorder(fail_at=3), tmp_path, callbacks=[kept])
    with pytest.raises(InputError, match=r"the checkpoint's run had rows 50, this one has 49"):
        fit(task_module(GivenTask(count=49)), TaskRecorder(), tmp_path, tmp_path / "fell.ckpt")
