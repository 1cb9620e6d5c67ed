"""What --help prints: conf/hydra/help, as Hydra would fill it in, which takes it five times as long."""

from pathlib import Path
from string import Template

import yaml

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"


def usage(conf: Path = CONF_DIR) -> str:
    """The help of the command line, with the groups of the directory `conf` and their options."""
    text = yaml.safe_load((conf / "hydra" / "help" / "tinydistill.yaml").read_text(encoding="utf-8"))
    for part in ("header", "footer"):
        text["template"] = text["template"].replace(f"${{hydra.help.{part}}}", text[part])
    groups = sorted(path for path in conf.iterdir() if path.is_dir() and path.name != "hydra")
    listed = [f"{group.name}: {', '.join(sorted(file.stem for file in group.glob('*.yaml')))}\n" for group in groups]
    return Template(text["template"]).substitute(APP_CONFIG_GROUPS="".join(listed))
