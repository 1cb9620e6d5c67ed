import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, OnExceptionCheckpoint
from transformers import BertTokenizerFast

from tests.conftest import sentences
from tests.data.conftest import ListCorpus
from tests.trainers import quiet_trainer
from tinydistill.data.text.datamodule import BlockOrder, MaskedTextDataModule, TextDataModule
from tinydistill.data.text.masking import IGNORED, MaskingVocabulary
from tinydistill.errors import InputError


@pytest.fixture
def module(corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path) -> Any:
    def make(**options: Any) -> TextDataModule:
        settings = {"max_length": 16, "batch_size": 4, "heldout_blocks": 6, "cache_dir": cache, **options}
        return TextDataModule(corpus, tokenizer, **settings)

    return make


def numbers(order: BlockOrder, epoch: int = 0) -> list[int]:
    order.set_epoch(epoch)
    return [number for batch in order for number in batch.tolist()]


def test_an_epoch_sees_every_block_once_and_is_filled_up_from_the_next_one() -> None:
    order = BlockOrder(blocks=10, batch_size=4, seed=1)
    epochs = [numbers(order, epoch) for epoch in range(3)]
    assert [len(epoch) for epoch in epochs] == [12, 12, 12]
    assert all(sorted(epoch[:10]) == list(range(10)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3
    assert epochs[0][10:] == epochs[1][:2]
    assert epochs[0] != numbers(BlockOrder(10, 4, seed=2))


def test_an_epoch_is_made_of_whole_optimizer_steps() -> None:
    order = BlockOrder(blocks=10, batch_size=4, seed=1, multiple=2)
    assert len(order) == 4
    assert numbers(order)[:12] == numbers(BlockOrder(10, 4, seed=1))


def test_ranks_see_disjoint_blocks_that_make_up_the_batches_of_one_large_device() -> None:
    ranks = [BlockOrder(24, 2, seed=3, world_size=3, rank=rank) for rank in range(3)]
    together = [number for batches in zip(*ranks, strict=True) for batch in batches for number in batch.tolist()]
    assert sorted(together) == list(range(24))
    assert together == numbers(BlockOrder(24, 6, seed=3))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_whole_blocks_without_a_mask(module: Any, workers: int) -> None:
    data = module(num_workers=workers)
    batches = list(data.train_dataloader())
    for batch, chosen in zip(batches, data.order(), strict=True):
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
        with pytest.raises(InputError, match=r"tokens in \d documents .*lower max_length=16 or batch_size=4"):
            data.setup()


def test_texts_do_for_a_corpus_and_need_no_place_to_be_kept(tokenizer: BertTokenizerFast) -> None:
    texts = [" ".join(sentences(1 + seed % 4, seed)) for seed in range(120)]
    data = TextDataModule([*texts, "", " "], tokenizer, max_length=16, batch_size=4, heldout_blocks=6)
    assert next(iter(data.train_dataloader()))["input_ids"].shape == (4, 16)
    place = data.cache_dir
    assert place.is_dir()
    del data
    gc.collect()
    assert not place.exists()


class Recorder(pl.LightningModule):
    """Learns nothing worth having, and keeps the batches that it was given."""

    def __init__(self, fail_at: int = -1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[list[int]]] = []
        self.epochs: list[int] = []
        self.fail_at = fail_at

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if len(self.seen) == self.fail_at:
            raise RuntimeError("the machine went down")
        self.seen.append(batch["input_ids"].tolist())
        self.epochs.append(self.current_epoch)
        return self.weight * batch["input_ids"].float().mean()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        assert self.weight.isfinite()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        assert self.trainer.estimated_stepping_batches > 0  # asks for the loader before a checkpoint is read
        return torch.optim.SGD(self.parameters(), lr=1e-6)


def fit(
    data: pl.LightningDataModule, model: Recorder, root: Path, checkpoint: Path | None = None, **options: Any
) -> Any:
    trainer = quiet_trainer(root, *options.pop("callbacks", ()), **{"max_epochs": 2, **options})
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
    return model.seen


def saver(root: Path, steps: int = 1) -> ModelCheckpoint:
    return ModelCheckpoint(root, "step{step}", every_n_train_steps=steps, save_top_k=-1, auto_insert_metric_name=False)


def test_every_epoch_is_lightnings_and_has_its_own_order(module: Any, tmp_path: Path) -> None:
    data, model = module(), Recorder()
    seen = fit(data, model, tmp_path, max_epochs=3)
    length = len(data.order())
    assert model.epochs == [epoch for epoch in range(3) for _ in range(length)]
    for epoch in range(3):
        order = data.order()
        order.set_epoch(epoch)
        blocks = [data.blocks.train.array[chosen].tolist() for chosen in order]
        assert seen[epoch * length : (epoch + 1) * length] == blocks


def test_lightnings_limits_mean_what_they_say(module: Any, tmp_path: Path) -> None:
    whole = fit(module(), Recorder(), tmp_path)
    length = len(whole) // 2
    limited = fit(module(), Recorder(), tmp_path, limit_train_batches=3)
    assert limited == whole[:3] + whole[length : length + 3]
    assert fit(module(), Recorder(), tmp_path, max_epochs=-1, max_steps=length + 2) == whole[: length + 2]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "You requested to overfit")
        assert fit(module(), Recorder(), tmp_path, max_epochs=4, overfit_batches=1) == whole[:1] * 4


@pytest.mark.filterwarnings("error:.*does not have many workers")
@pytest.mark.filterwarnings("error:.*not resumable")
@pytest.mark.parametrize("by", ["max_steps", "max_epochs"])
@pytest.mark.parametrize(("accumulate", "workers", "validate"), [(1, 0, 1.0), (2, 0, 0.5), (1, 2, 3), (3, 0, 1.0)])
def test_a_resumed_run_goes_on_with_the_next_batch(
    module: Any, tmp_path: Path, accumulate: int, workers: int, validate: float, by: str
) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": accumulate, "val_check_interval": validate, "max_epochs": 3}
    probe = Recorder()
    straight = fit(module(num_workers=workers), probe, tmp_path, **options)
    steps = len(straight) // accumulate // 3  # of an epoch
    if by == "max_steps":
        options |= {"max_epochs": -1, "max_steps": 3 * steps - 1}
        straight = straight[: (3 * steps - 1) * accumulate]
    cut = (2 * steps - 2) * accumulate + 1
    with pytest.raises(RuntimeError, match="went down"):
        fit(module(num_workers=workers), Recorder(fail_at=cut), tmp_path, callbacks=[saver(tmp_path)], **options)
    around = (1, steps // 2, steps - 1, steps, steps + 1, 2 * steps - 2)
    for step in dict.fromkeys((steps // 2, steps) if workers else around):  # workers are slow to start
        model = Recorder()
        resumed = fit(module(num_workers=workers), model, tmp_path, tmp_path / f"step{step}.ckpt", **options)
        assert resumed == straight[step * accumulate :], step
        assert model.epochs == probe.epochs[step * accumulate : len(straight)], step


@pytest.mark.parametrize("by", ["max_steps", "max_epochs"])
def test_a_run_that_was_cut_after_the_validation_of_an_epoch_goes_on_with_the_next(
    module: Any, tmp_path: Path, by: str
) -> None:
    length = len(module().order())
    limits = {"max_epochs": {"max_epochs": 3}, "max_steps": {"max_epochs": -1, "max_steps": 2 * length + 3}}
    options: dict[str, Any] = limits[by]
    straight = fit(module(), Recorder(), tmp_path, **options)
    for at_the_end in (True, False):
        kept = ModelCheckpoint(tmp_path, "epoch", save_on_train_epoch_end=at_the_end, enable_version_counter=False)
        with pytest.raises(RuntimeError, match="went down"):
            fit(module(), Recorder(fail_at=length + 2), tmp_path, callbacks=[kept], **options)
        assert fit(module(), Recorder(), tmp_path, tmp_path / "epoch.ckpt", **options) == straight[length:]


def test_a_run_that_fails_amid_a_step_does_that_batch_again(module: Any, tmp_path: Path) -> None:
    straight = fit(module(), Recorder(), tmp_path)
    with pytest.raises(RuntimeError, match="went down"):
        fit(module(), Recorder(fail_at=5), tmp_path, callbacks=[OnExceptionCheckpoint(tmp_path, "fell")])
    assert fit(module(), Recorder(), tmp_path, tmp_path / "fell.ckpt") == straight[5:]


class FailsInValidation(Recorder):
    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        if len(self.seen) >= self.fail_at:
            raise RuntimeError("the machine went down")


@pytest.mark.parametrize("at", [4, 20])
@pytest.mark.parametrize("limits", [{"max_epochs": 2}, {"max_epochs": 2, "max_steps": 50}], ids=str)
def test_a_run_that_fails_in_a_validation_goes_on_behind_it(
    module: Any, tmp_path: Path, limits: dict[str, int], at: int
) -> None:
    options: dict[str, Any] = {"val_check_interval": 0.5, "num_sanity_val_steps": 0, **limits}
    straight = fit(module(), Recorder(), tmp_path, **options)
    model, kept = FailsInValidation(fail_at=at), OnExceptionCheckpoint(tmp_path, "fell")
    with pytest.raises(RuntimeError, match="went down"):
        fit(module(), model, tmp_path, callbacks=[kept], **options)
    assert fit(module(), Recorder(), tmp_path, tmp_path / "fell.ckpt", **options) == straight[len(model.seen) :]


@pytest.mark.parametrize("options", [{"max_epochs": 1}, {"max_epochs": -1, "max_steps": 4}], ids=str)
def test_a_run_that_is_cut_after_its_last_step_has_nothing_left_to_do(
    module: Any, tmp_path: Path, options: dict[str, int]
) -> None:
    steps = len(fit(module(), Recorder(), tmp_path, callbacks=[saver(tmp_path)], **options))
    assert fit(module(), Recorder(), tmp_path, tmp_path / f"step{steps}.ckpt", **options) == []


def test_resuming_with_other_batches_is_refused(module: Any, tmp_path: Path) -> None:
    fit(module(), Recorder(), tmp_path, max_steps=2, callbacks=[saver(tmp_path)])
    with pytest.raises(InputError, match=r"the checkpoint's run had seed 0, this one has 1: resume with the same"):
        fit(module(seed=1), Recorder(), tmp_path, tmp_path / "step2.ckpt", max_steps=4)


def test_held_out_blocks_are_masked_the_same_in_every_run(corpus: ListCorpus, tokenizer: BertTokenizerFast) -> None:
    known = MaskingVocabulary(mask=tokenizer.mask_token_id, special=torch.arange(len(tokenizer)) < 5)

    def heldout(seed: int) -> dict[str, torch.Tensor]:
        data = MaskedTextDataModule(
            corpus, tokenizer, vocabulary=known, max_length=16, batch_size=4, heldout_blocks=6, seed=seed
        )
        assert next(iter(data.train_dataloader())).keys() == {"input_ids"}
        batches = list(data.heldout_batches())
        return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}

    first, second = heldout(0), heldout(1)
    asked = first["labels"] != IGNORED
    assert asked.any()
    assert (first["input_ids"][asked] == tokenizer.mask_token_id).all()
    for name, value in first.items():
        assert torch.equal(value, second[name])
