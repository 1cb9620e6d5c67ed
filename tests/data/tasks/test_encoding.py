from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import BertTokenizerFast, PreTrainedTokenizerFast

from tests.data.conftest import GivenTask
from tinydistill.data.tasks import encoding
from tinydistill.data.tasks.examples import Split


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_what_the_tokenizer_makes_of_the_rows(
    task_module: Any, tokenizer: BertTokenizerFast, pairs: bool, workers: int
) -> None:
    data = task_module(GivenTask(pairs=pairs), num_workers=workers)
    split = data.train
    for batch in data.train_dataloader():
        chosen = batch["row"].tolist()
        expected = tokenizer(
            [split.texts[i] for i in chosen],
            [split.pairs[i] for i in chosen] if pairs else None,
            truncation="longest_first",
            max_length=12,
            padding=True,
            return_tensors="pt",
        )
        width = expected["input_ids"].shape[1]
        assert batch["input_ids"].shape[1] == max(width, min(-(-width // 8) * 8, 12))
        for name, tensor in expected.items():
            assert torch.equal(batch[name][:, :width], tensor)
            assert not batch[name][:, width:].any()
        assert batch["labels"].tolist() == split.labels[chosen].tolist()
        assert batch["labels"].dtype == torch.long


def test_real_targets_are_floats_and_unlabeled_rows_have_none(task_module: Any) -> None:
    data = task_module(GivenTask(regression=True))
    batch = next(iter(data.train_dataloader()))
    assert batch["labels"].dtype == torch.float32
    assert torch.equal(batch["labels"], torch.from_numpy(data.train.labels)[batch["row"]])
    assert "labels" not in next(iter(data.test_dataloader()[0]))
    assert data.target.outputs == 1
    assert task_module().target.outputs == 2


def test_a_tokenizer_without_token_types_gives_none(task_module: Any, tokenizer: BertTokenizerFast) -> None:
    backend = tokenizer.backend_tokenizer
    names = {"bos_token": "[CLS]", "eos_token": "[SEP]", "pad_token": "[PAD]"}
    other = PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"], **names
    )
    other.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    batch = next(iter(task_module(GivenTask(pairs=True), tokenizer=other).train_dataloader()))
    assert batch.keys() == {"input_ids", "attention_mask", "row", "labels"}


def test_special_tokens_in_a_text_are_text(task_module: Any, tokenizer: BertTokenizerFast) -> None:
    data = task_module()
    split = Split("test", ["the [SEP] cat", ""], None, None)
    batch = next(iter(data.loader(split)))
    assert batch["input_ids"][0].tolist().count(tokenizer.sep_token_id) == 1
    assert batch["input_ids"][1, :3].tolist() == [tokenizer.cls_token_id, tokenizer.sep_token_id, 0]


def test_rows_are_tokenized_once_per_content(task_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = encoding._build
    monkeypatch.setattr(encoding, "_build", lambda *args: built.append(args[1].name) or original(*args))
    task_module().prepare_data()
    assert built == ["train", "matched", "mismatched"]
    task_module(batch_size=8, seed=3).prepare_data()
    assert len(built) == 3
    task_module(max_length=11).prepare_data()
    task_module(GivenTask(count=49)).prepare_data()
    assert len(built) == 9


def test_a_tokenization_that_is_cut_off_leaves_nothing_to_be_used(
    task_module: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "cumsum", fail)
        with pytest.raises(KeyboardInterrupt):
            task_module().prepare_data()
    assert [path.name for path in cache.iterdir() if path.suffix != ".lock"] == []
    assert sum(len(batch["row"]) for batch in task_module().train_dataloader()) == 50


def test_how_many_rows_were_cut_is_known(task_module: Any) -> None:
    data = task_module(max_length=6)
    long = sum(len(text.split()) > 4 for text in data.train.texts)
    assert data.encoded(data.train).truncated == long > 0
    assert data.encoded(data.train).lengths.max() == 6
