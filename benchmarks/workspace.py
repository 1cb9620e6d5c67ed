"""Tiny models, tables and texts, and the command of every stage on them: what chaos.py and soak.py run."""

import sys
from pathlib import Path

from transformers import BertForMaskedLM, BertTokenizerFast, set_seed

sys.path.insert(0, str(Path(__file__).parents[1]))  # the models of the tests

from tests.conftest import SPECIAL, WORDS, bert, sentences
from tests.stages.conftest import STATES, fine_tuned, state_rows, write_states

from tinydistill.models.loading import save_model

_TEXT = {"max_length": 16, "batch_size": 8, "heldout_fraction": 0.1, "max_steps": 60}
_LABELS = {"batch_size": 16, "learning_rate": 3e-3}


def make_inputs(directory: Path) -> Path:
    """A teacher with a head and one without, a masked LM, a student, a corpus, training and validation rows."""
    directory.mkdir(parents=True)
    (directory / "vocab.txt").write_text("\n".join(SPECIAL + WORDS) + "\n")
    tokenizer = BertTokenizerFast(str(directory / "vocab.txt"))
    teacher = bert(4, 32, seed=1, initializer_range=0.2)
    set_seed(0)
    models = {
        "teacher": teacher,
        "tuned": fine_tuned(tokenizer, STATES),
        "masked": BertForMaskedLM(teacher.config),
        "student": bert(2, 16, seed=2, initializer_range=0.2),
    }
    for name, model in models.items():
        save_model(model, tokenizer, directory / name)
    documents = ("\n".join(sentences(3, seed)) for seed in range(400))
    (directory / "corpus.txt").write_text("\n\n".join(documents) + "\n")
    write_states(directory / "train.csv", state_rows(320, 1))
    write_states(directory / "dev.csv", state_rows(40, 2))
    return directory


def commands(inputs: Path) -> dict[str, list[str]]:
    """The words of a command line by what is killed; `{made}` stands for the directory of the exported student."""
    student = {"num_layers": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 4}
    shared = [
        "corpus=files",
        f"corpus.paths=[{inputs / 'corpus.txt'}]",
        "task=files",
        f"task.train={inputs / 'train.csv'}",
        f"task.validation={inputs / 'dev.csv'}",
        "task.max_length=16",
        *(f"student.{name}={value}" for name, value in student.items()),
        *(f"{stage}.{name}={value}" for stage in ("general", "pretrain") for name, value in _TEXT.items()),
        *(
            f"{phase}.{name}={value}"
            for phase in ("intermediate", "prediction", "finetune")
            for name, value in _LABELS.items()
            if (phase, name) != ("finetune", "learning_rate")
        ),
        "general.sample_tokens=1000",
        "intermediate.epochs=3",
        "prediction.epochs=3",
        "finetune.teacher.epochs=3",
        "finetune.student.epochs=2",
        "distill.check_score=false",
        f"augmentation.model={inputs / 'masked'}",
        "augmentation.rows=4",
        "augmentation.candidates=3",
        "export.latency.seconds=0.01",
        "export.latency.lengths=[8]",
        "export.least_equal=0.5",
        "pipeline.latency_length=8",
        "pipeline.latency_seconds=0.01",
        "callbacks.checkpoint.train_time_interval=null",
        "+callbacks.checkpoint.every_n_train_steps=3",
        "trainer.accelerator=cpu",
        "trainer.precision='32'",
    ]
    base, tuned = f"teacher.path={inputs / 'teacher'}", f"teacher.path={inputs / 'tuned'}"
    task = ["stage=task", tuned, f"student.path={inputs / 'student'}"]
    stages = {
        "general": ["stage=general", base],
        "pretrain": ["stage=pretrain", base],
        "finetune": ["stage=finetune", base],
        "intermediate": [*task, "distill.phases=intermediate"],
        "prediction": [*task, "distill.phases=prediction"],
        "augment": ["stage=augment", tuned],
        "export": ["stage=export", tuned, "export.path={made}"],
        "report": ["stage=report", tuned, "report.paths=[{made}]"],
        "pipeline": ["stage=pipeline", base, "pipeline.augment=true", "distill.start=general"],
    }
    return {name: [*words, *shared] for name, words in stages.items()}
