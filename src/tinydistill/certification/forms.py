"""The forms that a student is shipped in, and what an exported directory says of their certificates."""

from pathlib import Path
from typing import Any

from tinydistill.artifacts.provenance import record_of
from tinydistill.export.exported import PYTORCH, RUNTIMES
from tinydistill.export.onnx_export import FILES
from tinydistill.models.directory import WEIGHTS

INT8 = RUNTIMES["onnx_int8"]


def exported_directory(path: Path, usual: Path, identity: str) -> Path | None:
    """Where the student at a path is exported: itself, or the usual place where that holds the same weights."""
    if any((path / file).is_file() for file in FILES.values()):
        return path
    made = record_of(usual)
    same = made is not None and made.stage == "export" and made.settings["inputs"]["model"] == identity
    return usual if same else None


def int8_file(directory: Path | None) -> Path | None:
    """The int8 form of an exported directory, if it has one."""
    file = None if directory is None else directory / FILES["onnx_int8"]
    return file if file is not None and file.is_file() else None


def entry(result: dict[str, Any], directory: Path, max_length: int) -> dict[str, Any]:
    """What an exported directory's configuration says of a certificate: temperature and threshold of each file.

    The file in fp32 answers as PyTorch does, and has its figures. A `threshold` of None is none that could be
    certified. Answers without a confidence have neither.
    """
    known = {form["name"]: form for form in result["forms"]}
    names = {WEIGHTS: PYTORCH, FILES["onnx"]: PYTORCH, FILES["onnx_int8"]: INT8}
    models = {
        file: _promised(known[name]) for file, name in names.items() if name in known and (directory / file).is_file()
    }
    asked = {"agreement": result["level"], "confidence": result["confidence"]}
    return {**asked, "rows": result["rows"], "max_length": max_length, "models": models}


def _promised(form: dict[str, Any]) -> dict[str, Any]:
    found = form["cascade"]
    if found is None:
        return {"agrees_at_least": form["bound"]}
    return {
        "temperature": form["temperature"],
        "threshold": found["value"],
        "agrees_at_least": form["bound"],
        "answers_alone": found["share"],
    }
