"""Small models, tokenizers and texts that tests share: everything is made here, nothing is downloaded."""

import faulthandler
import os
import signal
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hydra._internal.hydra import Hydra
from transformers import AutoModel, BertConfig, BertTokenizerFast, PreTrainedModel, set_seed

from tinydistill import signals
from tinydistill.training import drawing

torch.set_num_threads(1)  # faster for models this small

with suppress(ImportError):  # when logging is set up anew, absl closes the stream that it found: pytest's own
    from absl.logging import get_absl_handler

    get_absl_handler().python_handler.stream = sys.__stderr__

# What is tested with signals, pipes, devices and forks, as Windows has none.
POSIX = ("test_signals.py", "stages/test_signals.py", "stages/test_resume.py", "stages/test_strange_inputs.py",
         "data/test_strange_files.py", "models/test_strange_models.py")  # fmt: skip
collect_ignore = [] if os.name == "posix" else [*POSIX]

STDERR = pytest.StashKey[int]()

WORDS = (
    "a the cat dog sat ran on under mat tree and then it was happy sad red blue fish bird sees hears old new".split()
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert(layers: int = 2, width: int = 16, heads: int = 4, seed: int = 0, **options: object) -> PreTrainedModel:
    """A tiny random BERT whose vocabulary is the fixture tokenizer's."""
    set_seed(seed)
    config = BertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=2 * width,
        max_position_embeddings=64,
        **{"vocab_size": len(SPECIAL) + len(WORDS), **options},
    )
    return AutoModel.from_config(config).eval()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STDERR] = os.dup(2)  # the one that isn't captured


@pytest.fixture(autouse=True)
def a_crash_says_where(pytestconfig: pytest.Config) -> None:
    """Lightning's trainer has set the handlers of all signals anew when it ends, faulthandler's among them."""
    faulthandler.disable()
    faulthandler.enable(pytestconfig.stash[STDERR])


@pytest.fixture(autouse=True)
def composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra composes a configuration a second time to see whether the command is a sweep; only what may be one is."""
    mode = Hydra.get_mode

    def of(self: Hydra, config_name: str | None, overrides: list[str]) -> object:
        may_be = any(word.startswith(("hydra.mode", "+hydra.mode", "sweep", "experiment")) for word in overrides)
        return mode(self, config_name, overrides) if may_be else None

    monkeypatch.setattr(Hydra, "get_mode", of)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    """One word piece a word."""
    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(SPECIAL + WORDS) + "\n")
    return BertTokenizerFast(str(file))


@pytest.fixture(scope="session")
def teacher_dir(tmp_path_factory: pytest.TempPathFactory, tokenizer: BertTokenizerFast) -> Path:
    """A 4-layer teacher with its tokenizer, as a Hugging Face directory."""
    directory = tmp_path_factory.mktemp("models") / "teacher"
    bert(layers=4, width=32, seed=1, initializer_range=0.2).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def sentences(count: int, seed: int = 0) -> list[str]:
    """Random sentences of the fixture vocabulary."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(WORDS), (count, 12), generator=generator)
    return [" ".join(WORDS[i] for i in row) for row in rows.tolist()]


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred documents of a few sentences, a blank line between them."""
    file = tmp_path_factory.mktemp("text") / "corpus.txt"
    file.write_text("\n\n".join("\n".join(sentences(3, seed)) for seed in range(400)) + "\n")
    return file


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a disk of a size, as in `small_disk("1m", read_only=True)`; skips where that isn't allowed."""
    mounted: list[Path] = []

    def mount(size: str, *, read_only: bool = False) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        options = f"size={size}" + (",ro" if read_only else "")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=False)


@pytest.fixture
def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the extra `report` is not installed."""
    for module in [name for name in sys.modules if name.partition(".")[0] in ("matplotlib", "PIL")]:
        monkeypatch.delitem(sys.modules, module)
    for name in ("matplotlib", "PIL"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    drawing.possible.cache_clear()
    yield
    drawing.possible.cache_clear()


@pytest.fixture
def default_handlers() -> Iterator[None]:
    """Signals as in a new process: tests that cut training off, or run a sweep's job, leave handlers behind."""
    signals.give_back()
    signums = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {signum: signal.getsignal(signum) for signum in signums}
    for signum in before:
        signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
