"""What stage=export prints: how true the files are, how large, how fast."""

from typing import Any

from tinydistill.console import count, duration, say, table


def show(result: dict[str, Any]) -> None:
    """Three tables of an export's result."""
    metric = result["monitor"].rpartition("/")[2]
    say()
    numbers = result["checks"][0]["equal"] is None
    table(
        f"answers on {result['monitor'].rpartition('/')[0]}",
        ("", metric, "correlation" if numbers else "equal answers", "largest difference"),
        [
            (row["name"], row["score"], _share(row, numbers=numbers), f"{row['difference']:.1e}")
            for row in result["checks"]
        ],
    )
    runtimes = [row["name"] for row in result["checks"]]
    table(
        "sizes",
        ("", "embedding", "encoder", "head", "FLOPs", *(f"MB {name}" for name in runtimes)),
        [
            (
                row["model"],
                *(count(row[part]) for part in ("embedding", "encoder", "head", "flops")),
                *(f"{row['bytes'][name] / 1e6:.1f}" for name in runtimes),
            )
            for row in result["sizes"]
        ],
    )
    if measured := result["latency"]:
        table(
            "milliseconds (medians; threads: rows x word pieces), all by turns",
            ("", *(f"{row['threads']}: {row['batch_size']}x{row['length']}" for row in measured)),
            [(name, *(f"{row['latency'][name]['median']:.2f}" for row in measured)) for name in measured[0]["latency"]],
        )
    say(f"FLOPs of a row of {result['sizes'][0]['flops_length']} word pieces; all in {duration(result['seconds'])}")


def _share(row: dict[str, Any], *, numbers: bool) -> str:
    return f"{row['correlation']:.4f}" if numbers else f"{row['equal']:.2%}"
