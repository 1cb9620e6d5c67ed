"""The model card of an exported model: what the hub and the next reader want to know, from the export's result."""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.provenance import versions
from tinydistill.console import count
from tinydistill.escaping import for_markdown, for_terminal
from tinydistill.export.exported import RUNTIMES
from tinydistill.export.markdown import cell, table
from tinydistill.export.onnx_export import FILES
from tinydistill.export.size import whole
from tinydistill.export.summary import kept, kept_as, sizes
from tinydistill.kinds import TaskKind
from tinydistill.kinds.confusion import Confusion
from tinydistill.models import loading as models

PACKAGES = ("tinydistill-lightning", "torch", "transformers", "onnx", "onnxruntime", "openvino")
_MADE = "Made with tinydistill, after [TinyBERT](https://arxiv.org/abs/1909.10351)."
_OTHERS = {"teacher": "teacher", "not distilled": "the same model without distillation, trained on the labels alone"}


def card(
    name: str,
    result: dict[str, Any],
    *,
    task: str,
    kind: TaskKind,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    text_pair: bool = False,
    repo: str | None = None,
    license_name: str | None = None,
    language: str | Sequence[str] | None = None,
) -> ModelCard:
    """Write the card of a model called `name`, of which `result` is what the export stage found.

    `kind` is the task's; `max_length` are the tokens at which its inputs are cut; `repo` is the hub's name of the
    task's data set, if it is there, `license_name` that of the weights and `language` the code of the texts' (en), if
    they are known.
    """
    parts = [
        f"# {for_markdown(name)}",
        f"A small Transformer of {count(whole(result['sizes'][-1]))} parameters for the task {for_markdown(task)}: of "
        f"{kind.reads(max_length, pair=text_pair)} it predicts {kind.described}. "
        + (_MADE if result["origin"] else "Quantized and checked with tinydistill."),
        f"## Scores\n\n{_scores(result)}",
        f"## Intended use and limits\n\n{_limits(result, task, max_length)}",
        *([f"## How it was distilled\n\n{_origin(result['origin'], kind)}"] if result["origin"] else []),
        f"## Use\n\n{_use(kind, tokenizer, result, max_length, text_pair=text_pair)}",
        f"## Size and latency\n\n{table(*sizes(result))}\n\nFLOPs of a row of {result['sizes'][0]['flops_length']} "
        f"tokens.\n\n{_latency(result)}",
        f"## Provenance\n\n{_provenance(result, license_name)}",
    ]
    metadata = _metadata(for_terminal(name), result, kind, for_terminal(task), repo, license_name)
    metadata.language = language if language is None or isinstance(language, str) else list(language)
    return ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _metadata(
    name: str, result: dict[str, Any], kind: TaskKind, task: str, repo: str | None, license_name: str | None
) -> ModelCardData:
    split, _, metric = result["monitor"].rpartition("/")
    teacher = (result["origin"] or {}).get("teacher", "")
    scores = [
        EvalResult(
            task_type=kind.pipeline,
            dataset_type=repo or task,
            dataset_name=task,
            dataset_split=split,
            metric_type=metric,
            metric_value=round(score, 4),
        )
        for score in (result["score"],)
        if score is not None
    ]
    return ModelCardData(
        model_name=name,
        license=license_name,
        library_name=kind.library,
        pipeline_tag=kind.pipeline,
        tags=["distillation", "tinybert", *dict.fromkeys(name.partition("_")[0] for name in _formats(result))],
        base_model=teacher if "/" in teacher and not models.is_path(teacher) else None,
        datasets=[repo] if repo else None,
        metrics=[metric],
        eval_results=scores or None,
    )


def _formats(result: dict[str, Any]) -> list[str]:
    """Those of its exported files."""
    names = {row["name"] for row in result["checks"]}
    return [name for name, runtime in RUNTIMES.items() if runtime in names]


def _scores(result: dict[str, Any]) -> str:
    known = [(_OTHERS[name], score, "") for name, score in result["scores"].items() if name in _OTHERS]
    rows = [*known, *((f"this model, {row['name']}", row["score"], kept(row)) for row in result["checks"])]
    columns = ("model", for_markdown(result["monitor"]), f"{kept_as(result)}, with PyTorch fp32")
    return table(columns, [(name, cell(score, "{:.4f}"), share) for name, score, share in rows]) + _classes(result)


def _classes(result: dict[str, Any]) -> str:
    """Recall and precision of every class; empty where there are none."""
    if result["confusion"] is None:
        return ""
    found = Confusion.read(result["confusion"])
    rows = [
        (for_markdown(name), count, *(("-" if np.isnan(share) else f"{share:.3f}") for share in shares))
        for name, count, *shares in zip(found.names, found.rows, found.recall, found.precision, strict=True)
    ]
    said = table(("class", "rows", "recall", "precision"), [*rows, ("**macro F1**", "", f"{found.macro_f1:.3f}", "")])
    never = f"\n\n**It {for_markdown(found.warning() or '')}.**" if found.never else ""
    return f"\n\nEach class by itself, on the same rows:\n\n{said}{never}"


