"""Words of a command line that a shell and Hydra's grammar take for what was meant."""

import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException


def typed(override: str) -> str | None:
    """The word to type for `option=value` with this very value; None where there is no saying."""
    option, separator, value = override.partition("=")
    if not separator or not value or "\0" in value or not_utf8(value):
        return None
    word = f"{option}={_quoted(value)}"
    try:
        parsed = OverridesParser.create().parse_override(word)
        taken = parsed.value()
    except (HydraException, ValueError):
        return None
    one = isinstance(taken, list) or str(taken) == value
    return shlex.quote(word) if one and not parsed.is_sweep_override() else None


def not_utf8(text: str) -> bool:
    """Whether a text holds bytes that no character stands for, as a file name may."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _quoted(value: str) -> str:
    """In double quotes; of a list every element that isn't quoted."""
    if value.startswith("[") and value.endswith("]"):
        return "[" + ",".join(_quoted(part.strip()) for part in value[1:-1].split(",")) + "]"
    if value[:1] in ("'", '"') and value[:1] == value[-1:] and len(value) > 1:
        return value
    inside = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ("\\" if found[2] else "") + found[2], value)
    return f'"{inside}"'
