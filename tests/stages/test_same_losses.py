"""50 steps of every distillation give the losses that were recorded once, of the code of commit 47eb086.

Models, texts and rows are made here, with numbers that are the same in every version of numpy.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast, PreTrainedModel

from tests.stages.conftest import write_csv

STEPS = 50
TOLERANCE = 1e-4  # 2 threads differ by 3e-7, other instruction sets by 1e-5, a learning rate of 1% more by 1e-3
RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "losses_of_50_steps.json").read_text())

# Options by run; {made} is the directory of what the runs are given.
EVERY_RUN = {
    "seed": "7",
    "teacher.path": "{made}/teacher",
    "objective": "tinybert",
    "objective.scale": "teacher_variance",
    "mapping": "uniform",
    "trainer.accelerator": "cpu",
    "trainer.precision": "'32'",
    "runtime.num_workers": "0",
    "scheduler.warmup": "0.1",
    "optimizer.weight_decay": "0.1",
    "logger": "none",
}
TASK = {
    "stage": "task",
    "task": "files",
    "task.train": "{made}/train.csv",
    "task.validation": "{made}/validation.csv",
    "task.max_length": "12",
    "task.selection_rows": "0",
    "student.path": "{made}/student",
    "distill.check_labels": "false",
    "distill.check_score": "false",
}
OPTIONS = {
    "general": {
        "stage": "general",
        "corpus": "files",
        "corpus.paths": "[{made}/corpus.txt]",
        "student.init": "closed_form",
        "student.num_layers": "2",
        "student.hidden_size": "16",
        "student.intermediate_size": "32",
        "student.num_heads": "4",
        "student.dropout": "0",
        "general.epochs": "1",
        "general.max_steps": f"{STEPS}",
        "general.max_length": "16",
        "general.batch_size": "8",
        "general.accumulate_grad_batches": "1",
        "general.learning_rate": "1e-3",
        "general.gradient_clip_val": "1.0",
        "general.heldout_fraction": "0.1",
        "general.heldout_blocks": "32",
        "general.sample_tokens": "2000",
    },
    "intermediate": {
        **TASK,
        "distill.phases": "intermediate",
        "general.sample_tokens": "2000",
        "intermediate.epochs": "1",
        "intermediate.max_steps": f"{STEPS}",
        "intermediate.batch_size": "8",
        "intermediate.accumulate_grad_batches": "1",
        "intermediate.learning_rate": "3e-3",
        "intermediate.gradient_clip_val": "1.0",
    },
    "prediction": {
        **TASK,
        "distill.phases": "prediction",
        "distill.head": "random",
        "prediction.epochs": "1",
        "prediction.max_steps": f"{STEPS}",
        "prediction.batch_size": "8",
        "prediction.accumulate_grad_batches": "1",
        "prediction.learning_rate": "1e-2",
        "prediction.gradient_clip_val": "0.3",
        "prediction.temperature": "2.0",
        "prediction.hard_share": "0.25",
    },
}
LOGGED = "train/loss"
HELDOUT = {  # what it is called in the recording, and where result.json has it
    "general": ("heldout", ("heldout_loss",)),
    "intermediate": ("heldout", ("phases", "intermediate", "heldout_loss")),
    "prediction": ("scores", ("scores",)),
}

LABELS = ("first", "second", "third")
WORDS = [f"word{n}" for n in range(60)]


def texts(count: int, seed: int, classes: int = 1) -> list[str]:
    """Of 4 to 13 words, the frequent ones first; some are longer than task.max_length. Text n is of class n % classes.

    No word is in texts of two classes.
    """
    random = np.random.RandomState(seed)
    sizes = random.randint(4, 14, count)
    words = [WORDS[number % classes :: classes] for number in range(count)]
    return [
        " ".join(of_class[int(len(of_class) * share**2)] for share in random.random_sample(size))
        for of_class, size in zip(words, sizes, strict=True)
    ]


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts and the names of their classes."""
    return [(text, LABELS[number % 3]) for number, text in enumerate(texts(count, seed, 3))]


def save(model: PreTrainedModel, tokenizer: BertTokenizerFast, directory: Path, seed: int) -> None:
    """With large random weights: in every head and layer there is something to learn."""
    random = np.random.RandomState(seed)
    with torch.no_grad():
        for name, weights in sorted(model.named_parameters()):
            scale = 1.0 if name.startswith("classifier") else 0.2
            noise = torch.from_numpy(scale * random.standard_normal(tuple(weights.shape)))
            weights.copy_(1 + noise if "LayerNorm.weight" in name else noise)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A directory with a teacher with a head, a student's encoder, a corpus, and a task's rows: 57 batches of 8."""
    directory = tmp_path_factory.mktemp("made")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (directory / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary))
    tokenizer = BertTokenizerFast(str(directory / "vocab.txt"))
    shared = {"vocab_size": len(vocabulary), "num_attention_heads": 4, "max_position_embeddings": 32}
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}
    # the teacher drops out where it isn't kept from that
    teacher = BertConfig(num_hidden_layers=4, hidden_size=32, intermediate_size=64, **shared, **labels)
    save(BertForSequenceClassification(teacher), tokenizer, directory / "teacher", 1)
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    student = BertConfig(num_hidden_layers=2, hidden_size=16, intermediate_size=32, **shared, **dropout)
    save(BertModel(student), tokenizer, directory / "student", 2)
    (directory / "corpus.txt").write_text("\n\n".join(texts(1000, 3)) + "\n")
    write_csv(directory / "train.csv", rows(451, 4))
    write_csv(directory / "validation.csv", rows(60, 5))
    return directory


@pytest.fixture
def outcome(made, command, monkeypatch, tmp_path) -> Callable[[str], dict[str, Any]]:
    """Does a run; its loss at every step, and what result.json says of the held-out text or rows."""

    def run(name: str) -> dict[str, Any]:
        seen: list[float] = []
        log = pl.LightningModule.log  # log_dict calls it too

        def watched(self, name: str, value: Any, *others: Any, **options: Any) -> None:
            if name == LOGGED:
                seen.append(float(torch.as_tensor(value).detach()))
            log(self, name, value, *others, **options)

        monkeypatch.setattr(pl.LightningModule, "log", watched)
        options = {key: value.format(made=made) for key, value in (EVERY_RUN | OPTIONS[name]).items()}
        output = tmp_path / "outputs" / name
        code, _, err = command({**options, "paths.outputs": str(output.parent), "output_dir": str(output)})
        assert code == 0, err
        called, keys = HELDOUT[name]
        found = json.loads((output / "result.json").read_text())
        for key in keys:
            found = found[key]
        return {"train": seen, called: found}

    return run


@pytest.mark.parametrize("name", ["general", "intermediate", "prediction"])
def test_the_losses_are_those_that_were_recorded(outcome, name):
    found, recorded = outcome(name), RECORDED[name]
    assert len(found["train"]) == STEPS
    assert found["train"] == pytest.approx(recorded["train"], rel=TOLERANCE, abs=0)
    if "heldout" in recorded:
        assert found["heldout"] == pytest.approx(recorded["heldout"], rel=TOLERANCE, abs=0)
    else:
        assert found["scores"].keys() == recorded["scores"].keys()
        for split, scores in recorded["scores"].items():
            assert found["scores"][split] == pytest.approx(scores, rel=TOLERANCE, abs=0)
