"""The model card of an exported model: what the hub and the next reader want to know, from the export's result."""

from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.writer import versions
from tinydistill.console import count

PACKAGES = ("tinydistill", "torch", "transformers", "onnx", "onnxruntime")


def card(
    name: str,
    task: dict[str, Any],
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    result: dict[str, Any],
    licence: str | None,
) -> ModelCard:
    """The card of a model called `name`.

    Args:
        task: the options of conf/task.
        labels: what its outputs are called; none for a regression.
        tokenizer: the model's.
        result: what stage=export found.
        licence: of the weights; None where it isn't known.
    """
    parts = [
        f"# {name}",
        _summary(task, labels, result),
        f"## Scores\n\n{_scores(result)}",
        f"## How it was distilled\n\n{_origin(result['origin'])}",
        f"## Use\n\n{_use(task, tokenizer, result)}",
        f"## Size and latency\n\n{_sizes(result)}\n\n{_latency(result)}",
        f"## Provenance\n\n{_provenance(result, licence)}",
    ]
    return ModelCard(f"---\n{_metadata(name, task, result, licence).to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _metadata(name: str, task: dict[str, Any], result: dict[str, Any], licence: str | None) -> ModelCardData:
    split, _, metric = result["monitor"].rpartition("/")
    teacher = (result["origin"] or {}).get("teacher", "")
    repo = task["repo"] if task["kind"] == "glue" else None
    return ModelCardData(
        model_name=name,
        license=licence,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["distillation", "tinybert", *(["onnx"] if len(result["checks"]) > 1 else [])],
        base_model=teacher if "/" in teacher else None,
        datasets=[repo] if repo else None,
        metrics=[metric],
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=repo or task["name"],
                dataset_name=task["name"],
                dataset_split=split,
                metric_type=metric,
                metric_value=round(result["score"], 4),
            )
        ]
        if result["score"] is not None
        else None,
    )


def _summary(task: dict[str, Any], labels: Sequence[str], result: dict[str, Any]) -> str:
    says = f"one of {', '.join(labels)}" if labels else "a number"
    size = result["sizes"][-1]
    whole = count(sum(size[part] for part in ("embedding", "encoder", "head")))
    texts = "two texts" if task["text_pair"] else "a text"
    return (
        f"A small Transformer of {whole} parameters for the task {task['name']}: of {texts}, cut at "
        f"{task['max_length']} word pieces, it says {says}. Made with tinydistill, after "
        "[TinyBERT](https://arxiv.org/abs/1909.10351)."
    )


def _scores(result: dict[str, Any]) -> str:
    others = {"teacher": "teacher", "not distilled": "the same model without distillation, trained on the labels alone"}
    rows = [(others[name], _figure(score), "") for name, score in result["scores"].items() if name in others]
    for row in result["checks"]:
        kept = f"{row['correlation']:.4f}" if row["equal"] is None else f"{row['equal']:.2%}"
        rows.append((f"this model, {row['name']}", _figure(row["score"]), kept))
    what = "correlation" if result["checks"][0]["equal"] is None else "equal answers"
    return _table(("model", result["monitor"], f"{what}, with PyTorch fp32"), rows)


def _origin(origin: dict[str, Any] | None) -> str:
    if origin is None:
        return "No record of its training lies beside its weights."
    layers = ", ".join(f"{ours} ← {theirs}" for ours, theirs in origin["layers"].items())
    weights = ", ".join(f"{name} {weight:g}" for name, weight in origin["objective"].items())
    corpus = f"; general distillation on {origin['corpus']}" if origin["corpus"] else ""
    phases = ", ".join(f"{name} {steps}" for name, steps in origin["phases"].items())
    lines = [
        f"- Teacher: {origin['teacher']}, fine-tuned on the task",
        f"- Start: {origin['init']}{corpus}",
        f"- Rows: the task's training rows{', augmented' if origin['augmented'] else ''}",
        *([f"- Mapping: {origin['mapping']} (student ← teacher layer: {layers})"] if layers else []),
        *([f"- Losses on layers: {weights}, scale {origin['scale']}"] if layers else []),
        f"- Steps of each phase: {phases}",
    ]
    return "\n".join(lines)


def _use(task: dict[str, Any], tokenizer: PreTrainedTokenizerBase, result: dict[str, Any]) -> str:
    row = '{"text": "first text", "text_pair": "second text"}' if task["text_pair"] else '"a text"'
    text = f"""```python
from transformers import pipeline

classify = pipeline("text-classification", "DIRECTORY", truncation=True, max_length={task["max_length"]})
print(classify({row}))
```"""
    if len(result["checks"]) == 1:
        return text
    file = "model_int8.onnx" if any(row["name"] == "ONNX int8" for row in result["checks"]) else "model.onnx"
    rows = '[("first text", "second text")]' if task["text_pair"] else '["a text"]'
    types = "type_ids" if "token_type_ids" in tokenizer.model_input_names else None
    inputs = {"input_ids": "ids", "attention_mask": "attention_mask", **({"token_type_ids": types} if types else {})}
    fed = "\n".join(f'    "{name}": np.array([row.{field} for row in rows]),' for name, field in inputs.items())
    return f"""{text}

In onnxruntime alone, without PyTorch or transformers:

```python
import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("DIRECTORY/tokenizer.json")
tokenizer.enable_truncation({task["max_length"]})
tokenizer.enable_padding(pad_id={tokenizer.pad_token_id or 0}, pad_token="{tokenizer.pad_token}")
rows = tokenizer.encode_batch({rows})
inputs = {{
{fed}
}}
session = onnxruntime.InferenceSession("DIRECTORY/onnx/{file}", providers=["CPUExecutionProvider"])
(logits,) = session.run(["logits"], inputs)
labels = json.load(open("DIRECTORY/config.json"))["id2label"]
print([labels[str(number)] for number in logits.argmax(-1)], logits)
```"""


def _sizes(result: dict[str, Any]) -> str:
    parts, runtimes = ("embedding", "encoder", "head", "flops"), list(result["sizes"][0]["bytes"])
    rows = [
        (row["model"], *(count(row[p]) for p in parts), *(f"{row['bytes'][name] / 1e6:.1f}" for name in runtimes))
        for row in result["sizes"]
    ]
    flops = f"FLOPs of a row of {result['sizes'][0]['flops_length']} word pieces"
    return _table(("parameters", *parts[:3], flops, *(f"MB {name}" for name in runtimes)), rows)


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
    said = "Milliseconds for an answer on CPU, the median and the 95th percentile; all measured by turns in one run."
    return f"{said}\n\n{_table(('threads', 'rows', 'word pieces', *systems), rows)}"


def _provenance(result: dict[str, Any], licence: str | None) -> str:
    teacher = (result["origin"] or {}).get("teacher", "its teacher")
    carried = f"Licence: {licence}." if licence else f"The licence is not known: look up that of {teacher}."
    made = ", ".join(f"{name} {version}" for name, version in versions(PACKAGES).items())
    return (
        f"{carried} It follows that of the teacher, {teacher}.\n\n"
        f"Weights {result['weights']}; exported with {made}. `provenance.json` has the whole configuration, "
        "`result.json` all figures."
    )


def _figure(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def _table(columns: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
