import re

import pytest

from tinydistill.escaping import for_markdown
from tinydistill.export.markdown import cell, code, table
from tinydistill.report.page import images, page
from tinydistill.report.plots import panel


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    made = tmp_path_factory.mktemp("report")
    with panel(made / "figures" / "one.png", "a plot", (2, 1)) as axes:
        axes.plot([0, 1])
    return made


def test_the_page_needs_nothing_beside_itself(directory):
    markdown = f"# A & B\n\n## Part\n\n{images([('a plot', 'figures/one.png')])}\n"
    made = page(markdown, directory, "A & B <1>")
    assert "<title>A &amp; B &lt;1&gt;</title>" in made
    assert 'src="data:image/png;base64,' in made
    assert not re.findall(r'(?:src|href)="(?!data:|#)', made)
    assert not re.findall(r"<(?:script|link|iframe)|@import|url\(", made)
    assert '<div class="figures"><img width="192"' in made
    assert '<a href="#part-0">Part</a>' in made
    assert '<h2 id="part-0">Part</h2>' in made


@pytest.mark.parametrize("text", ["a|b", "*x* _y_ `z`", "<b>", "[a](b)", "1 & 2", r"c:\d", "# head", "a ~~b~~"])
def test_any_text_is_shown_as_it_is(directory, text):
    made = page(table(["name", "as code"], [[for_markdown(text), code(text)]], words=2), directory, "")
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<td>{shown}</td>" in made
    assert f"<code>{shown}</code></td>" in made


def test_a_figure_that_is_missing_is_a_dash():
    assert [cell(0.25), cell(0.25, "{:.0%}"), cell(None)] == ["0.250", "25%", "-"]


def test_words_stand_left_and_figures_right(directory):
    assert table(["a", "b", "c"], [["1", "2", "3"]], notes=1).splitlines()[1] == "| --- | ---: | --- |"


def test_nobody_s_html_gets_into_the_page(directory):
    assert "<script" not in page("<script>alert(1)</script>", directory, "")
