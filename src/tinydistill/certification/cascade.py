"""A student that asks its teacher where it isn't sure enough: in PyTorch, or in onnxruntime alone, without torch.

N: texts, B: texts in a batch, C: classes.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinydistill.artifacts.files import read_json
from tinydistill.certification.calibration import confidences
from tinydistill.certification.entry import read_entry
from tinydistill.errors import InputError

Text = str | tuple[str, str]
"""A text, or a pair of texts."""
Logits = NDArray[np.floating]
Teacher = Callable[[list[Text]], Sequence[str]]
WEIGHTS, MAX_LENGTH = "model.safetensors", 128


class CascadeAnswers(NamedTuple):
    """What a cascade says of texts [N].

    `labels` are the names of the classes, `confidences` the student's calibrated ones, which decide, and `answered_by`
    says of every text whose its label is: student or teacher.
    """

    labels: list[str]
    confidences: NDArray[np.float64]
    answered_by: list[str]


class Cascade:
    """Answer with the student where its confidence reaches a threshold, and with the teacher elsewhere.

    Args:
        student: a model directory with a head for classes. Where it holds ONNX files and onnxruntime is installed, the
            smallest with a certified threshold answers, or else the smallest, in onnxruntime alone; otherwise
            transformers does, on the CPU.
        teacher: the same; or a function from a list of texts to a list of their labels' names.
        threshold: the confidence; None for the one that `stage=certify` wrote into the student's directory.
        temperature: what the student's logits are divided by; None for the one of the certificate, 1 without one.
        max_length: tokens at which texts are cut; None for those of the certificate, or 128.
        batch_size: texts that a model reads at once; None for 32 in PyTorch, and one in onnxruntime, where answers in
            int8 depend on what else is in a batch.
        runtime: "onnx" or "torch" for both models; None decides for each of them.

    Raises:
        InputError: a directory can't be used, both models have other labels, or there is no certified threshold.

    Examples:
        >>> cascade = Cascade("small", "teacher")
        >>> labels, confidences, answered_by = cascade(["the first text", "the second text"])
    """

    def __init__(
        self,
        student: str | Path,
        teacher: str | Path | Teacher,
        *,
        threshold: float | None = None,
        temperature: float | None = None,
        max_length: int | None = None,
        batch_size: int | None = None,
        runtime: str | None = None,
    ):
        directory = _directory(student)
        entry = read_entry(directory)
        models = entry.get("models", {})
        file = _file(directory, runtime, models)
        known = models.get(file, {})
        if threshold is None and known.get("threshold") is None:
            missing = f"no threshold could be certified for {file}" if known else f"{file} has no certificate"
            raise InputError(f"{student}: {missing}", "make one with {stage:certify}, or give a threshold")
        self.threshold = float(known["threshold"] if threshold is None else threshold)
        self.temperature = float(temperature or known.get("temperature") or 1.0)
        self.max_length = int(max_length or entry.get("max_length") or MAX_LENGTH)
        self.labels = _labels(directory)
        self._student = _answering(directory, file, self.max_length, batch_size)
        self._teacher: Teacher = teacher if callable(teacher) else self._named(teacher, runtime, batch_size)

    def __call__(self, texts: Sequence[Text]) -> CascadeAnswers:
        """Answer texts, or pairs of texts."""
        if isinstance(texts, str):
            raise InputError("a cascade answers a list of texts", "put the text into one: [text]")
        texts = list(texts)
        if not texts:
            return CascadeAnswers([], np.zeros(0), [])
        logits_NC = self._student(texts)
        sure_N = confidences(logits_NC, self.temperature)
        labels = [self.labels[number] for number in logits_NC.argmax(-1)]
        unsure = np.flatnonzero(sure_N < self.threshold)
        by = ["student"] * len(texts)
        if len(unsure):
            told = self._teacher([texts[row] for row in unsure])
            for row, label in zip(unsure, told, strict=True):
                labels[row], by[row] = str(label), "teacher"
        return CascadeAnswers(labels, sure_N, by)

    def _named(self, teacher: str | Path, runtime: str | None, batch_size: int | None) -> Teacher:
        directory = _directory(teacher)
        labels = _labels(directory)
        if labels != self.labels:
            raise InputError(
                f"{teacher} has other labels ({', '.join(labels)}) than the student ({', '.join(self.labels)})",
                "name the model that the student learned from",
            )
        answer = _answering(directory, _file(directory, runtime, {}), self.max_length, batch_size)
        return lambda texts: [labels[number] for number in answer(texts).argmax(-1)]


def _directory(path: str | Path) -> Path:
    directory = Path(path).expanduser()
    if not (directory / "config.json").is_file():
        raise InputError(f"{path} holds no config.json", "name a model directory")
    return directory


def _file(directory: Path, runtime: str | None, certified: Mapping[str, Any]) -> str:
    """What answers: an ONNX file, or the weights in transformers."""
    if runtime not in (None, "onnx", "torch"):
        raise InputError(f"runtime={runtime} is neither onnx nor torch")
    sizes = {f"onnx/{file.name}": _bytes(file) for file in (directory / "onnx").glob("*.onnx")}
    files = sorted(sizes, key=lambda file: (certified.get(file, {}).get("threshold") is None, sizes[file]))
    if runtime != "torch" and files and importlib.util.find_spec("onnxruntime"):
        return files[0]
    if runtime == "onnx":
        missing = "holds no ONNX files" if not files else "needs onnxruntime"
        raise InputError(f"{directory} {missing}", "make them with {stage:export}, or pip install onnxruntime")
    return WEIGHTS


def _bytes(file: Path) -> int:
    """Of an ONNX file and what it keeps beside itself."""
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*"))


def _labels(directory: Path) -> list[str]:
    config = read_json(directory / "config.json")
    named = config.get("id2label") or {}
    heads, several = config.get("architectures") or [], config.get("problem_type") == "multi_label_classification"
    if several or not all(name.endswith("ForSequenceClassification") for name in heads):
        raise InputError(f"{directory} gives no single class to a text, which a cascade needs", "name a classifier")
    if len(named) < 2:
        raise InputError(f"{directory} has no names of classes (id2label)", "name a classifier")
    return [str(named[number]) for number in sorted(named, key=int)]


def _answering(directory: Path, file: str, max_length: int, batch_size: int | None) -> Callable[[list[Text]], Logits]:
    """From texts [N] to logits [N, C], in batches of texts of like lengths."""
    in_torch = file == WEIGHTS
    answer = _torch(directory, max_length) if in_torch else _onnx(directory, file, max_length)
    size = batch_size or (32 if in_torch else 1)

    def logits(texts: list[Text]) -> Logits:
        order = sorted(range(len(texts)), key=lambda row: len("".join(texts[row])))
        parts = [answer([texts[row] for row in order[first : first + size]]) for first in range(0, len(order), size)]
        return np.concatenate(parts)[np.argsort(order)]

    return logits


def _onnx(directory: Path, file: str, max_length: int) -> Callable[[list[Text]], Logits]:
    from tokenizers import Tokenizer

    from tinydistill.export.onnx_session import OnnxModel

    for name in ("tokenizer.json", "tokenizer_config.json"):
        if not (directory / name).is_file():
            raise InputError(f"{directory} holds no {name}", "name a directory that {stage:export} made")
    session, tokenizer = OnnxModel(directory / file), Tokenizer.from_file(str(directory / "tokenizer.json"))
    pad: Any = read_json(directory / "tokenizer_config.json").get("pad_token")
    pad = pad.get("content") if isinstance(pad, dict) else pad  # as older versions wrote it
    tokenizer.enable_truncation(max_length)
    if pad is not None:
        tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)

    def answer(texts: list[Text]) -> Logits:
        rows: Any = tokenizer.encode_batch(texts)
        return session(
            {
                "input_ids": np.array([row.ids for row in rows]),
                "attention_mask": np.array([row.attention_mask for row in rows]),
                "token_type_ids": np.array([row.type_ids for row in rows]),
            }
        )

    return answer


def _torch(directory: Path, max_length: int) -> Callable[[list[Text]], Logits]:
    import torch

    from tinydistill.models.heads import Head
    from tinydistill.models.source import find

    source = find(str(directory))
    model = source.with_head(Head(tuple(_labels(directory))))

    def answer(texts: list[Text]) -> Logits:
        inputs = source.tokenizer(texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
        with torch.inference_mode():
            found: Logits = model(**inputs).logits.float().numpy()
        return found

    return answer
