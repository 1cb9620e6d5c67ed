"""The programs of a model card that answer a question: in transformers, and in onnxruntime alone."""

from collections.abc import Sequence

from tinydistill.data.tasks.windows import OVERLAP

_EXAMPLE = 'question, text = "a question", "a text that may answer it"'


def in_transformers(max_length: int, read_best: str) -> str:
    """With the model itself: transformers 5 has no pipeline for it, as transformers 4 had."""
    return f"""import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("DIRECTORY")
model = AutoModelForQuestionAnswering.from_pretrained("DIRECTORY")
{_EXAMPLE}
inputs = tokenizer(
    question,
    text,
    truncation="only_second",
    max_length={max_length},
    stride={max_length // OVERLAP},
    return_overflowing_tokens=True,
    padding=True,
    return_tensors="pt",
)
rows = inputs.encodings
del inputs["overflow_to_sample_mapping"]
with torch.inference_mode():
    answer = model(**inputs)
start, end = answer.start_logits.numpy(), answer.end_logits.numpy()
{read_best}"""


def encoding(max_length: int) -> str:
    """A question and a text as `rows` of tokens, from a `tokenizer` of tokenizers."""
    return f"""tokenizer.enable_truncation({max_length}, stride={max_length // OVERLAP}, strategy="only_second")
{_EXAMPLE}
row = tokenizer.encode(question, text)
rows = [row, *row.overflowing]"""


def outputs(names: Sequence[str]) -> str:
    """What a session of onnxruntime says of the inputs."""
    start, end = names
    return f"""start, end = session.run(["{start}", "{end}"], inputs)
"""


def read_best(most: int, *, unanswerable: bool) -> str:
    """The best span of at most so many tokens, or none where that may be."""
    said = "text[first:last].strip()"
    none = ""
    if unanswerable:
        said = f'{said} if score >= none else "no answer"'
        none = "none = (start[:, 0] + end[:, 0]).min()\n"
    return f"""spans = []
for row, starts, ends in zip(rows, start, end):
    tokens = [place for place, part in enumerate(row.sequence_ids) if part == 1]
    for number, first in enumerate(tokens):
        for last in tokens[number : number + {most}]:
            spans.append((starts[first] + ends[last], row.offsets[first][0], row.offsets[last][1]))
score, first, last = max(spans)
{none}print({said})"""
