"""What an artifact depends on, said once: by it a run is resumed or refused, and jobs of a sweep share what they can.

An artifact depends on options, which count by their values, and on inputs: models, text, rows. What an input is, its
content decides, wherever it lies: an artifact's settings hold the identities of its inputs. Before anything is read,
as when jobs of a sweep look for what they may share, the options that name the inputs stand for them.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tinydistill.artifacts.files import digest as digest_of
from tinydistill.config.schema import Config

Options = dict[str, Any]

# Arguments of the trainer that say where, how fast and how talkatively a run goes, not what comes out.
_SURROUNDINGS = {
    *("accelerator", "devices", "num_nodes", "strategy", "precision", "deterministic", "benchmark", "plugins"),
    *("log_every_n_steps", "enable_progress_bar", "enable_model_summary", "enable_checkpointing", "profiler"),
    *("barebones", "detect_anomaly", "sync_batchnorm", "num_sanity_val_steps", "limit_test_batches"),
    *("limit_predict_batches", "inference_mode", "model_registry"),
}
_WATCHING = {"checkpoint", "learning_rate"}  # callbacks that change nothing


@dataclass(frozen=True)
class Dependencies:
    """The options that count by value, and for every input those that name it."""

    options: Options
    inputs: dict[str, Any]

    def settings(self, **identities: str | None) -> dict[str, Any]:
        """What an artifact records of itself: the options, and the identities of exactly these inputs."""
        if identities.keys() != self.inputs.keys():
            raise ValueError(f"identities of {sorted(identities)} for the inputs {sorted(self.inputs)}")
        return {"options": self.options, "inputs": identities}

    @property
    def digest(self) -> str:
        """The same for the same options, those that name inputs among them."""
        return digest_of(asdict(self))


def of_general(config: Config) -> Dependencies:
    """What the general student depends on."""
    options = {**_training(config), "general": asdict(config.general), **_imitation(config)}
    inputs = {"teacher": asdict(config.teacher), "student": config.student.path, "corpus": config.corpus}
    return Dependencies(options | _new_student(config), inputs)


def of_pretrained(config: Config) -> Dependencies:
    """What the masked language model depends on."""
    options = {**_training(config), "pretrain": asdict(config.pretrain)}
    return Dependencies(options, {"teacher": asdict(config.teacher), "corpus": config.corpus})


def of_finetuned(config: Config) -> Dependencies:
    """What a fine-tuned model depends on: the teacher of a task, or the student without distillation."""
    student = config.finetune.model == "student"
    kept = _without(asdict(config.finetune), "teacher" if student else "student")
    options = {**_training(config), **_scoring(config), "finetune": kept}
    named: Any = asdict(config.teacher)
    if student:
        options |= _new_student(config)
        if config.student.path is None and config.student.init != "random":
            options |= {"mapping": config.mapping, "sample_tokens": config.general.sample_tokens}
        named = config.student.path or named
    text = _of_vocabulary(config, new=student and config.student.path is None)
    return Dependencies(options, {"model": named, "task": _training_rows(config), **text})


def of_augmented(config: Config) -> Dependencies:
    """What the augmented rows depend on."""
    augmentation = config.augmentation
    texts = augmentation.input or _training_rows(config)
    if augmentation.method == "neighbors":
        made = {"method": augmentation.method, "neighbors": augmentation.neighbors}
        options = {"seed": config.seed, "max_length": config.task.max_length, "augmentation": made}
        return Dependencies(options, {"model": asdict(config.teacher), "texts": texts})
    kept = ["rows", "probability", "candidates", "several_pieces", *(["keep_entities"] * augmentation.keep_entities)]
    options = {
        "seed": config.seed,
        "max_length": config.task.max_length,
        "augmentation": {name: getattr(augmentation, name) for name in kept},
    }
    inputs = {
        "model": augmentation.model or asdict(of_pretrained(config)),
        "texts": texts,
        "stop_words": augmentation.stop_words,
        "word_vectors": augmentation.word_vectors,
    }
    return Dependencies(options, inputs)


def of_distilled(config: Config) -> Dependencies:
    """What the distilled student of a task depends on."""
    distill = config.distill
    phases, new = distill.phases, config.student.path is None and distill.start == "task"
    options = {**_training(config), **_scoring(config), "phases": phases, "head": distill.head}
    if distill.head == "solved":
        options["head_tokens"] = distill.head_tokens
    if phases in ("both", "intermediate"):
        options["intermediate"] = asdict(config.intermediate)
    if phases in ("intermediate", "none"):
        options["batch_size"] = config.prediction.batch_size  # of the rows that student and head are solved on
    else:
        options["prediction"] = asdict(config.prediction)
    if new:
        options |= {**_new_student(config), "sample_tokens": distill.sample_tokens}
    if phases not in ("prediction", "none"):
        options |= _imitation(config)
    elif new:
        options["mapping"] = config.mapping
    inputs = {
        "teacher": asdict(config.teacher),
        "student": None if new else config.student.path or asdict(of_general(config)),
        "task": _training_rows(config),
        "augmentation": config.augmentation.path,
        **({} if config.task.unlabeled is None else {"unlabeled": config.task.unlabeled}),
        **_of_vocabulary(config, new=new),
    }
    return Dependencies(options, inputs)


def of_evaluated(config: Config) -> Dependencies:
    """What scores and predictions depend on."""
    task = {name: getattr(config.task, name) for name in ("labels", "metrics", "submission", "submission_labels")}
    return Dependencies({**_scoring(config), "task": task}, {"model": config.evaluate.path, "task": _rows(config)})


def of_exported(config: Config) -> Dependencies:
    """What the files of a model to ship depend on."""
    kept = _without(asdict(config.export), "path", "batch_size", "push", "repo", "private")
    options = {**_scoring(config), "labels": config.task.labels, "export": kept}
    return Dependencies(options, {"model": config.export.path, "task": _rows(config)})


def of_predicted(config: Config) -> Dependencies:
    """What the answers to a file depend on."""
    kept = _without(asdict(config.predict), "file", "path", "batch_size")
    inputs = {"model": config.predict.path, "file": config.predict.file, "task": _rows(config)}
    return Dependencies({"columns": [config.task.text, config.task.text_pair], "predict": kept}, inputs)


def of_certified(config: Config) -> Dependencies:
    """What a certificate depends on."""
    kept = _without(asdict(config.certify), "path", "teacher", "file", "batch_size")
    options = {**_scoring(config), "labels": config.task.labels, "certify": kept}
    inputs = {
        "model": config.certify.path,
        "teacher": config.certify.teacher or asdict(config.teacher),
        "int8": config.certify.path,
        "task": _training_rows(config),
        "file": config.certify.file,
    }
    return Dependencies(options, inputs)


def of_labeled(config: Config) -> Dependencies:
    """What the labels of a file depend on."""
    inputs = {"model": config.label.path or asdict(config.teacher), "file": config.label.file, "task": _rows(config)}
    columns = [config.task.text, config.task.text_pair]
    return Dependencies({"columns": columns, "max_length": config.task.max_length}, inputs)


OF_STAGE: dict[str, Callable[[Config], Dependencies]] = {
    "general": of_general,
    "pretrain": of_pretrained,
    "finetune": of_finetuned,
    "augment": of_augmented,
    "task": of_distilled,
    "evaluate": of_evaluated,
    "predict": of_predicted,
    "label": of_labeled,
    "export": of_exported,
    "certify": of_certified,
}


def _training(config: Config) -> Options:
    trainer = {name: value for name, value in config.trainer.items() if name not in _SURROUNDINGS}
    return {
        "seed": config.seed,
        "optimizer": config.optimizer,
        "scheduler": config.scheduler,
        **({"trainer": trainer} if trainer else {}),
        **({"callbacks": callbacks} if (callbacks := _without(config.callbacks, *_WATCHING)) else {}),
    }


def _imitation(config: Config) -> Options:
    return {"mapping": config.mapping, "objective": _without(asdict(config.objective), "name")}


def _new_student(config: Config) -> Options:
    """The sizes and the start of a student that isn't given."""
    new = config.student.path is None
    whole = ["vocabulary"] if config.student.vocabulary == "teacher" else []  # as before there was a choice
    return {"student": _without(asdict(config.student), "name", "path", "learning_rate", *whole)} if new else {}


def _of_vocabulary(config: Config, *, new: bool) -> Options:
    """The text that the tokens of a new student's vocabulary are from, beside the rows of its task."""
    return {"corpus": config.corpus} if new and config.student.vocabulary == "corpus" else {}


def _scoring(config: Config) -> Options:
    return {"max_length": config.task.max_length, "monitor": config.task.monitor}


def _rows(config: Config) -> Options:
    """The options of the rows themselves, not those that stages take from the task."""
    task = config.task
    source = _without(task.source, "cache_dir")
    return {"source": source, "share": task.train_share, "max_rows": task.max_rows, "split_seed": task.split_seed}


def _training_rows(config: Config) -> Options:
    return {**_rows(config), "selection_rows": config.task.selection_rows}


def _without(values: Options, *names: str) -> Options:
    return {name: value for name, value in values.items() if name not in names}
