"""A model card holds names and labels as they are, and nothing that they ask for."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from tests.test_escaping import CASES
from tinydistill.data.tasks.targets import Target
from tinydistill.escaping import for_terminal
from tinydistill.export.card import card
from tinydistill.export.size import PARTS
from tinydistill.kinds import kind_of


def result_of(text: str) -> dict:
    sizes = {
        **dict.fromkeys(PARTS, 10),
        "model": "student",
        "flops": 1,
        "flops_length": 8,
        "bytes": {"PyTorch fp32": 9},
    }
    check = {"name": "PyTorch fp32", "score": 0.5, "equal": 1.0, "correlation": None}
    origin = {
        "teacher": text,
        "init": text,
        "corpus": text,
        "mapping": text,
        "layers": {"1": 2},
        "objective": {text: 1.0},
        "scale": 1,
        "phases": {"prediction": 3},
        "augmented": False,
    }
    return {
        "sizes": [sizes],
        "checks": [check],
        "scores": {"teacher": 0.9},
        "score": 0.5,
        "monitor": f"validation/{text}",
        "origin": origin,
        "latency": [],
        "confusion": {"names": [text, "other"], "counts": [[3, 0], [2, 0]]},
        "weights": "0123",
        "rows": 5,
    }


class Elements(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]


@CASES
def test_a_card_is_the_same_card_whatever_labels_and_names_say(tokenizer, text):
    def elements(name: str) -> tuple[Elements, str, ModelCard]:
        made = card(
            name,
            result_of(name),
            task=name,
            kind=kind_of(Target((name, "other"))),
            tokenizer=tokenizer,
            max_length=8,
            license_name=name,
        )
        content = re.sub(r"\A---\n.*?\n---\n", "", str(made), flags=re.DOTALL)
        return Elements(MarkdownIt("commonmark").enable("table").render(content)), content, made

    (plain, *_), (seen, content, made) = elements("plain"), elements(text)
    assert (seen.tags, seen.links) == (plain.tags, plain.links)
    assert content == "\n".join(map(for_terminal, content.split("\n")))
    again = ModelCard(str(made)).data
    assert again.model_name == for_terminal(text)
    assert again.tags == ["distillation", "tinybert"]


def test_a_padding_token_is_a_string_in_the_card_s_program():
    evil = '[PAD]")\n```\n<script>'
    tokenizer = SimpleNamespace(pad_token=evil, pad_token_id=0, model_input_names=())
    result = result_of("plain")
    result["checks"].append({**result["checks"][0], "name": "ONNX fp32"})
    made = str(card("a", result, task="a", kind=kind_of(Target(("x", "y"))), tokenizer=tokenizer, max_length=8))
    assert f"pad_token={json.dumps(evil)})" in made
    assert "\n<script>" not in made


@pytest.mark.parametrize(
    ("path", "base"), [("org/model", "org/model"), ("/home/someone/model", None), ("~/model", None), ("a/b/c", None)]
)
def test_a_card_names_models_of_the_hub_as_what_it_comes_from_and_no_directories(tokenizer, path, base):
    result = result_of("plain")
    result["origin"]["teacher"] = path
    made = card("a", result, task="a", kind=kind_of(Target()), tokenizer=tokenizer, max_length=8)
    assert made.data.base_model == base
