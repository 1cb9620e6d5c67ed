from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, OnExceptionCheckpoint
from transformers import BertTokenizerFast

from tests.data.conftest import ListCorpus
from tinydistill.data.text.datamodule import BatchOrder, TextDataModule
from tinydistill.errors import UserError


@pytest.fixture
def module(corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path) -> Any:
    def make(**options: Any) -> TextDataModule:
        settings = {"max_length": 16, "batch_size": 4, "heldout_blocks": 6, "cache_dir": cache, **options}
        return TextDataModule(corpus, tokenizer, **settings)

    return make


def numbers(order: BatchOrder) -> list[int]:
    return [number for batch in order for number in batch.tolist()]


def test_every_epoch_sees_every_block_once_and_what_is_left_over_begins_the_next() -> None:
    order = BatchOrder(blocks=10, batch_size=4, batches=8, seed=1)  # 32 blocks: three epochs and two blocks
    seen = numbers(order)
    epochs = [seen[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3
    assert {len(batch) for batch in order} == {4}
    assert seen != numbers(BatchOrder(10, 4, 8, seed=2))
    assert seen[:16] == numbers(BatchOrder(10, 4, 4, seed=1))


def test_ranks_see_disjoint_blocks_that_make_up_the_batches_of_one_large_device() -> None:
    ranks = [BatchOrder(24, 2, 4, seed=3, world_size=3, rank=rank) for rank in range(3)]
    together = [number for batches in zip(*ranks, strict=True) for batch in batches for number in batch.tolist()]
    assert sorted(together) == list(range(24))
    assert together == numbers(BatchOrder(24, 6, 4, seed=3))


def test_a_run_covers_the_epochs_in_whole_optimiser_steps(module: Any) -> None:
    data = module(epochs=3, accumulate=3)
    blocks = 3 * len(data.blocks.train)
    assert data.total_batches == data.total_steps * 3 == len(data.train_dataloader())
    assert blocks <= data.total_batches * 4 < blocks + 12
    assert module(epochs=3, accumulate=3, max_steps=2).total_batches == 6
    assert module(epochs=3, max_steps=-1).total_steps == module(epochs=3).total_steps


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_whole_blocks_without_a_mask(module: Any, workers: int) -> None:
    data = module(num_workers=workers)
    batches = list(data.train_dataloader())
    assert len(batches) == data.total_batches
    for batch, chosen in zip(batches, data.train_dataloader().order, strict=True):
        assert batch.keys() == {"input_ids"}
        assert batch["input_ids"].dtype == torch.long
        assert np.array_equal(batch["input_ids"], data.blocks.train.array[chosen])


def test_reading_leaves_the_global_random_numbers_alone(module: Any) -> None:
    data = module()
    before = torch.get_rng_state()
    next(iter(data.train_dataloader()))
    list(data.val_dataloader())
    assert torch.equal(before, torch.get_rng_state())


def test_heldout_and_sample_batches_need_no_trainer(module: Any) -> None:
    data = module()
    heldout = torch.cat([batch["input_ids"] for batch in data.heldout_batches()])
    assert np.array_equal(heldout, data.blocks.heldout.array)
    sample = list(data.sample_batches(100))
    assert [batch["input_ids"].shape for batch in sample] == [(4, 16)] * 2
    for batch, trained in zip(sample, data.train_dataloader(), strict=False):
        assert torch.equal(batch["input_ids"], trained["input_ids"])
    assert len(list(data.sample_batches(10**9))) == len(data.blocks.train) // 4


def test_too_little_text_says_how_much_there_is_and_what_to_change(tokenizer: BertTokenizerFast, cache: Path) -> None:
    for texts in [("the cat sat",), ("the cat sat " * 40,) * 2, ("the cat", "sat")]:
        data = TextDataModule(ListCorpus(texts, []), tokenizer, max_length=16, batch_size=4, cache_dir=cache)
        with pytest.raises(UserError, match=r"word pieces in \d documents .*general.max_length=16"):
            data.setup()


class Recorder(pl.LightningModule):
    """Learns nothing worth having, and keeps the batches that it was given."""

    def __init__(self, fail_at: int = -1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[list[int]]] = []
        self.fail_at = fail_at

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if batch_idx == self.fail_at:
            raise RuntimeError("the machine went down")
        self.seen.append(batch["input_ids"].tolist())
        return self.weight * batch["input_ids"].float().mean()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        assert self.weight.isfinite()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-6)


def fit(data: TextDataModule, model: Recorder, root: Path, checkpoint: Path | None = None, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "max_epochs": 1,
        "max_steps": -1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": bool(options.get("callbacks")),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": root,
        **options,
    }
    trainer = pl.Trainer(**settings)
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
    return model.seen


@pytest.mark.filterwarnings("error:.*does not have many workers")
@pytest.mark.filterwarnings("error:.*not resumable")
@pytest.mark.parametrize("by", ["max_steps", "max_epochs"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_run_goes_on_with_the_next_batch(
    module: Any, tmp_path: Path, accumulate: int, workers: int, by: str
) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": accumulate, "val_check_interval": 3}

    def data() -> TextDataModule:
        return module(max_steps=10, accumulate=accumulate, num_workers=workers, epochs=9)

    if by == "max_steps":
        options |= {"max_epochs": -1, "max_steps": 10}
    straight = fit(data(), Recorder(), tmp_path, **options)
    assert len(straight) == 10 * accumulate

    saver = ModelCheckpoint(tmp_path, "step{step}", every_n_train_steps=4, save_top_k=-1, auto_insert_metric_name=False)
    with pytest.raises(RuntimeError, match="went down"):
        fit(data(), Recorder(fail_at=6 * accumulate), tmp_path, callbacks=[saver], **options)
    resumed = fit(data(), Recorder(), tmp_path, tmp_path / "step4.ckpt", **options)
    assert resumed == straight[4 * accumulate :]


def test_a_run_that_fails_amid_a_step_does_that_batch_again(module: Any, tmp_path: Path) -> None:
    straight = fit(module(max_steps=10), Recorder(), tmp_path)
    with pytest.raises(RuntimeError, match="went down"):
        fit(module(max_steps=10), Recorder(fail_at=5), tmp_path, callbacks=[OnExceptionCheckpoint(tmp_path, "fell")])
    assert fit(module(max_steps=10), Recorder(), tmp_path, tmp_path / "fell.ckpt") == straight[5:]


@pytest.mark.parametrize("options", [{"max_epochs": 1}, {"max_epochs": -1, "max_steps": 4}], ids=str)
def test_a_run_that_is_cut_after_its_last_step_has_nothing_left_to_do(
    module: Any, tmp_path: Path, options: dict[str, int]
) -> None:
    saver = ModelCheckpoint(tmp_path, "end", every_n_train_steps=4)
    assert len(fit(module(max_steps=4), Recorder(), tmp_path, callbacks=[saver], **options)) == 4
    assert fit(module(max_steps=4), Recorder(), tmp_path, tmp_path / "end.ckpt", **options) == []


def test_resuming_with_other_batches_is_refused(module: Any, tmp_path: Path) -> None:
    saver = ModelCheckpoint(tmp_path, "at", every_n_train_steps=2)
    fit(module(max_steps=2), Recorder(), tmp_path, max_steps=2, callbacks=[saver])
    with pytest.raises(UserError, match=r"the checkpoint's run had seed 0, this one has 1.*overwrite=true"):
        fit(module(max_steps=4, seed=1), Recorder(), tmp_path, tmp_path / "at.ckpt", max_steps=4)
