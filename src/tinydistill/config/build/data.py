"""Text, as it is and in blocks, and labelled rows that a configuration names."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinydistill.console import count, say
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.tasks.docstrings import DocstringsTask
from tinydistill.data.tasks.examples import label_name
from tinydistill.data.tasks.few_rows import FewRows
from tinydistill.data.text.sources import Corpus, DocstringsCorpus, FilesCorpus, HubCorpus
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.tables import Columns, Dialect
from tinydistill.data.tasks.sample import TaskSample
from tinydistill.data.tasks.sources import GlueFiles, GlueHub, TaskSource
from tinydistill.config.build.sources import Values


def corpus(values: Values) -> Corpus:
    """The text that conf/corpus names."""
    options = values["corpus"]
    if options["kind"] == "files":
        return FilesCorpus(tuple(options["paths"]), text_column=options["text_column"], encoding=options["encoding"])
    if options["kind"] == "hub":
        return HubCorpus(options["repo"], options["config"], options["split"])
    return DocstringsCorpus(options["max_megabytes"])


def blocks(values: Values, stage: str, text: Corpus, tokenizer: PreTrainedTokenizerBase) -> TextDataModule:
    """The text in blocks, as the options of the stage have it."""
    options = values[stage]
    names = ("max_length", "batch_size", "epochs", "max_steps", "accumulate", "heldout_fraction", "heldout_blocks")
    return TextDataModule(
        text,
        tokenizer,
        **{name: options[name] for name in names},
        seed=values["seed"],
        cache_dir=Path(values["paths"]["cache"]),
        num_workers=values["trainer"]["workers"],
        options=stage,
        share=values["debug"]["share"],
        overfit=values["debug"]["overfit"],
    )


def announce(data: TextDataModule) -> None:
    """Says what text there is, and what it reads like."""
    summary = data.blocks.summary
    say(
        f"corpus {count(summary['documents'])} documents, {count(summary['pieces'])} word pieces; "
        f"{summary['heldout_blocks']} blocks of {data.max_length} held out; it reads:"
    )
    sample = next(data.sample_batches(1))["input_ids"][0]
    say(f"  {data.tokenizer.decode(sample)[:160]}…")


def task(values: Values) -> TaskSource:
    """The labelled rows that conf/task names, or as many of them as conf/debug leaves."""
    rows, share = values["debug"]["rows"], values["debug"]["share"]
    source = _task(values)
    return source if rows is None and share == 1 else FewRows(source, rows, share)


def debugged(values: Values) -> dict[str, Any]:
    """What of conf/debug makes a difference to a model: nothing, where it leaves everything as it is."""
    options = {name: values["debug"][name] for name in ("rows", "share", "overfit")}
    return {} if options == {"rows": None, "share": 1.0, "overfit": False} else {"debug": options}


def _task(values: Values) -> TaskSource:
    """The labelled rows that conf/task names, or the share of them."""
    share, seed = values["task"]["train_share"], values["task"]["split_seed"]
    return _whole_task(values) if share == 1 else TaskSample(_whole_task(values), share, seed)


def _whole_task(values: Values) -> TaskSource:
    options = values["task"]
    columns = Columns(options["text"], options["text_pair"], options["label"])
    labels = tuple(map(label_name, options["labels"]))
    splits: dict[str, Any] = {
        "validation_splits": tuple(options["validation_splits"]),
        "test_splits": tuple(options["test_splits"]),
    }
    if options["kind"] == "docstrings":
        return DocstringsTask(Path(values["paths"]["cache"]), options["train_rows"], options["validation_rows"])
    if options["kind"] == "files":
        files = (None if options[name] is None else Path(options[name]) for name in ("train", "validation", "test"))
        train, validation, test = files
        return TaskFiles(
            train,
            columns,
            validation,
            test,
            labels,
            options["regression"],
            options["validation_fraction"],
            options["split_seed"],
            Dialect(options["encoding"], options["quoting"]),
        )
    if values["paths"]["glue"] is None:
        return GlueHub(options["config"], columns, labels, repo=options["repo"], **splits)
    return GlueFiles(
        Path(values["paths"]["glue"]),
        options["directory"],
        Columns(options["tsv_text"], options["tsv_text_pair"], options["tsv_label"], "task.tsv_"),
        labels,
        tuple(options["tsv_header"]),
        options["tsv_skip_damaged"],
        **splits,
    )
