"""Certificates as tables: what the console shows, and the report."""

from typing import Any

from tinydistill.console import say, table
from tinydistill.escaping import for_markdown
from tinydistill.export.markdown import cell
from tinydistill.export.markdown import table as markdown

LOWEST = 8  # slices that are shown
WORSE = 0.01  # nats of NLL that are worth a remark
PERCENT, SHARE = "{:.2%}", "{:.1%}"

CHANGED = {"typos": "typos", "augmented": "replaced words"}  # how texts are changed

Table = tuple[list[str], list[list[str]]]  # columns, rows


def agreements(result: dict[str, Any]) -> Table:
    """How each form agrees with the teacher."""
    kept = f"of teacher's {result['forms'][0]['retention']['metric']}"
    columns = ["", "agrees", f"at least ({result['confidence']:.0%})", "loyalty", kept, "95% interval"]
    rows = []
    for form in result["forms"]:
        kept, flips = form["retention"], form["flips"]
        ends = "-" if kept["low"] is None else f"{kept['low']:.1f} to {kept['high']:.1f}"
        rows.append(
            [
                form["name"],
                cell(form["agreement"], PERCENT),
                cell(form["bound"], PERCENT),
                cell(form["loyalty"]),
                cell(kept["value"], "{:.1f}%"),
                ends,
                f"{flips['negative']} / {flips['positive']}",
            ]
        )
    return [*columns, "flips - / +"], rows


def calibrations(result: dict[str, Any]) -> Table:
    """How far confidence can be trusted: of the teacher as it is, of each form before and after its temperature."""
    teacher = {"name": "teacher", "temperature": None, **result["teacher"]}
    names = ("ece", "ece_calibrated", "nll", "nll_calibrated")
    rows = [
        [form["name"], cell(form["temperature"], "{:.2f}"), *(cell(form.get(name)) for name in names)]
        for form in (teacher, *result["forms"])
        if form["ece"] is not None
    ]
    return ["", "temperature", "ECE", "calibrated", "NLL", "calibrated"], rows


def cascades(result: dict[str, Any]) -> Table:
    """Above which confidence each form answers alone, how often, and what a row then costs beside the teacher."""
    rows = []
    for form in result["forms"]:
        if (found := form["cascade"]) is None:
            continue
        known = found["value"] is not None
        low, high = found["shares"]
        rows.append(
            [
                form["name"],
                cell(found["value"], "{:.4f}"),
                cell(found["share"] if known else None, SHARE),
                f"{low:.1%} to {high:.1%}" if known else "-",
                f"{found['agreeing']:,} of {found['rows']:,}" if known else "-",
                cell(found["cost"], SHARE),
            ]
        )
    interval = f"{result['confidence']:.0%} interval"
    return ["", "confidence from", "answers alone", interval, "agrees on", "cost of teacher's"], rows


def slices(result: dict[str, Any]) -> Table:
    """The slices with the lowest bounds, and those without rows, of the last form: the one that is shipped."""
    found = result["forms"][-1]["slices"]
    lowest = sorted((one for one in found if one["rows"]), key=lambda one: one["bound"])[:LOWEST]
    rows = [
        [
            one["group"],
            one["name"],
            f"{one['rows']:,}" if one["rows"] else "no rows",
            cell(one["agreement"], SHARE),
            cell(one["bound"], SHARE),
        ]
        for one in [*lowest, *(one for one in found if not one["rows"])]
    ]
    return ["slice", "", "rows", "agrees", f"at least ({result['confidence']:.0%})"], rows


def tables(result: dict[str, Any]) -> list[tuple[str, Table, int]]:
    """Those that have rows, each with a title and how many of its columns are words."""
    found = [
        ("agreement with the teacher", agreements(result), 1),
        ("calibration", calibrations(result), 1),
        (f"cascade: the student alone where agreement is at least {result['level']:.4g}", cascades(result), 1),
        (f"where {result['forms'][-1]['name']} agrees least", slices(result), 2),
    ]
    return [(title, one, words) for title, one, words in found if one[1]]


def remarks(result: dict[str, Any]) -> list[str]:
    """What the tables can't say, in sentences."""
    wanted, sure = f"{result['level']:.4g}", f"{result['confidence']:.0%}"
    said = []
    if "alike" in result:
        said.append(f"Both agree where they give {result['alike']}.")
    if not result["kept_aside"]:
        without = ["the student's best epoch may have been chosen on these rows"]
        if result["forms"][0]["temperature"] is not None:
            without.append("the temperature stays 1")
        if result["forms"][0]["cascade"] is not None:
            without.append("a fifth of the rows chose the candidates for the threshold")
        said.append(f"No training rows were kept aside: {', '.join(without)}.")
    for form in result["forms"]:
        found = form["cascade"]
        if form["bound"] >= result["level"]:
            said.append(
                f"{form['name']} agrees with its teacher on at least {wanted} of such rows, with {sure} confidence."
            )
        if parts := form.get("parts"):
            said.append(
                f"{form['name']}: {parts['equal']:,} of {parts['count']:,} {parts['of']} are equal "
                f"({parts['equal'] / parts['count']:.2%}). Those of a row aren't independent: this has no bound."
            )
        if found is None:
            said.append(f"{form['name']}: no cascade, as its answers come without a confidence.")
        elif found["value"] is None:
            least = found["least_rows"]
            said.append(
                f"{form['name']}: no threshold is certified for an agreement of {wanted} on {form['rows']:,} rows. It "
                f"takes {least:,} rows above it, all answered alike; more rows help, and they need no labels."
            )
        if form["nll"] is not None and form["nll_calibrated"] > form["nll"] + WORSE:
            said.append(
                f"{form['name']}: its temperature makes these rows' NLL worse; they may be of another kind than the "
                "training rows that were kept aside."
            )
        for name, called in CHANGED.items():
            if found := form.get(name):
                said.append(
                    f"With {called} {form['name']} keeps {found['kept']:.1%} of its answers, the teacher "
                    f"{found['teacher_kept']:.1%}; they agree on {found['agreement']:.1%}, at least "
                    f"{found['bound']:.1%}."
                )
    return said


def show(result: dict[str, Any]) -> None:
    """Print a certificate."""
    say()
    left = f", {result['left_out']:,} left out as training rows have their texts" if result["left_out"] else ""
    say(f"{result['rows']:,} rows of {result['split']}{left}; teacher: {result['teacher']['path']}")
    for title, (columns, rows), words in tables(result):
        table(title, columns, rows, words=words)
    for line in remarks(result):
        say(line)


def in_card(result: dict[str, Any]) -> str:
    """The same for a model card: what it is measured on, without the name of a directory."""
    lead = (
        f"On {result['rows']:,} rows of {for_markdown(result['split'])} that neither this model nor its teacher was "
        f"trained on; bounds hold with {result['confidence']:.0%} confidence on rows of the same kind."
    )
    if result["forms"][0]["cascade"] is not None:
        lead += (
            " In a cascade the model answers alone where its calibrated confidence reaches the threshold, and the "
            "teacher the rest."
        )
    return f"{lead}\n\n{in_markdown(result)}"


def in_markdown(result: dict[str, Any]) -> str:
    """The same for a report."""
    parts = [
        markdown(columns, [[for_markdown(text) for text in row] for row in rows], words=words)
        for _, (columns, rows), words in tables(result)
    ]
    return "\n\n".join([*parts, " ".join(map(for_markdown, remarks(result)))])
