"""tinydistill: turn a BERT into a TinyBERT.

The command line imports the package before anything is known, so the public names are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from tinydistill.api import DistillResult, distill
    from tinydistill.certification.cascade import Cascade
    from tinydistill.data.tasks.datamodule import TaskDataModule
    from tinydistill.data.tasks.examples import Split
    from tinydistill.data.tasks.files import TaskFiles
    from tinydistill.data.tasks.sources import TaskSource
    from tinydistill.data.tasks.targets import Target
    from tinydistill.data.text.datamodule import TextDataModule
    from tinydistill.data.text.sources import Corpus
    from tinydistill.distillation import losses, mapping
    from tinydistill.distillation.layer_distiller import LayerDistiller
    from tinydistill.distillation.logit_distiller import LogitDistiller, MergedDistiller
    from tinydistill.distillation.objective import Objective
    from tinydistill.initialization.api import initialize_student
    from tinydistill.kinds.base import TaskKind, kind_of
    from tinydistill.models.encoder_parts import register_encoder_parts
    from tinydistill.training.classifier import Classifier, Scoring

_MODULES = {
    "tinydistill.api": ("DistillResult", "distill"),
    "tinydistill.certification.cascade": ("Cascade",),
    "tinydistill.data.tasks.datamodule": ("TaskDataModule",),
    "tinydistill.data.tasks.examples": ("Split",),
    "tinydistill.data.tasks.files": ("TaskFiles",),
    "tinydistill.data.tasks.sources": ("TaskSource",),
    "tinydistill.data.tasks.targets": ("Target",),
    "tinydistill.data.text.datamodule": ("TextDataModule",),
    "tinydistill.data.text.sources": ("Corpus",),
    "tinydistill.distillation": ("losses", "mapping"),
    "tinydistill.distillation.layer_distiller": ("LayerDistiller",),
    "tinydistill.distillation.logit_distiller": ("LogitDistiller", "MergedDistiller"),
    "tinydistill.distillation.objective": ("Objective",),
    "tinydistill.initialization.api": ("initialize_student",),
    "tinydistill.kinds": ("TaskKind", "kind_of"),
    "tinydistill.models.encoder_parts": ("register_encoder_parts",),
    "tinydistill.training.classifier": ("Classifier", "Scoring"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Cascade",
    "Classifier",
    "Corpus",
    "DistillResult",
    "LayerDistiller",
    "LogitDistiller",
    "MergedDistiller",
    "Objective",
    "Scoring",
    "Split",
    "Target",
    "TaskDataModule",
    "TaskFiles",
    "TaskKind",
    "TaskSource",
    "TextDataModule",
    "distill",
    "initialize_student",
    "kind_of",
    "losses",
    "mapping",
    "register_encoder_parts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinydistill' has no attribute {name!r}")
    home = _HOMES[name]
    if home == "tinydistill.distillation":  # a module of it
        return import_module(f"{home}.{name}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
