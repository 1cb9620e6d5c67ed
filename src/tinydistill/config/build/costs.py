"""What the parts of a pipeline cost here: each is done for a moment, with the real models on the real rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tinydistill.artifacts.files import digest
from tinydistill.artifacts.provenance import record_of
from tinydistill.benchmarking.budget import Part
from tinydistill.benchmarking.piece import Piece
from tinydistill.config.build.answer_speed import seconds_a_token, speed
from tinydistill.config.build.bench import Bench, passes
from tinydistill.config.build.models import check_fit
from tinydistill.config.build.origin import without_distillation
from tinydistill.config.build.shipping_costs import measure_shipping
from tinydistill.config.build.sources import (
    check_length,
    find_student,
    find_teacher,
    learns_from_labels,
    makes_teacher,
)
from tinydistill.config.build.trainer import frozen_dtype, one_device
from tinydistill.config.dependencies import of_finetuned
from tinydistill.config.names import finetuned_path
from tinydistill.config.schema import Config
from tinydistill.config.schema.stages import Intermediate, Prediction
from tinydistill.console import say
from tinydistill.data.tasks.examples import Split
from tinydistill.initialization.start import first_weights
from tinydistill.models.heads import add_head
from tinydistill.training import trials

TEACHER, PREDICTION, INTERMEDIATE, BASELINE = "teacher", "prediction", "intermediate", "baseline"
LOGITS, START, EVALUATION = "logits", "start", "evaluation"

_SAMPLE = 1_000  # tokens, at least, that a student is solved on to see how long that takes
_MOST = {PREDICTION: 3, INTERMEDIATE: 2}  # times the default, beyond which more passes help no more
_LEAST = {PREDICTION: 1, INTERMEDIATE: 0}


@dataclass(frozen=True)
class Costs:
    """Seconds of what is done once, and the parts whose length can be chosen, what is worth the most first."""

    once: dict[str, float]
    parts: dict[str, Part]


def measure_costs(config: Config, directory: Path, seconds: float) -> Costs:
    """What a pipeline of one task costs, every piece of it timed for so many seconds in an empty directory."""
    teacher, given = find_teacher(config), find_student(config)
    quiet = replace(config, logger={})  # a dashboard has no use for these steps
    bench = Bench(quiet, directory, teacher, given, seconds)
    check_length(config, teacher, *([given] if given else []))
    phases = {"both": (PREDICTION, INTERMEDIATE), "none": ()}.get(config.distill.phases, (config.distill.phases,))
    if INTERMEDIATE in phases:
        check_fit(config, bench.student_config, teacher.config, given=given is not None)
    device = one_device(config, directory, "pipeline.budget")
    say(f"measuring this machine for {config.task.name} …")
    rows = bench.rows(config.prediction)

    def tokens(*splits: Split) -> float:
        return float(sum(rows.encoded(split).lengths.sum() for split in splits))

    trained, validated = tokens(rows.train), tokens(*rows.validation.values())
    asked = seconds_a_token(bench, teacher.encoder(dtype=frozen_dtype(config)), device)
    answered = seconds_a_token(bench, bench.new_student(), device)

    def a_pass(step: Piece, split: Split, evaluated: float) -> float:
        return tokens(split) / speed(step) + validated * evaluated

    parts: dict[str, Part] = {}
    own = bench.rows(config.finetune).train  # without augmented ones
    if makes_teacher(config):
        parts[TEACHER] = _teacher(bench, lambda step: a_pass(step, own, asked), len(own))
    for name in phases:
        options: Intermediate | Prediction = config.prediction if name == PREDICTION else config.intermediate
        (step,) = bench.piece(name)()
        seconds_each = a_pass(step, rows.train, answered + (asked if name == INTERMEDIATE else 0))
        least = 1 if len(phases) == 1 else _LEAST[name]
        parts[name] = _phase(options, seconds_each, len(rows.train), passes(rows, options), least, _MOST[name])
    if config.pipeline.baseline and learns_from_labels(config):
        parts[BASELINE] = _baseline(quiet, directory, seconds, lambda step: a_pass(step, own, answered))
    heads = len(phases) + 1 if config.distill.head == "solved" else 0
    once = {
        LOGITS: 0.0 if config.task.soft_labels else (trained + validated) * asked,
        START: _solving(bench, int(min(trained, config.distill.sample_tokens)))
        + heads * min(trained, config.distill.head_tokens) * answered,
        EVALUATION: tokens(*rows.validation.values(), *rows.test.values()) * answered,
        **measure_shipping(bench, asked, answered),
    }
    return Costs(once, parts)


def _teacher(bench: Bench, a_pass: Callable[[Piece], float], rows: int) -> Part:
    config = replace(bench.config, finetune=replace(bench.config.finetune, model="teacher"))
    options, default = config.finetune.teacher, config.finetune.teacher.passes(rows)
    if _is_there(config, bench, bench.teacher.identity):
        return Part(0.0, default, default, default)
    (step,) = Bench(config, bench.directory, bench.teacher, bench.given, bench.seconds).piece("finetune")()
    times = trials.lengths(len(config.finetune.rates), short=rows > options.trial_rows)
    least = min(2, default) if options.epochs is None else default
    return Part(a_pass(step) * times, least, default, default)


def _baseline(config: Config, directory: Path, seconds: float, a_pass: Callable[[Piece], float]) -> Part:
    alone = without_distillation(replace(config, finetune=replace(config.finetune, model="student")))
    bench = Bench(alone, directory, find_teacher(config), None, seconds)
    default = config.finetune.student.epochs
    if _is_there(alone, bench, bench.teacher.identity):
        return Part(0.0, default, default, default)
    (step,) = bench.piece("finetune")()
    return Part(a_pass(step), 0, default, default, whole=True)


def _is_there(config: Config, bench: Bench, identity: str) -> bool:
    """Whether stage=finetune has made it with these very settings."""
    made = record_of(finetuned_path(config, config.finetune.model))
    settings = of_finetuned(config).settings(model=identity, task=bench.task.identity())
    return made is not None and digest(made.settings) == digest(settings)


def _phase(options: Intermediate | Prediction, seconds: float, rows: int, done: float, least: int, times: int) -> Part:
    """A phase whose length follows from the rows; one whose length the user has set stays as it is."""
    default = options.passes(rows)
    if options.epochs is not None or options.max_steps is not None:
        return Part(seconds * done / default, default, default, default)
    return Part(seconds, least, default, times * default)


def _solving(bench: Bench, tokens: int) -> float:
    """Seconds that a new student takes to be solved for on so many tokens, going by two samples of far fewer."""
    config = bench.config
    if bench.given is not None or config.student.init != "closed_form":
        return 0.0
    rows = bench.rows(config.prediction)
    teacher = bench.teacher.encoder(dtype=frozen_dtype(config))
    if not config.task.soft_labels:  # what its logits depend on is looked at
        teacher = add_head(teacher, bench.head, seed=config.seed).to(teacher.dtype)
    mapping = bench.mapping(bench.student_config, teacher.config)

    def solve(wanted: int) -> tuple[int, float]:
        student, sample = bench.new_student(), list(rows.sample_batches(wanted))
        start = time.perf_counter()
        first_weights(student, teacher, mapping, sample, method="closed_form", seed=config.seed)
        return sum(int(batch["attention_mask"].sum()) for batch in sample), time.perf_counter() - start

    few = max(tokens // 32, _SAMPLE)
    (less, short), (more, long) = solve(few), solve(max(tokens // 10, 2 * few))
    each = max(0.0, long - short) / (more - less) if more > less else 0.0
    return long + each * max(0, tokens - more)
