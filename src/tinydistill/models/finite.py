"""Find values that are infinite or NaN."""

from collections.abc import Iterable

from torch import Tensor


def not_finite(values: Iterable[tuple[str, object]]) -> str | None:
    """The name of the first tensor that holds such a value; None where none does."""
    floats = ((name, value) for name, value in values if isinstance(value, Tensor) and value.is_floating_point())
    return next((name for name, tensor in floats if not bool(tensor.isfinite().all())), None)
