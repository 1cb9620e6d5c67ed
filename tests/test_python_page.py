"""Every block of docs/python.md runs, on tiny models and files under the names that the page uses."""

import re
from pathlib import Path

import pytest
import torch

from tests.conftest import sentences
from tests.stages.conftest import animal_rows, write_csv
from tests.test_api import SMALL
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import load_encoder, save_model

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SMALLER = {  # what the page says of BERT-base, and what is true of the tiny one
    "hidden_size=312": "hidden_size=16, intermediate_size=32, max_length=16",
    "relation_heads=12": "relation_heads=4",
    "td.mapping.last(4, 12)": "td.mapping.last(4, 4)",
    "max_length=64": "max_length=16",
    "max_length=32": "max_length=16",
    'student="tinybert4"': "overrides=OVERRIDES",
    "pl.Trainer(": "pl.Trainer(max_steps=3, accelerator='cpu', logger=False, enable_checkpointing=False, ",
}


@pytest.fixture
def place(teacher_dir, text_file, tokenizer, tmp_path, monkeypatch) -> list[str]:
    """A directory with the files and models of the page; the options of a small run."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "rows.csv", animal_rows(80, 0), header=("message", "team"))
    (tmp_path / "notes.txt").write_text("\n".join(sentences(200)))
    encoder = load_encoder(str(teacher_dir))
    save_model(encoder, tokenizer, tmp_path / "bert-base-uncased")
    save_model(add_head(encoder, Head(("cat", "dog")), seed=0), tokenizer, tmp_path / "my-finetuned-bert")
    return [*SMALL, "student.num_layers=4", "corpus=files", f"corpus.paths=['{text_file}']"]


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(place):
    names: dict[str, object] = {"OVERRIDES": place}
    torch.manual_seed(0)
    for block in BLOCKS:
        for large, small in SMALLER.items():
            block = block.replace(large, small)
        exec(compile(block, str(PAGE), "exec"), names)  # as a reader who goes on in one session
    assert names["result"].score is not None
    assert names["trainer"].global_step == 3


def test_every_public_name_stands_on_the_page():
    import tinydistill as td

    table = PAGE.read_text(encoding="utf-8").partition("## Public names")[2]
    assert not [name for name in td.__all__ if f"`{name}" not in table]