def _limits(result: dict[str, Any], task: str, max_length: int) -> str:
    teacher = "its teacher and " if result["origin"] else ""
    return (
        f"It is for texts like those of the task {for_markdown(task)}, on {result['rows']:,} of which it was scored; "
        f"other kinds were not tried. What goes beyond {max_length} tokens is not read. It has the mistakes and "
        f"the preferences of {teacher}the rows that it learned from: look at each class by itself before anything that "
        "matters to people depends on it."
    )


def _origin(origin: dict[str, Any], kind: TaskKind) -> str:
    layers = ", ".join(f"{ours} ← {theirs}" for ours, theirs in origin["layers"].items())
    weights = ", ".join(f"{for_markdown(name)} {weight:g}" for name, weight in origin["objective"].items())
    corpus = f"; general distillation on {for_markdown(origin['corpus'])}" if origin["corpus"] else ""
    phases = ", ".join(f"{name} {steps}" for name, steps in origin["phases"].items())
    teacher, mapping, init = (for_markdown(str(origin[name])) for name in ("teacher", "mapping", "init"))
    lines = [
        f"- Teacher: {teacher}, {kind.taught}",
        f"- Start: {init}{corpus}",
        f"- Rows: the task's training rows{', augmented' if origin['augmented'] else ''}",
        *([f"- Mapping: {mapping} (student ← teacher layer: {layers})"] if layers else []),
        *([f"- Losses on layers: {weights}, scale {origin['scale']}"] if layers else []),
        f"- Steps of each phase: {phases}" if phases else "- Solved in closed form or given, not trained further",
    ]
    return "\n".join(lines)


def _use(
    kind: TaskKind,
    tokenizer: PreTrainedTokenizerBase,
    result: dict[str, Any],
    max_length: int,
    *,
    text_pair: bool,
) -> str:
    formats = _formats(result)
    programs = [f"```python\n{kind.in_transformers(max_length, pair=text_pair)}\n```"]
    if onnx := [FILES[name] for name in ("onnx_int8", "onnx") if name in formats]:
        session = f"""onnxruntime.InferenceSession("DIRECTORY/{onnx[0]}", providers=["CPUExecutionProvider"])"""
        program = _program("onnxruntime", session, kind, tokenizer, max_length, text_pair=text_pair)
        programs += ["In onnxruntime alone, without PyTorch or transformers:", program]
    if "openvino" in formats:
        in_fp32 = '{"INFERENCE_PRECISION_HINT": "f32"}'
        session = f"""openvino.Core().compile_model("DIRECTORY/{FILES["openvino"]}", "CPU", {in_fp32})"""
        program = _program("openvino", session, kind, tokenizer, max_length, text_pair=text_pair)
        called = re.sub(r"session\.run\(.*, inputs\)", "session(inputs).values()", program)
        programs += ["In OpenVINO alone:", called]
    return "\n\n".join(programs)


def _program(
    runtime: str, session: str, kind: TaskKind, tokenizer: PreTrainedTokenizerBase, max_length: int, *, text_pair: bool
) -> str:
    """What answers from a file without PyTorch."""
    fields = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    fed = "\n".join(
        f'    "{name}": np.array([row.{field} for row in rows]),'
        for name, field in fields.items()
        if name != "token_type_ids" or name in tokenizer.model_input_names
    )
    json_too = "import json\n\n" if "json." in kind.read_out else ""
    return f"""```python
{json_too}import numpy as np
import {runtime}
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("DIRECTORY/tokenizer.json")
tokenizer.enable_padding(pad_id={tokenizer.pad_token_id or 0}, pad_token={json.dumps(tokenizer.pad_token)})
{kind.encoding(max_length, pair=text_pair)}
inputs = {{
{fed}
}}
session = {session}
{kind.read_out}
```"""


def _latency(result: dict[str, Any]) -> str:
    if not result["latency"]:
        return "No latency was measured."
    systems = list(result["latency"][0]["latency"])
    rows = [
        (
            *(row[name] for name in ("threads", "batch_size", "length")),
            *(f"{row['latency'][name]['median']:.2f} ({row['latency'][name]['p95']:.2f})" for name in systems),
        )
        for row in result["latency"]
    ]
    said = (
        "Milliseconds for an answer on CPU, the median of the fastest part of the run and the 95th percentile; all "
        "measured alternating."
    )
    return f"{said}\n\n{table(('threads', 'rows', 'tokens', *systems), rows, words=0)}"


def _provenance(result: dict[str, Any], license_name: str | None) -> str:
    teacher = for_markdown(result["origin"]["teacher"]) if result["origin"] else ""
    unknown = f"The license is not known: look up that of {teacher or 'the model'}."
    carried = f"License: {for_markdown(license_name)}." if license_name else unknown
    carried += f" It follows that of the teacher, {teacher}." if teacher else ""
    made = ", ".join(f"{name} {version}" for name, version in versions(PACKAGES).items())
    return (
        f"{carried}\n\n"
        f"Weights {result['weights']}; exported with {made}. `provenance.json` has the whole configuration, "
        "`result.json` all figures."
    )


def said_by_card(path: str, what: str) -> Any:
    """What the card of a directory or hub name says of its `license` or `language`; None where that isn't known."""
    try:
        card = models.directory_of(models.locate(path)) / "README.md"
        data = ModelCard.load(card, ignore_metadata_errors=True).data if card.is_file() else None
    except (ValueError, OSError):
        return None
    return getattr(data, what, None) or None
