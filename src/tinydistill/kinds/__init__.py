"""The kinds of tasks: each with its head, its losses, its answers, and how these are scored and written."""

from tinydistill.kinds import embedding, sequence, several_labels, spans, tags
from tinydistill.kinds.base import TaskKind, kind_of

__all__ = ["TaskKind", "embedding", "kind_of", "sequence", "several_labels", "spans", "tags"]
