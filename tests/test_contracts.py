"""The contracts of the house: which room imports which, who knows a configuration, what an import costs."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinydistill.config.errors import option_of
from tinydistill.config.schema import STAGES, Config
from tinydistill.config.schema.option import options

SOURCE = Path(__file__).parents[1] / "src" / "tinydistill"
FREE = {"console", "errors", "escaping", "hub", "platforms", "ranks", "signals"}  # small modules at the top, for all
MAY_IMPORT = {
    "artifacts": set(),
    "models": {"artifacts"},
    "data": {"artifacts"},
    "initialization": {"artifacts", "models"},
    "augmentation": {"artifacts", "data", "models"},
    "kinds": {"data", "models"},
    "training": {"artifacts", "data", "kinds", "models"},
    "distillation": {"artifacts", "data", "initialization", "kinds", "models", "training"},
    "export": {"artifacts", "data", "kinds", "models", "training"},
    "certification": {"artifacts", "data", "export", "kinds", "models"},
    "report": {"artifacts", "certification", "distillation", "export", "kinds", "models", "training"},
    "benchmarking": {"artifacts", "augmentation", "data", "export", "models"},
    "config": {
        *("artifacts", "benchmarking", "data", "distillation", "export", "initialization", "kinds", "models"),
        *("report", "training"),
    },
}
ROOMS = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and (path / "__init__.py").is_file())
BELOW = [room for room in ROOMS if room not in ("config", "stages")]


def trees(room: str) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted((SOURCE / room).rglob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """The modules of tinydistill that are imported anywhere in a file, dotted, without the package's name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinydistill":
            inside = (node.module or "").partition(".")[2]
            found |= {inside} if inside else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.partition(".")[2] for a in node.names if a.name.startswith("tinydistill.")}
    return found


def literals(tree: ast.Module) -> Iterator[str]:
    """The strings of a file that are no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and node.body
             and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    texts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            yield node.value


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_the_rooms_that_it_may(room):
    for file, tree in trees(room):
        rooms = {name.split(".")[0] for name in imported(tree)} - FREE - {room, "__version__", ""}
        assert rooms <= MAY_IMPORT[room], f"{file.relative_to(SOURCE)} imports {sorted(rooms - MAY_IMPORT[room])}"


def test_every_room_has_its_contract():
    assert set(ROOMS) == {*MAY_IMPORT, "stages"}


def test_stages_holds_the_stages_alone():
    assert {file.stem for file in (SOURCE / "stages").glob("*.py")} == {*STAGES, "__init__"}


def test_no_modules_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = defaultdict(set)
    names = {
        ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for file in SOURCE.rglob("*.py")
    }
    for file in SOURCE.rglob("*.py"):
        name = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        at_top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        for node in at_top.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinydistill"):
                inside = (node.module or "").partition(".")[2]
                for alias in node.names:
                    longer = f"{inside}.{alias.name}".strip(".")
                    graph[name].add(longer if longer in names else inside)
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != 1, f"a circle: {' -> '.join([*path, name])}"
        if name in state:
            return
        state[name] = 1
        for other in graph[name] - {name}:
            visit(other, (*path, name))
        state[name] = 2

    for name in sorted(names):
        visit(name, ())


@pytest.mark.parametrize("room", BELOW)
def test_no_room_below_the_configuration_spells_an_option(room):
    dotted = [key for key in options(Config) if "." in key]
    spelled = re.compile(rf"(?<![\w./])(?:{'|'.join(map(re.escape, dotted))})\b|\bstage=[a-z]")
    for file, tree in trees(room):
        for text in literals(tree):
            assert not spelled.search(text), f"{file.relative_to(SOURCE)}: {text!r}"


def test_what_errors_advise_are_options_that_there_are():
    known = options(Config)
    for room in BELOW:
        for file, tree in trees(room):
            for text in literals(tree):
                for argument in re.findall(r"\{([A-Za-z_]\w*(?:\.\w+|:\w+))\}", text):
                    option = option_of(argument, "general")
                    found = "=" in option or any(f"{option}.".startswith(f"{key}.") for key in known)
                    assert found, f"{file.relative_to(SOURCE)}: {{{argument}}} is {option}, which is no option"


# What must not be called, and what must be said where it is: nothing that is read can run code or write elsewhere.
NEVER = {".eval", ".exec", "extractall", "extract", "Unpickler", "unsafe_load", "full_load", "run_path"}
NO_IMPORT = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "tarfile"}


def calls(tree: ast.Module) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(what it is a method of, name, keyword arguments) of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            owner, _, name = ast.unparse(node.func).rpartition(".")
            yield owner, name, {word.arg or "": ast.unparse(word.value) for word in node.keywords}


def test_nothing_that_is_read_can_run_code():
    for file, tree in trees("."):
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not modules & NO_IMPORT, file
        for owner, name, words in calls(tree):
            called = f"{owner}.{name}"
            assert not {name, called} & NEVER, f"{file}: {called}"
            assert words.get("trust_remote_code", "False") == "False", file
            assert "allow_pickle" not in words, file  # numpy's default is False
            if (owner, name) == ("torch", "load") or (name == "fit" and "ckpt_path" in words):
                assert words.get("weights_only") == "True", f"{file}: {called}"
            if name == "from_pretrained" and owner.startswith("Auto"):
                assert words.get("trust_remote_code") == "False", f"{file}: {called}"


def test_nothing_looks_values_up_in_an_untyped_configuration():
    for file in SOURCE.rglob("*.py"):
        assert 'values["' not in file.read_text(encoding="utf-8"), file


@pytest.mark.parametrize(
    "words", ["import tinydistill", "import tinydistill.config.compose", "import tinydistill.__main__"]
)
def test_the_import_is_light(words):
    heavy = "{'torch', 'transformers', 'pytorch_lightning', 'datasets', 'numpy', 'pandas'}"
    code = f"import sys; {words}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
