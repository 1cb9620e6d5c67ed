"""The page beside an exported classifier: what it holds, and in a real browser that it answers as ONNX Runtime does."""

import inspect
import json
import re
import textwrap
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, set_seed

from tests.chromium import CHROMIUM, Browser, served
from tests.conftest import sentences
from tests.test_readme import ROOT
from tinydistill.certification.entry import write_entry
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.tags import Tags
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.export import onnx_export, onnx_files, page, page_rows, web_packages
from tinydistill.export.web_packages import Package
from tinydistill.kinds import kind_of
from tinydistill.models import loading, packaged
from tinydistill.models.loading import save_model
from tinydistill.models.source import find

CERTIFICATE = {
    "agreement": 0.9,
    "confidence": 0.95,
    "rows": 300,
    "models": {
        "onnx/model_quantized.onnx": {
            "temperature": 1.5,
            "threshold": 0.35,
            "agrees_at_least": 0.875,
            "answers_alone": 0.91,
        }
    },
}
LABELS = ("cat", "dog & co", "<bird>")
RESULT = {
    "monitor": "validation/accuracy",
    "scores": {"teacher": 0.9, "student": 0.875},
    "checks": [{"name": "PyTorch fp32", "score": 0.875}, {"name": "ONNX int8", "score": 0.87}],
    "sizes": [
        {"model": name, "embedding": 1000 * of, "encoder": 2000 * of, "head": 10, "bytes": {"ONNX int8": 10**6 * of}}
        for name, of in (("teacher", 3), ("student", 1))
    ],
    "latency": [
        {"threads": 1, "batch_size": 1, "length": length, "latency": {"student, ONNX int8": {"median": length / 10}}}
        for length in (16, 128)
    ],
}


def classifier(directory: Path, tokenizer, *, labels=LABELS, seed: int = 0, width: int = 16) -> Path:
    """A random classifier in a directory."""
    set_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        num_labels=len(labels) or 1,
        initializer_range=0.5,
        **(
            {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
            if labels
            else {}
        ),
    )
    if labels:
        config.id2label, config.label2id = dict(enumerate(labels)), {name: i for i, name in enumerate(labels)}
    save_model(BertForSequenceClassification(config), tokenizer, directory)
    return directory


def with_int8(directory: Path) -> Path:
    """The classifier with its int8 file."""
    model = BertForSequenceClassification.from_pretrained(directory)
    onnx_files.write(model, ["input_ids", "attention_mask", "token_type_ids"], directory, [page.FORMAT], longest=64)
    return directory


def with_bag(directory: Path, outputs: int) -> Path:
    """With a file in the place of int8 that is made in no time: the mean of random logits of a row's tokens."""
    table = np.random.default_rng(0).normal(size=(64, outputs)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["found"]),
        helper.make_node("ReduceMean", ["found"], ["logits"], axes=[1], keepdims=0),
    ]
    rows = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "L"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", outputs])
    graph = helper.make_graph(nodes, "bag", [rows], [logits], [numpy_helper.from_array(table, "table")])
    file = directory / onnx_export.FILES[page.FORMAT]
    file.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    return directory


def written(
    directory: Path, split: Split, cache: Path, *, labels=LABELS, teacher=None, result=RESULT, most=200
) -> Path:
    """The page of the classifier in a directory."""
    source = find(str(directory))
    page.write_page(
        directory,
        cache,
        RESULT,
        files={page.FORMAT: directory / onnx_export.FILES[page.FORMAT]},
        teacher=teacher,
        split=split,
        most=200,
        name="small <one>",
        task="animals",
        kind=kind_of(Target(labels)),
        tokenizer=source.tokenizer,
        max_length=24,
    )
    return directory / page.DIRECTORY


@pytest.fixture
def no_packages(monkeypatch, tmp_path):
    """Stands for the packages, of which nothing is read here."""
    monkeypatch.setattr(web_packages, "PACKAGES", (Package("one", "1", "sha512-", "MIT", {"a": "ort.js"}),))
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "ort.js").write_text("")
    monkeypatch.setattr(web_packages, "fetched", lambda cache: tmp_path / "packages")


