"""A page beside an exported classifier: its int8 model answers in the browser, without a server that computes.

The page is a directory of static files that needs nothing outside of itself: script, style, the packages of
`web_packages`, a copy of model and tokenizer, and some validation rows with the answers of student and teacher.
"""

import html
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.files import write_json
from tinydistill.console import count, say
from tinydistill.data.tasks.examples import Split
from tinydistill.errors import InputError
from tinydistill.export import onnx_export, page_rows, web_packages
from tinydistill.export.exported import RUNTIMES, for_one_user
from tinydistill.export.size import whole
from tinydistill.kinds import TaskKind
from tinydistill.kinds.sequence import SequenceClassification, SequenceRegression
from tinydistill.models.observation import tokenizer_outputs
from tinydistill.models.source import Source

DIRECTORY, SETTINGS = "page", "page.json"
FORMAT = "onnx_int8"
_MODEL = onnx_export.FILES[FORMAT]
_WEB = Path(__file__).with_name("web")
_TOKENIZER = ("config.json", "tokenizer.json", "tokenizer_config.json")  # transformers.js reads the same


def check_page(kind: TaskKind, cache: Path) -> None:
    """Fetch what a page needs. Raises InputError where that can't be had, or no page shows this kind of task."""
    if type(kind) not in (SequenceClassification, SequenceRegression):
        raise InputError(
            f"a page is for tasks with one label or one number a row, and this one predicts {kind.predicts}",
            "go without: {write_page.page}=false",
        )
    web_packages.fetched(cache)


def write_page(
    directory: Path,
    cache: Path,
    result: Mapping[str, Any],
    *,
    files: Mapping[str, Path],
    teacher: Source | None,
    split: Split,
    most: int,
    name: str,
    task: str,
    kind: TaskKind,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> None:
    """Write the page below the directory of an exported model, of which `result` is what the export stage found.

    `cache` is that of `check_page`, `files` are the model's by format: without int8 there is no page, and that is said.
    At most `most` rows of the split are shown, with the answers of the model and of its teacher, where it is known.
    """
    if FORMAT not in files:
        say("there is no page: it answers with int8, and there is no such file")
        return
    rows = page_rows.spread(split, most)
    found = page_rows.answer(kind, rows, tokenizer, files[FORMAT], teacher, max_length=max_length)
    page = directory / DIRECTORY
    _copy_files(directory, page, web_packages.fetched(cache))
    settings = {
        "labels": list(kind.target.labels),
        "max_length": max_length,
        "inputs": tokenizer_outputs(tokenizer),
        "layout": page_rows.layout(tokenizer, pair=rows.pairs is not None),
        "model": f"model/{_MODEL}",
        "rows": list(found.as_json()),
    }
    write_json(page / SETTINGS, settings)
    filled = Template((_WEB / "index.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(name),
        heading=html.escape(name).replace("_", "_<wbr>"),
        lead=_lead(result, kind, task, pair=rows.pairs is not None),
        fields=_fields(pair=rows.pairs is not None),
        split=html.escape(split.name),
        agreement=html.escape(found.agreement),
        facts=_table(*facts(result)),
        made=_made(),
    )
    (page / "index.html").write_text(filled, encoding="utf-8")


def _copy_files(directory: Path, page: Path, packages: Path) -> None:
    """All that isn't written anew: script and style, packages, and the exported model."""
    (page / "vendor").mkdir(parents=True)
    (page / "model" / _MODEL).parent.mkdir(parents=True)
    for file in ("page.css", "page.js", "model.js"):
        shutil.copyfile(_WEB / file, page / file)
    for package in web_packages.PACKAGES:
        for file in package.files.values():
            shutil.copyfile(packages / file, page / "vendor" / file)
    for file in (*_TOKENIZER, _MODEL):
        shutil.copyfile(directory / file, page / "model" / file)
    runtime = find_spec("onnxruntime")  # of the same license, which the package for browsers comes without
    if runtime and runtime.origin and (terms := Path(runtime.origin).with_name("LICENSE")).is_file():
        shutil.copyfile(terms, page / "vendor" / "ort.LICENSE")


def facts(result: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Whose scores, sizes and latencies an export found, and each of these as a name and a text for everybody.

    What isn't known is empty, and what is known of nobody is left out.
    """
    metric, int8 = result["monitor"], RUNTIMES[FORMAT]
    who = list(dict.fromkeys([*result["scores"], *(row["model"] for row in result["sizes"])]))
    sizes = {row["model"]: row for row in result["sizes"]}
    checked = {"student": next((row["score"] for row in result["checks"] if row["name"] == int8), None)}
    timed = for_one_user(result["latency"])
    latency = {name.removesuffix(f", {int8}"): one["median"] for name, one in timed.get("latency", {}).items()}
    of = f"{timed['batch_size']} x {timed['length']} tokens, threads: {timed['threads']}" if timed else ""
    found: list[tuple[str, Mapping[str, Any], str]] = [
        (metric, result["scores"], "{:.4f}"),
        (f"{metric} in int8", checked, "{:.4f}"),
        ("parameters", {name: count(whole(row)) for name, row in sizes.items()}, "{}"),
        ("MB in int8", {name: row["bytes"].get(int8, 0) / 1e6 or None for name, row in sizes.items()}, "{:.1f}"),
        (f"ms in int8 where it was exported ({of})", latency, "{:.2f}"),
    ]
    rows = [
        (name, ["" if values.get(one) is None else form.format(values[one]) for one in who])
        for name, values, form in found
    ]
    return who, [(name, texts) for name, texts in rows if any(texts)]


def _lead(result: Mapping[str, Any], kind: TaskKind, task: str, *, pair: bool) -> str:
    of = f"one of {', '.join(kind.target.labels)}" if kind.target.labels else "a number"
    return html.escape(
        f"A Transformer of {count(whole(result['sizes'][-1]))} parameters for the task {task}: of "
        f"{'two texts' if pair else 'a text'} it predicts {of}. It runs in this browser, in int8: what is typed here "
        "stays here."
    )


def _fields(*, pair: bool) -> str:
    names = [("first", "First text"), ("second", "Second text")] if pair else [("text", "Text")]
    return "\n".join(
        f'<label for="{name}">{text}</label>\n<textarea id="{name}" disabled spellcheck="false"></textarea>'
        for name, text in names
    )


def _table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(f"<td>{html.escape(said)}</td>" for said in texts)}</tr>'
        for name, texts in rows
    )
    return f"<table>\n<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _made() -> str:
    used = ", ".join(f"{one.name} {one.version} ({one.license})" for one in web_packages.PACKAGES)
    return html.escape(f"Made with tinydistill; computed by {used}.")
