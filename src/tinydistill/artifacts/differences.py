"""In what the settings of two artifacts differ, in a line."""

from typing import Any

_LONG = 40  # characters of a setting that is shown as a whole
_SHOWN = 4  # settings


def difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """The settings that differ, each with both values; of many the first ones."""
    old, new = _flat(theirs), _flat(ours)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    shown = [f"{key}: {_change(old.get(key), new.get(key))}" for key in changed[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else "")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _change(old: Any, new: Any) -> str:
    before, after = str(old), str(new)
    if len(before) > _LONG and len(after) > _LONG:  # hashes of files, rows and weights
        return "other content"
    return " -> ".join(text if len(text) <= _LONG else f"{text[:12]}…" for text in (before, after))
