"""The checks of a composed configuration: what can be judged before any file is read."""

import json
from dataclasses import asdict
from typing import Any

from tinydistill.config.durations import seconds_of
from tinydistill.config.quoting import not_utf8
from tinydistill.config.renamed import RENAMED
from tinydistill.config.schema import Config
from tinydistill.config.schema.delivery import Export, Search
from tinydistill.config.schema.models import WEIGHT
from tinydistill.config.schema.option import check_options, nearest
from tinydistill.config.schema.stages import PIECES, Benchmark, Pretrain
from tinydistill.errors import UserError

_FORMATS = ("onnx", "onnx_int8", "openvino")
OPEN = ("mapping", "corpus", "optimizer", "scheduler")  # nodes that say with `_target_` what they are


def check(config: Config) -> None:
    """Raises UserError for a value outside its choices or bounds, or for choices that contradict each other."""
    check_options(config)
    if not_utf8(text := json.dumps(asdict(config), ensure_ascii=False, default=str)):
        name = next(word for word in text.split('"') if not_utf8(word))
        raise UserError(f"{name!r} is not UTF-8: rename the file")
    student = config.student
    if student.path is None and student.hidden_size % student.num_heads:
        raise UserError(
            f"student.num_heads={student.num_heads} doesn't divide student.hidden_size={student.hidden_size}"
        )
    if config.overwrite not in (True, False, "always"):
        raise UserError(f"overwrite={config.overwrite} is not one of true, false, always")
    for name in OPEN:
        check_target(name, getattr(config, name))
    check_target("task.source", config.task.source)
    for name, node in [
        *((f"objective.losses.{name}", node) for name, node in config.objective.losses.items()),
        *((f"callbacks.{name}", node) for name, node in config.callbacks.items()),
        *((f"logger.{name}", node) for name, node in config.logger.items()),
    ]:
        check_target(name, node)
    _check_objective(config)
    embedding = config.prediction.embedding
    if not (embedding.cosine or embedding.mse or embedding.similarity):
        raise UserError("every loss on embeddings is switched off; set prediction.embedding.cosine=1")
    if config.finetune.teacher.learning_rate == []:
        raise UserError("finetune.teacher.learning_rate is an empty list: name a rate, or several to try")
    _check_lists(config)
    _check_devices(config.trainer)
    _check_strategy(str(config.trainer.get("strategy", "")))
    _check_masking(config.pretrain)
    _check_export(config.export)
    _check_search(config.search)
    _check_benchmark(config.benchmark)
    if config.pipeline.budget is not None:
        seconds_of("pipeline.budget", config.pipeline.budget)


def check_target(name: str, node: Any) -> None:
    """Raises UserError where a node doesn't say what is to be built."""
    if name in RENAMED and not isinstance(node, dict):
        raise UserError(f"{name} is no option any more; set {RENAMED[name]}")
    if not isinstance(node, dict) or not isinstance(node.get("_target_"), str):
        raise UserError(f"{name} doesn't say what it is: set {name}._target_=PACKAGE.MODULE.NAME")


def _check_objective(config: Config) -> None:
    losses = config.objective.losses
    weights = {name: node.get("weight", 1.0) for name, node in losses.items()}
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= WEIGHT:
            raise UserError(f"objective.losses.{name}.weight={weight} is not a number from 0 to {WEIGHT:g}")
    if not any(weights.values()):
        raise UserError("every loss is switched off; set one of objective.embedding, .hidden, .attention, .relation")


def _check_lists(config: Config) -> None:
    layers = config.mapping.get("layers")
    if layers is not None and not isinstance(layers, list):
        raise UserError(f"mapping.layers={layers} is no list; write 'mapping.layers=[2,4,6]'")
    wrong = [n for n in layers or () if not (n is None or type(n) is int)]
    if wrong:
        raise UserError(f"mapping.layers holds {wrong[0]!r}; teacher layers are whole numbers, null for none")
    if "paths" in config.corpus and not config.corpus["paths"]:
        raise UserError("corpus=files needs text: name it with 'corpus.paths=[FILE, DIRECTORY or GLOB]'")


def _check_devices(trainer: dict[str, Any]) -> None:
    devices, nodes = trainer.get("devices"), trainer.get("num_nodes")
    listed = devices.split(",") if isinstance(devices, str) else devices if isinstance(devices, list) else []
    indices = bool(listed) and all(type(n) is int or (isinstance(n, str) and n.strip().isdecimal()) for n in listed)
    if not (indices or devices in (None, "auto", -1, "-1") or (type(devices) is int and devices > 0)):
        raise UserError(f"trainer.devices={devices} is neither auto, nor how many (from 1 on), nor a list: [0,1]")
    if nodes is not None and not (type(nodes) is int and nodes > 0):
        raise UserError(f"trainer.num_nodes={nodes} is not a whole number from 1 on")


def _check_strategy(strategy: str) -> None:
    sharding = next((word for word in ("fsdp", "deepspeed") if strategy.startswith(word)), None)
    if sharding:
        raise UserError(
            f"trainer.strategy={strategy} would cut the student's tensors into pieces, which weight decay, projections "
            "and saving take for whole ones; a student fits on every device: take trainer=ddp"
        )


def _check_masking(pretrain: Pretrain) -> None:
    if pretrain.as_mask + pretrain.as_random > 1:
        raise UserError(
            f"pretrain.as_mask={pretrain.as_mask} and pretrain.as_random={pretrain.as_random} "
            "are shares of the same tokens: their sum must not be above 1"
        )


def _check_export(export: Export) -> None:
    unknown = [name for name in export.formats if name not in _FORMATS]
    if unknown:
        raise UserError(f"export.formats holds {unknown[0]!r}, which is not one of {', '.join(_FORMATS)}")
    if export.page and "onnx_int8" not in export.formats:
        raise UserError("export.page=true answers with int8: add onnx_int8 to export.formats")
    for name in ("batch_sizes", "lengths", "threads"):
        for number in getattr(export.latency, name):
            if not ((type(number) is int and number > 0) or (number is None and name == "threads")):
                raise UserError(f"export.latency.{name} holds {number!r}: these are whole numbers from 1 on")


def _check_search(search: Search) -> None:
    if not search.vocabulary or not search.forms:
        raise UserError(f"search.{'runtime' if search.vocabulary else 'vocabulary'} is empty: name one at least")
    for name in ("num_layers", "hidden_size", "feed_forward"):
        numbers = getattr(search, name)
        if not numbers:
            raise UserError(f"search.{name} is empty: name one number at least")
        for number in numbers:
            if isinstance(number, bool) or not number > 0:
                raise UserError(f"search.{name} holds {number!r}: these are numbers above 0")
    if search.retention is not None and search.retention > 2:
        raise UserError(f"search.retention={search.retention:g} is a share: 0.98 for 98% of the teacher's score")


def _check_benchmark(benchmark: Benchmark) -> None:
    if not benchmark.pieces:
        raise UserError(f"benchmark.pieces is empty: name any of {', '.join(PIECES)}")
    unknown = [name for name in benchmark.pieces if name not in PIECES]
    if unknown:
        raise UserError(
            f"benchmark.pieces holds {unknown[0]!r}, which is not one of {', '.join(PIECES)}"
            f"{nearest(str(unknown[0]), PIECES)}"
        )
