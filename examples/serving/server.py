"""An exported classifier behind HTTP, with onnxruntime alone: MODEL=DIRECTORY uvicorn server:app."""

import json
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel, Field, StringConstraints
from tokenizers import Tokenizer

DIRECTORY = Path(os.environ["MODEL"])
MAX_LENGTH = int(os.environ.get("MAX_LENGTH", "128"))  # tokens, as task.max_length was
THREADS = int(os.environ.get("THREADS", "1"))  # of one request; several requests are answered side by side
FILE = min(DIRECTORY.glob(os.environ.get("FILE", "onnx/*.onnx")), key=lambda file: file.stat().st_size)  # int8

config = json.loads((DIRECTORY / "config.json").read_text(encoding="utf-8"))
labels = [config["id2label"][str(number)] for number in range(len(config["id2label"]))]
tokenizer = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
tokenizer.enable_truncation(MAX_LENGTH)
tokenizer.enable_padding(pad_id=config.get("pad_token_id") or 0)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = THREADS
options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait leave the cores to others
session = onnxruntime.InferenceSession(str(FILE), options, providers=["CPUExecutionProvider"])
inputs = [one.name for one in session.get_inputs()]

Text = Annotated[str, StringConstraints(max_length=20_000)]


class Rows(BaseModel):
    """Texts, or pairs of texts."""

    texts: list[Text | tuple[Text, Text]] = Field(min_length=1, max_length=64)


app = FastAPI(title=DIRECTORY.name)


@app.get("/health")
def health() -> dict[str, str]:
    return {"model": DIRECTORY.name}


@app.post("/")
def answer(rows: Rows) -> list[dict[str, float]]:
    """Every label's probability for each row."""
    found = tokenizer.encode_batch(rows.texts)
    fields = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    batch = {name: np.array([getattr(row, fields[name]) for row in found]) for name in inputs}
    (logits,) = session.run(None, batch)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return [dict(zip(labels, map(float, row / row.sum()), strict=True)) for row in shares]
