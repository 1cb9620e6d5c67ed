"""The reference of the configuration as Markdown, made from the schema and from conf/."""

from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tinydistill.config.help import CONF_DIR
from tinydistill.config.schema import Config

_OPEN = ("corpus", "mapping", "optimizer", "scheduler", "trainer")

_HEAD = """# Configuration

Every option, its default, and what it means: `key=value` sets it. Made from the schema by
`python -m tinydistill.config > docs/configuration.md`; `tinydistill --cfg job` prints what a command line comes to,
`tinydistill --info defaults` from which file each part is.

Options of type open hold what is built (`_target_`) and its arguments; the files of a group fill them, and
`+option.name=VALUE` adds to them ([extending.md](extending.md)).

## Groups

`GROUP=OPTION` takes a file of `conf/GROUP/`; what it sets can be set further.
"""


def reference() -> str:
    """All of docs/configuration.md."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        values: Any = OmegaConf.to_container(compose("config"), resolve=False)
    return "\n".join([_HEAD, *_groups(), "", *_section(Config, "", values, 2)]) + "\n"


def _groups() -> list[str]:
    lines = []
    for group in sorted(path for path in CONF_DIR.iterdir() if path.is_dir() and path.name != "hydra"):
        lines += [f"### {group.name}", "", "| | |", "|---|---|"]
        for file in sorted(group.glob("*.yaml")):
            told = _first_sentence(file) + (_arguments(file) if group.name in _OPEN else "")
            lines.append(f"| `{group.name}={file.stem}` | {told} |")
        lines.append("")
    return lines[:-1]


def _arguments(file: Path) -> str:
    """Which arguments of an open node a file sets."""
    node: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    names = [str(name) for name in node if name not in ("defaults", "name", "_target_")]
    return f" Sets {', '.join(f'`{name}`' for name in names)}." if names else ""


def _first_sentence(file: Path) -> str:
    """What the comment at a file's top says, without its first command."""
    said: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("# ").strip()
        if text and not text.startswith(("@package", "tinydistill ", "python -m tinydistill ")):
            said.append(text)
    text = " ".join(said).replace("|", "\\|")
    return text[: text.find(". ") + 1] if ". " in text else text


def _section(schema: type, prefix: str, values: Any, level: int) -> list[str]:
    """A table of a dataclass's own options, then its parts."""
    title = prefix.rstrip(".") or "At the top"
    told = "" if schema is Config else (schema.__doc__ or "").strip()
    lines = [f"{'#' * level} {title}", ""] + ([told, ""] if told else [])
    own = [f for f in fields(schema) if not is_dataclass(f.type)]
    if own:
        lines += ["| option | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(f, prefix, values[f.name]) for f in own] + [""]
    for f in fields(schema):
        if is_dataclass(f.type):
            lines += _section(f.type, f"{prefix}{f.name}.", values[f.name], 3 if prefix else 2)  # type: ignore[arg-type]
    return lines


def _row(f: "Field[Any]", prefix: str, default: Any) -> str:
    choices, meaning = f.metadata["choices"], f.metadata["meaning"]
    meaning += f" ({', '.join(f'`{choice}`' for choice in choices)})" if choices else ""
    bounds = [(words, f.metadata[words.replace(" ", "_")]) for words in ("at least", "above", "at most", "below")]
    within = ", ".join(f"{words} {bound:.10g}" for words, bound in bounds if bound or (words == "above" and bound == 0))
    meaning += f" ({within})" if within else ""
    if isinstance(default, dict):
        group = (prefix or f.name).rstrip(".")
        kind, shown = "open", f"see [{group}](#{group})"
    else:
        kind = str(f.type).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
        shown = f"`{_as_written(default)}`"
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{prefix}{f.name}`", kind, shown, meaning)) + " |"


def _as_written(value: Any) -> str:
    """A value as it stands in YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_written, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
