"""The options there are: their types, defaults, bounds, and what they mean. conf/ holds the groups of choices."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from tinydistill.config.schema.data import Task
from tinydistill.config.schema.delivery import Certify, Evaluate, Export, Label, Predict, Report, Search
from tinydistill.config.schema.finetune import Finetune
from tinydistill.config.schema.models import Objective, Student, Teacher
from tinydistill.config.schema.option import SEED, option
from tinydistill.config.schema.run import Paths, Runtime
from tinydistill.config.schema.stages import (
    Augmentation,
    Benchmark,
    Distill,
    General,
    Intermediate,
    Pipeline,
    Prediction,
    Pretrain,
)

STAGES = {
    "general": "pre-trained teacher -> general student, on plain text",
    "pretrain": "any encoder -> masked language model of your text",
    "finetune": "pre-trained teacher -> teacher of a task; finetune.model=student for the baseline",
    "augment": "training rows -> many more of them, words replaced by a masked language model",
    "task": "fine-tuned teacher and general student -> student of a task",
    "evaluate": "scores, predictions and GLUE submission of any fine-tuned or distilled model",
    "predict": "any model's answers beside every row of a file, in PyTorch, onnxruntime or OpenVINO",
    "label": "a fine-tuned model's answers to a file of texts, as rows to train on",
    "export": "a model as ONNX, fp32 and int8, or OpenVINO, checked and timed, with its model card",
    "certify": "a student against its teacher with bounds that hold, calibration, and the threshold of a cascade",
    "report": "any number of artifacts on one page: scores, settings compared, curves, layers, attention",
    "pipeline": "all of them for a task, or several: what is done is skipped; ends with a table",
    "search": "the shape of a student that answers in time, or keeps enough of its teacher",
    "benchmark": "how fast this machine does all of it, beside its matrix products, and how long a run takes",
}


@dataclass
class Config:
    """Everything there is to choose.

    Fields of type dict are open: what stands there under `_target_` is built with `hydra.utils.instantiate`.
    """

    stage: str = option("what to do", choices=tuple(STAGES))
    seed: int = option("of initialization, data order and dropout", 0, at_least=0, at_most=SEED)
    output_dir: str | None = option("where the artifact is published; null for a name made from the choices", None)
    overwrite: Any = option(
        "true: replace an output made with other settings; always: one with the same ones too", False
    )
    paths: Paths = field(default_factory=Paths)
    teacher: Teacher = field(default_factory=Teacher)
    student: Student = field(default_factory=Student)
    mapping: dict[str, Any] = option("the rule n = g(m): a function of both numbers of layers", {})
    objective: Objective = field(default_factory=Objective)
    corpus: dict[str, Any] = option("plain text: `name` for the names of outputs, `_target_` and its arguments", {})
    general: General = field(default_factory=General)
    pretrain: Pretrain = field(default_factory=Pretrain)
    task: Task = field(default_factory=Task)
    finetune: Finetune = field(default_factory=Finetune)
    distill: Distill = field(default_factory=Distill)
    augmentation: Augmentation = field(default_factory=Augmentation)
    intermediate: Intermediate = field(default_factory=Intermediate)
    prediction: Prediction = field(default_factory=Prediction)
    evaluate: Evaluate = field(default_factory=Evaluate)
    predict: Predict = field(default_factory=Predict)
    label: Label = field(default_factory=Label)
    export: Export = field(default_factory=Export)
    certify: Certify = field(default_factory=Certify)
    report: Report = field(default_factory=Report)
    pipeline: Pipeline = field(default_factory=Pipeline)
    search: Search = field(default_factory=Search)
    benchmark: Benchmark = field(default_factory=Benchmark)
    optimizer: dict[str, Any] = option("a class of torch.optim, or any function of parameters and lr", {})
    scheduler: dict[str, Any] = option("a function of an optimizer and the number of steps", {})
    trainer: dict[str, Any] = option("any argument of Lightning's Trainer", {})
    callbacks: dict[str, Any] = option("Lightning's callbacks, or your own, by any name", {})
    logger: dict[str, Any] = option("Lightning's loggers, or your own, by any name", {})
    runtime: Runtime = field(default_factory=Runtime)


ConfigStore.instance().store("schema", Config)  # what conf/config.yaml begins with
