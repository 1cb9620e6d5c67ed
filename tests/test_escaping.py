"""Texts of others are shown as they are, and nothing obeys them."""

import csv
import html
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from tinydistill import console
from tinydistill.config.errors import explain
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError, UserError
from tinydistill.escaping import for_markdown, for_spreadsheet, for_terminal
from tinydistill.export.markdown import code, table
from tinydistill.kinds import kind_of
from tinydistill.report.page import page
from tinydistill.training.prediction_files import read_predictions, write_predictions, write_submission

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(1)">',
    "entity": "&lt;script&gt;&#60;",
    "comment": "<!-- all that follows",
    "heading": "good\n\n# Scores\n\n| forged | 1.0 |",
    "old heading": "good\n===\nbad\n---",
    "table": "a | b |\n| c",
    "list": "- one\n1. two\n> three",
    "fence": "```\ncode\n~~~",
    "code": "`code` and ``more",
    "link": "[here](javascript:alert(1)) ![image](http://127.0.0.1/x.png)",
    "reference": "[a]: http://127.0.0.1 'b'",
    "autolink": "<http://127.0.0.1>",
    "emphasis": "*a* _b_ **c** ~~d~~",
    "backslash": "a\\| b\\",
    "mathematics": "$$\\href{http://127.0.0.1}{x}$$",
    "color": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;http://127.0.0.1\x1b\\click\x1b]8;;\x1b\\",
    "overwritten": "99.9%\rscore 0",
    "erased": "good\x08\x08\x08\x08bad",
    "C1": "\x9b31mred\x85next",
    "lines": "one\u2028two\u2029three",
    "direction": "\u202egnp.exe\u2066x\u2069",
    "half a character": "a\ud800b",
    "markup": "[red]x[/red] [/nonsense] [link=http://127.0.0.1]y[/link]",
    "front matter": "---\nlicense: mit\n---",
    "formula": "=1+1",
    "command": "=cmd|'/C calc'!A0",
    "sum": "@SUM(1+1)*cmd",
    "plus": "+1+cmd",
    "minus": "-1+cmd",
    "tab": "\t=1+1",
    "row": "a\r=1+1",
    "wide": "＝1+1",  # noqa: RUF001
}
CASES = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


class Seen(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@CASES
def test_markdown_shows_a_text_as_it_is(text):
    written = for_markdown(text)
    assert "\n" not in written
    assert html.unescape(MarkdownIt("commonmark").render(f"is {written} so")) == (
        f"<p>is {for_terminal(' '.join(text.split()))} so</p>\n"
    )


@CASES
def test_a_report_has_no_element_that_a_text_asked_for(text, tmp_path):
    rows = [[for_markdown(text), code(text)], ["second", "row"]]
    seen = Seen(page(f"# {for_markdown(text)}\n\n{table(['a', 'b'], rows, words=2)}", tmp_path, text))
    assert seen.tags <= set("html head meta title style body main h1 nav div table thead tr th tbody td code p".split())
    assert seen.text.count("second") == 1
    line = for_terminal(" ".join(text.split()))
    assert seen.text.count(line) >= 2


@CASES
def test_a_terminal_obeys_no_text(text, capsys):
    console.say(f"label: {text}")
    console.table(text, ["name", text], [(text, 1.0), (text, None)])
    printed = capsys.readouterr().out
    assert not set(printed) & set(map(chr, [*range(10), *range(11, 32), *range(127, 160)]))
    assert printed.splitlines()[0] == f"label: {for_terminal(text)}"
    assert printed.count(for_terminal(text)[:10]) >= 4


@CASES
@pytest.mark.parametrize("kind", [InputError, UserError])
def test_an_error_is_one_line_that_a_terminal_does_not_obey(text, kind):
    line = explain(kind(f"column '{text}' isn't there"))
    assert line is not None
    assert line == for_terminal(line)


@CASES
def test_predictions_hold_no_formula_and_are_read_as_they_were(text, tmp_path):
    labels = (text.replace("\ud800", ""), "other", "-1", "'" + text.replace("\ud800", ""))
    split = Split("validation", ["a"] * 4, labels=np.arange(4))
    write_predictions(tmp_path / "a.tsv", split, kind_of(Target(labels)), 9 * np.eye(4)[[0, 1, 3, 3]])
    content = io.StringIO((tmp_path / "a.tsv").read_bytes().decode(), newline="")
    cells = [cell for row in csv.reader(content, "excel-tab") for cell in row]
    assert "\r" not in content.getvalue()
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n＝＋－＠") and cell != "-1"]  # noqa: RUF001
    read = read_predictions(tmp_path / "a.tsv")
    assert read is not None
    assert (read.classes, read.labels.tolist(), read.predictions.tolist()) == (4, [0, 1, 2, 3], [0, 1, 3, 3])


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1", "'=1"), ("'=1", "''=1"), ("'tis", "'tis"), ("-1", "-1"), ("+1.5e-3", "+1.5e-3"), (".5", ".5"), ("-", "'-"),
     ("a=b", "a=b"), ("", ""), ("-inf", "'-inf"), ("--1", "'--1"), ("+٣", "'+٣")],
)  # fmt: skip
def test_numbers_and_words_are_left_alone(text, cell):
    assert for_spreadsheet(text) == cell


def test_a_submission_is_byte_for_byte_what_the_server_reads(tmp_path):
    write_submission(tmp_path / "a.tsv", np.arange(2), ("=entailment", "-"))
    write_submission(tmp_path / "b.tsv", np.array([-0.5, 2.0]), ())
    assert (tmp_path / "a.tsv").read_bytes() == b"index\tprediction\n0\t=entailment\n1\t-\n"
    assert (tmp_path / "b.tsv").read_bytes() == b"index\tprediction\n0\t-0.500\n1\t2.000\n"