@pytest.fixture
def student(tokenizer, tmp_path) -> Path:
    return with_bag(classifier(tmp_path / "model", tokenizer), len(LABELS))


@pytest.fixture
def made(no_packages, student, tokenizer, tmp_path):
    """A page of 12 rows, two of them odd, with a teacher's answers."""
    texts = [*sentences(10), "</script><b>", "the cat ünknown"]
    split = Split("validation", texts, labels=np.arange(12) % 3)
    return written(student, split, tmp_path, teacher=find(str(classifier(tmp_path / "teacher", tokenizer))))


class Seen(HTMLParser):
    """What a page refers to, its elements with an id, the fields that labels are for, and its text."""

    def __init__(self, file: Path):
        super().__init__()
        self.refers: list[str] = []
        self.ids: set[str] = set()
        self.labeled: set[str] = set()
        self.fields: set[str] = set()
        self.text = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.refers += [found[name] for name in ("src", "href") if name in found]
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "label":
            self.labeled.add(found["for"])
        if tag in ("textarea", "select", "input"):
            self.fields.add(found["id"])

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_by_itself(made):
    files = {str(file.relative_to(made)) for file in made.rglob("*") if file.is_file()}
    assert files == {
        *("index.html", "page.css", "page.js", "model.js", "page.json", "vendor/ort.js", "vendor/ort.LICENSE"),
        *("model/config.json", "model/tokenizer.json", "model/tokenizer_config.json"),
        f"model/{onnx_export.FILES[page.FORMAT]}",
    }
    seen = Seen(made / "index.html")
    assert {name for name in seen.refers if name != "data:,"} <= files
    scripts = "".join((made / name).read_text() for name in ("page.js", "model.js", "page.css", "index.html"))
    assert "://" not in scripts
    imported = set(re.findall(r'from "\./([^"]+)"', scripts))
    assert imported - {"vendor/tokenizers.js"} <= files


