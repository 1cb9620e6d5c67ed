"""Tables of an export, printed and for the model card: how close its files are to the model, how large, how fast."""

from typing import Any

from tinydistill.console import count, duration, say, table
from tinydistill.export.size import PARTS

BUSY = 1.5  # processes a core, from which on latencies are to be doubted


def show(result: dict[str, Any]) -> None:
    """Print three tables of an export's result."""
    split, _, metric = result["monitor"].rpartition("/")
    say()
    checks = [(row["name"], row["score"], kept(row), f"{row['difference']:.1e}") for row in result["checks"]]
    table(f"answers on {split}", ("", metric, kept_as(result), "largest difference"), checks)
    for row in result["checks"]:
        if "quantized" in row:
            say(f"{row['name']}: {row['quantized']} in int8{_otherwise(row)}")
    table("sizes", *sizes(result))
    if measured := result["latency"]:
        table(
            "milliseconds (medians of the fastest part; threads: rows x tokens), alternating",
            ("", *(f"{row['threads']}: {row['batch_size']}x{row['length']}" for row in measured)),
            [(name, *(f"{row['latency'][name]['median']:.2f}" for row in measured)) for name in measured[0]["latency"]],
        )
    if result["latency"] and (result["load"] or 0) > BUSY:
        say(f"the machine was busy: {result['load']:g} processes a core when timing began")
    say(f"FLOPs of a row of {result['sizes'][0]['flops_length']} tokens; all in {duration(result['seconds'])}")


def _otherwise(check: dict[str, Any]) -> str:
    if check["answers"] is None:
        return ""
    return f"; of {check['answers']} answers {check['clear']} clearly differ from PyTorch's"


def kept(check: dict[str, Any]) -> str:
    """How close a file's answers are to PyTorch's."""
    if check["equal"] is not None:
        return f"{check['equal']:.2%}"
    return f"{check[_number(check)]:.4f}"


def kept_as(result: dict[str, Any]) -> str:
    """What `kept` is called."""
    first = result["checks"][0]
    return _number(first) if first["equal"] is None else "equal answers"


def _number(check: dict[str, Any]) -> str:
    return "correlation" if check.get("cosine") is None else "cosine"


def sizes(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: parameters of every part, FLOPs, and megabytes in every runtime."""
    runtimes, columns = list(result["sizes"][0]["bytes"]), (*PARTS, "FLOPs")
    rows = [
        [
            row["model"],
            *(count(row[name.lower()]) for name in columns),
            *(f"{row['bytes'][name] / 1e6:.1f}" for name in runtimes),
        ]
        for row in result["sizes"]
    ]
    return ["", *columns, *(f"MB {name}" for name in runtimes)], rows
