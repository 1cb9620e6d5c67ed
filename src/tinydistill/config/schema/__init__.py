"""The options there are, with their types, their choices and what they mean. Values live in conf/ alone."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.data import Corpus, Task
from tinydistill.config.schema.debug import Debug
from tinydistill.config.schema.models import Mapping, Objective, Student, Teacher
from tinydistill.config.schema.option import option
from tinydistill.config.schema.stages import (
    Augmentation,
    Benchmark,
    Distill,
    Evaluate,
    Export,
    Finetune,
    General,
    Phase,
    Pipeline,
    Prediction,
    Pretrain,
    Report,
)
from tinydistill.config.schema.surroundings import Logger, Paths, Trainer

STAGES = {
    "general": "pre-trained teacher -> general student, on plain text",
    "pretrain": "any encoder -> masked language model of your text",
    "finetune": "pre-trained teacher -> teacher of a task; finetune.model=student for the baseline",
    "augment": "training rows -> many more of them, words replaced by a masked language model",
    "task": "fine-tuned teacher and general student -> student of a task",
    "evaluate": "scores, predictions and GLUE submission of any fine-tuned or distilled model",
    "export": "a model as ONNX, fp32 and int8, checked and timed, with its model card",
    "report": "any number of artifacts on one page: scores, settings compared, curves, layers, attention",
    "pipeline": "all of them for a task, or several: what is done is skipped; ends with a table",
    "benchmark": "how fast this machine does all of it, beside its matrix products, and how long a run takes",
}


@dataclass
class Config:
    """Everything there is to choose."""

    stage: str = option("what to do", *STAGES)
    seed: int = option("of initialisation, data order and dropout", at_least=0)
    output_dir: str | None = option("where the artifact is published; null for a name made from the choices")
    overwrite: Any = option("true: replace an output made with other settings; always: one with the same ones too")
    paths: Paths = field(default_factory=Paths)
    teacher: Teacher = field(default_factory=Teacher)
    student: Student = field(default_factory=Student)
    mapping: Mapping = field(default_factory=Mapping)
    objective: Objective = field(default_factory=Objective)
    corpus: Corpus = field(default_factory=Corpus)
    general: General = field(default_factory=General)
    pretrain: Pretrain = field(default_factory=Pretrain)
    task: Task = field(default_factory=Task)
    finetune: Finetune = field(default_factory=Finetune)
    distill: Distill = field(default_factory=Distill)
    augmentation: Augmentation = field(default_factory=Augmentation)
    intermediate: Phase = field(default_factory=Phase)
    prediction: Prediction = field(default_factory=Prediction)
    evaluate: Evaluate = field(default_factory=Evaluate)
    export: Export = field(default_factory=Export)
    report: Report = field(default_factory=Report)
    pipeline: Pipeline = field(default_factory=Pipeline)
    benchmark: Benchmark = field(default_factory=Benchmark)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Logger = field(default_factory=Logger)
    debug: Debug = field(default_factory=Debug)