def test_the_browser_is_told_to_ask_nobody_else(made):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (made / "index.html").read_text())[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"


def test_every_field_has_a_label_and_every_element_that_the_script_asks_for_is_there(made):
    seen = Seen(made / "index.html")
    assert seen.fields
    assert seen.fields <= seen.labeled
    assert set(re.findall(r'element\("([^"]+)"\)', (made / "page.js").read_text())) <= seen.ids


def test_names_of_others_are_shown_and_not_obeyed(made):
    seen = Seen(made / "index.html")
    assert "small <one>" in seen.text
    assert "one of cat, dog & co, <bird>." in seen.text
    assert "<bird>" not in (made / "index.html").read_text()


def test_it_shows_scores_sizes_and_the_latency_of_one_long_row(made):
    text = Seen(made / "index.html").text
    for said in (
        *("\nteacherstudent\n", "\nvalidation/accuracy0.90000.8750\n", "\nvalidation/accuracy in int80.8700\n"),
        *("\nparameters9.0 k3.0 k\n", "\nMB in int83.01.0\n"),
        "\nms in int8 where it was exported (1 x 128 tokens, threads: 1)12.80\n",
    ):
        assert said in text


def test_a_certificate_that_comes_later_stands_in_the_page_too(made):
    write_entry(made.parent, CERTIFICATE)
    assert json.loads((made / "page.json").read_text())["certificate"] == CERTIFICATE
    assert json.loads((made.parent / "config.json").read_text())["certificate"] == CERTIFICATE


def test_rows_come_with_what_student_and_teacher_answer(made):
    settings = json.loads((made / "page.json").read_text())
    rows = settings["rows"]
    assert settings["labels"] == list(LABELS)
    assert [row["label"] for row in rows[:3]] == list(LABELS)
    for row in rows:
        assert sum(row["student"]) == pytest.approx(1, abs=1e-4)
        assert sum(row["teacher"]) == pytest.approx(1, abs=1e-4)
    equal = sum(np.argmax(row["student"]) == np.argmax(row["teacher"]) for row in rows)
    assert f"as its teacher on {equal} of these 12 rows ({equal / 12:.1%})" in Seen(made / "index.html").text


def test_without_a_teacher_or_labels_the_rows_say_so(no_packages, student, tmp_path):
    made = written(student, Split("test", sentences(3)), tmp_path)
    rows = json.loads((made / "page.json").read_text())["rows"]
    assert [(row["label"], row["teacher"]) for row in rows] == [(None, None)] * 3
    assert "There is no teacher to compare with." in Seen(made / "index.html").text


def test_a_regression_shows_numbers(no_packages, tokenizer, tmp_path):
    split = Split("validation", sentences(8), sentences(8, 1), labels=np.linspace(0, 5, 8, dtype=np.float32))
    student = with_bag(classifier(tmp_path / "model", tokenizer, labels=()), 1)
    teacher = find(str(classifier(tmp_path / "teacher", tokenizer, labels=())))
    made = written(student, split, tmp_path, labels=(), teacher=teacher)
    rows = json.loads((made / "page.json").read_text())["rows"]
    correlation = np.corrcoef(*(np.ravel([row[who] for row in rows]) for who in ("student", "teacher")))[0, 1]
    seen = Seen(made / "index.html")
    assert f"numbers for these 8 rows correlate {correlation:.3f}." in seen.text
    assert {"first", "second"} <= seen.fields
    assert rows[0]["label"] == "0"


def test_without_int8_there_is_no_page(tokenizer, tmp_path, capsys):
    kind = kind_of(Target(LABELS))
    options = {"split": Split("validation", ["cat"]), "most": 1, "name": "a", "task": "b", "kind": kind}
    page.write_page(tmp_path, tmp_path, RESULT, files={}, teacher=None, tokenizer=tokenizer, max_length=8, **options)
    assert "there is no page: it answers with int8" in capsys.readouterr().out
    assert not (tmp_path / "page").exists()


def test_other_kinds_of_tasks_are_refused_in_one_line(tmp_path):
    kind = kind_of(Tags(("PER", "LOC")))
    with pytest.raises(InputError, match="a page is for tasks with one label or one number a row.*page=false"):
        page.check_page(kind, tmp_path)


def test_rows_are_spread_over_the_split():
    split = Split("validation", [str(number) for number in range(10)])
    assert page_rows.spread(split, 4).texts == ["0", "3", "6", "9"]
    assert page_rows.spread(split, 10) is split
    assert len(page_rows.spread(split, 0)) == 0


def test_the_layout_of_a_row_is_that_of_its_tokenizer(tokenizer):
    assert page_rows.layout(tokenizer, pair=False) == [
        {"ids": [2], "types": [0]},
        {"text": 0, "type": 0},
        {"ids": [3], "types": [0]},
    ]
    assert page_rows.layout(tokenizer, pair=True)[2:] == [
        {"ids": [3], "types": [0]},
        {"text": 1, "type": 1},
        {"ids": [3], "types": [1]},
    ]
    other = Tokenizer(WordLevel({"a": 0, "<s>": 1, "</s>": 2}, unk_token="a"))
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    other.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    like_roberta = PreTrainedTokenizerFast(tokenizer_object=other, cls_token="<s>", sep_token="</s>")
    assert [part.get("ids", part.get("text")) for part in page_rows.layout(like_roberta, pair=True)] == [
        *([1], 0, [2, 2], 1, [2]),
    ]


def docstrings(count: int) -> list[str]:
    """Paragraphs of the standard library's documentation, of all lengths, and texts that tokenizers stumble over."""
    odd = [
        "Ünïcödé ﬁne",
        "日本語 text",
        "😀 emoji👩‍👩‍👧",
        "",
        " ",
        "\u200bzero\u00ad width\ttab\nline",
        "[MASK] [SEP] ##ing",
    ]
    found = [
        " ".join(paragraph.split())
        for module in (inspect, json, re, textwrap)
        for thing in vars(module).values()
        if isinstance(doc := getattr(thing, "__doc__", None), str)
        for paragraph in doc.split("\n\n")
        if paragraph.strip()
    ]
    return [*odd, *dict.fromkeys(found)][:count]


@pytest.fixture(scope="module")
def packages() -> Path:
    """The cache that has the packages; fetched from the registry where that can be reached."""
    cache = ROOT / "outputs" / "cache"
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    try:
        web_packages.fetched(cache)
    except InputError as error:
        pytest.skip(str(error))
    return cache


@pytest.fixture(scope="module")
def embedded():
    """The embedded teacher's tokenizer: a real vocabulary."""
    place = loading.locate(next(iter(packaged.PACKAGED)))
    if not Path(place).is_dir():
        pytest.skip("the embedded teacher isn't installed")
    return AutoTokenizer.from_pretrained(place)


@pytest.fixture
def browser(tmp_path):
    opened = Browser(tmp_path / "profile")
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("pair", [False, True], ids=["one text", "pairs"])
def test_in_a_browser_it_answers_as_onnx_runtime_and_asks_nobody_else(packages, embedded, browser, tmp_path, pair):
    texts = docstrings(200)
    assert len(texts) == 200
    split = Split("validation", texts, texts[::-1] if pair else None, labels=np.arange(200) % 3)
    made = written(with_int8(classifier(tmp_path / "model", embedded, width=32)), split, packages)
    known = json.loads((made / "page.json").read_text())["rows"]
    with served(made) as address:
        browser.open(f"{address}/index.html")
        browser.wait_for("!document.querySelector('#run').disabled")
        answers = browser.evaluate(
            """(async () => {
              const { Model, readJson, said, encode } = await import("./model.js");
              const settings = await readJson("page.json");
              const model = await Model.load(settings);
              const answers = [];
              for (const { texts } of settings.rows) {
                const { logits } = await model.answer(texts);
                answers.push([encode(model.tokenizer, settings, texts), said(logits, settings.labels)]);
              }
              return answers;
            })()"""
        )
        browser.evaluate("document.querySelector('#run').click()")
        said = browser.wait_for("/^Here/.test(document.querySelector('#ran').textContent) && ran.textContent")
    encoder = page_rows.shipped(embedded)
    encoder.enable_truncation(24)
    for number, (row, _) in enumerate(answers):
        right = encoder.encode(*known[number]["texts"])
        assert (row["ids"], row["types"]) == (right.ids, right.type_ids), texts[number]
    ours, theirs = np.array([answer for _, answer in answers]), np.array([row["student"] for row in known])
    equal = ours.argmax(-1) == theirs.argmax(-1)
    second, first = np.sort(theirs, -1)[:, -2:].T
    assert equal[first - second > 0.04].all()
    assert equal.sum() >= 198  # its matrix products are rounded otherwise, which shows where two classes are level
    assert len(set(ours.argmax(-1))) == 3
    assert abs(ours - theirs).max() < 0.02
    assert f"The same class as ONNX Runtime on {equal.sum()} of 200 rows." in said
    assert {one.startswith((address, "data:")) for one in browser.requested} == {True}
    assert browser.said == []


@pytest.mark.slow
def test_a_person_types_clicks_a_row_and_reads_both_answers(packages, embedded, browser, tmp_path):
    split = Split("validation", docstrings(30), labels=np.arange(30) % 3)
    teacher = find(str(classifier(tmp_path / "teacher", embedded, seed=1)))
    made = written(with_int8(classifier(tmp_path / "model", embedded)), split, packages, teacher=teacher)
    write_entry(made.parent, CERTIFICATE)
    rows = json.loads((made / "page.json").read_text())["rows"]
    number = next(n for n, row in enumerate(rows) if row["texts"][0].strip())
    with served(made) as address:
        browser.open(f"{address}/")
        browser.wait_for("!document.querySelector('textarea').disabled")
        browser.evaluate("document.querySelector('textarea').focus()")
        browser.call("Input.insertText", text=rows[number]["texts"][0])
        alone = browser.wait_for("document.querySelector('#answer-rows').innerText")
        browser.evaluate(f"document.querySelectorAll('.row')[{number}].click()")
        browser.wait_for("document.querySelectorAll('#answer-head th').length === 3")
        beside = browser.evaluate("document.querySelector('#answer-rows').innerText")
        note = browser.evaluate("document.querySelector('#answer-note').textContent")
        chosen = browser.evaluate("document.querySelector('[aria-current]').innerText")
        promised = browser.evaluate("document.querySelector('#certificate').innerText")
        differ = browser.evaluate(
            """(() => { const select = document.querySelector("#shown"); select.value = "teacher";
            select.dispatchEvent(new Event("change"));
            return [...document.querySelectorAll("#known-rows tr")].filter((row) => !row.hidden).length; })()"""
        )
    best = LABELS[int(np.argmax(rows[number]["student"]))]
    assert alone.splitlines()[0].startswith(best)
    assert note.startswith(f"The answer is {best}. ")
    assert beside.count("%") == 2 * alone.count("%") == 6
    assert re.search(r"\d ms in this browser for \d+ tokens", note)
    assert f"The label is {rows[number]['label']}." in note
    assert rows[number]["texts"][0] in chosen
    assert "on 87.5% of such rows, at least (95.0% confidence, 300 rows)" in promised
    assert "from a confidence of 0.350: 91.0% of the rows, with an agreement with the teacher of 90.0%" in promised
    confidence = float(re.search(r"a calibrated confidence of ([\d.]+)% it", note)[1]) / 100
    assert ("may answer alone" if confidence >= 0.35 else "would ask its teacher") in note
    assert differ == sum(np.argmax(row["student"]) != np.argmax(row["teacher"]) for row in rows)


@pytest.mark.slow
def test_a_regression_answers_with_numbers_in_a_browser(packages, embedded, browser, tmp_path):
    split = Split("validation", docstrings(12), docstrings(12)[::-1], labels=np.linspace(0, 5, 12, dtype=np.float32))
    made = written(with_int8(classifier(tmp_path / "model", embedded, labels=())), split, packages, labels=())
    rows = json.loads((made / "page.json").read_text())["rows"]
    with served(made) as address:
        browser.open(f"{address}/")
        browser.wait_for("!document.querySelector('#run').disabled")
        browser.evaluate("document.querySelectorAll('.row')[9].click()")
        shown = browser.wait_for("document.querySelector('#answer-rows').innerText")
        browser.evaluate("document.querySelector('#run').click()")
        said = browser.wait_for("/^Here/.test(document.querySelector('#ran').textContent) && ran.textContent")
        heads = browser.evaluate("document.querySelector('#known-head').innerText")
    assert float(shown.split()[-1]) == pytest.approx(rows[9]["student"][0], abs=0.1)
    assert float(re.search(r"No number is further than ([\d.]+) from ONNX Runtime's", said)[1]) < 0.1
    assert heads.split() == ["text", "label", "model"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_narrow_screen_in_light_and_dark(packages, embedded, browser, tmp_path, scheme):
    split = Split("validation", docstrings(30), labels=np.arange(30) % 3)
    made = written(with_int8(classifier(tmp_path / "model", embedded)), split, packages)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    with served(made) as address:
        browser.open(f"{address}/")
        browser.wait_for("!document.querySelector('#run').disabled")
        browser.evaluate("document.querySelectorAll('.row')[20].click()")
        browser.wait_for("!document.querySelector('#answer').hidden")
        wide = browser.evaluate("document.documentElement.scrollWidth")
        pairs = browser.evaluate(
            """(() => {
              const paper = getComputedStyle(document.body).backgroundColor;
              const all = document.querySelectorAll("h1, p, dt, dd, label, th, td, button:enabled, select");
              return [...all].map((one) => {
                let under = one;
                const clear = (made) => getComputedStyle(made).backgroundColor === "rgba(0, 0, 0, 0)";
                while (under && clear(under)) under = under.parentElement;
                return [getComputedStyle(one).color, under ? getComputedStyle(under).backgroundColor : paper];
              });
            })()"""
        )
    assert wide <= 400

    def light(color: str) -> float:
        parts = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    for colors in {tuple(pair) for pair in pairs}:
        dark, bright = sorted(map(light, colors))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, colors  # WCAG 2.2, level AA
