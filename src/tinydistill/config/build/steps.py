"""What a task's pipeline consists of: its stages in order, each with its own configuration and place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinydistill.artifacts.provenance import RESULT
from tinydistill.config import names
from tinydistill.config.build import compared, data
from tinydistill.config.build.certified import no_certificate
from tinydistill.config.build.origin import without_distillation
from tinydistill.config.build.sources import learns_from_labels, makes_teacher, wants_general, wants_masked_lm
from tinydistill.config.compose import composed_with
from tinydistill.config.schema import Config
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER


@dataclass(frozen=True)
class Step:
    """One stage of a pipeline: with which configuration, what it makes, and where."""

    config: Config
    makes: str
    path: Path

    @property
    def state(self) -> str:
        """How far it has come."""
        if (self.path / RESULT).is_file():
            return "there"
        return "begun" if self.path.with_name(f"{self.path.name}.unfinished").is_dir() else "to do"


def steps_of(config: Config) -> list[Step]:
    """What a task takes, in order."""
    task, options, steps = config.task.name, config.pipeline, []

    def add(stage: str, makes: str, path: Path, of: Config) -> None:
        steps.append(Step(replace(of, stage=stage), makes, path))

    if makes_teacher(config):
        add("finetune", f"{task}: {TEACHER}", names.finetuned_path(config), finetuning(config, "teacher"))
    if options.baseline and learns_from_labels(config):
        new = without_distillation(config)
        add("finetune", f"{task}: {BASELINE}", names.finetuned_path(new, "student"), finetuning(new, "student"))
    if wants_general(config):
        add("general", "general student", names.general_path(config), config)
    if options.augment:
        if wants_masked_lm(config):
            add("pretrain", "masked language model", names.pretrained_path(config), config)
        what = "new pairs of its texts" if config.augmentation.method == "neighbors" else "augmented rows"
        add("augment", f"{task}: {what}", names.augmented_path(config), config)
    config = compared.with_rows(config)
    made = names.distilled_path(config)
    add("task", f"{task}: {STUDENT}", made, config)
    for of in [config, *also_scored(config)]:
        scored = replace(of, evaluate=replace(of.evaluate, path=str(made)))
        add("evaluate", f"{of.task.name}: predictions", names.evaluated_path(of, str(made)), scored)
    if options.export:
        shipped = replace(config, export=replace(config.export, path=str(made)))
        add("export", f"{task}: files to ship", names.exported_path(config, str(made)), shipped)
    if options.certify and no_certificate(config, data.task(config)) is None:
        promised = replace(config, certify=replace(config.certify, path=str(made)))
        add("certify", f"{task}: certificate", names.certified_path(config, str(made)), promised)
    return steps


def report_of(config: Config, made: Sequence[Path]) -> Step:
    """The report of all that the pipeline makes, its comparison of the models included."""
    path = published_path(config)
    named = names.named_path(config, "report", *path.name.split("_"))
    place = named if config.output_dir is None else Path(f"{path}-report")
    report = replace(config.report, paths=[str(artifact) for artifact in [*made, path]])
    return Step(replace(config, stage="report", output_dir=str(place), report=report), "all on one page", place)


def finetuning(config: Config, model: str) -> Config:
    """For the stage that fine-tunes the teacher or the student."""
    return replace(config, stage="finetune", finetune=replace(config.finetune, model=model))


def also_scored(config: Config) -> list[Config]:
    """The other tasks whose rows are answered by the same model, as MNLI's student does AX's."""
    return [as_inner(composed_with(task=name)) for name in config.task.also]


def as_inner(config: Config) -> Config:
    """As the stages of the pipeline have it, which publish under names of their own."""
    return replace(config, output_dir=None)


def with_new_pairs(config: Config) -> Config:
    """With new pairs in the place of augmented rows, where that is wanted and there are few rows of two texts."""
    pipeline, augmentation = config.pipeline, config.augmentation
    other_rows = pipeline.augment or augmentation.path is not None or config.prediction.hard_share > 0
    pairs = pipeline.pairs and not other_rows and config.task.text_pair is not None
    if pairs:
        task = data.training_task(config)
        pairs = task.target.of_whole_texts and augmentation.new_pairs(len(task.train())) > 0
    if pairs:
        augmentation = replace(augmentation, method="neighbors")
    pipeline = replace(pipeline, pairs=pairs, augment=pipeline.augment or pairs)
    return replace(config, pipeline=pipeline, augmentation=augmentation)


def published_path(config: Config) -> Path:
    """Where the table of the models is published."""
    name = "-".join(config.pipeline.tasks) or config.task.name
    recipe = names.without_task(config, names.distilled_path(compared.with_rows(config)).name)
    return names.output_path(config, names.named_path(config, "pipeline", *recipe.split("_"), name))
