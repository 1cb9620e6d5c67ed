"""The reference of the configuration as Markdown, made from the schema and from conf/."""

from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tinydistill.config.compose import CONF_DIR
from tinydistill.config.schema import Config

_HEAD = """# Configuration

Every option, its default, and what it means: `key=value` sets it. Made from the schema by
`python -m tinydistill.config > docs/configuration.md`; `tinydistill --cfg job` prints what a command line comes to,
`tinydistill --info defaults` from which file each part is.

Options of type dict are open: under `_target_` stands what is built, and `+option.name=VALUE` adds to them
([extending.md](extending.md)).

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
        lines += [f"| `{group.name}={file.stem}` | {_first_sentence(file)} |" for file in sorted(group.glob("*.yaml"))]
        lines.append("")
    return lines[:-1]


def _first_sentence(file: Path) -> str:
    """What the comment at a file's top says, without its first command."""
    said: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("# ").strip()
        if text and not text.startswith(("@package", "tinydistill ")):
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
    choices, least = f.metadata["choices"], f.metadata["at_least"]
    meaning = f.metadata["meaning"]
    meaning += f" ({', '.join(f'`{choice}`' for choice in choices)})" if choices else ""
    meaning += f" (at least {least:g})" if least else ""
    kind = str(f.type).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
    cells = (f"`{prefix}{f.name}`", kind, f"`{_as_written(default)}`", meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _as_written(value: Any) -> str:
    """A value as it stands in YAML."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_as_written(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_written, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
