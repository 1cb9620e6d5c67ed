"""stage=certify: what a student promises in its teacher's place, on rows that neither was trained on."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.augmentation.near_words import near_words
from tinydistill.augmentation.rows import texts_of
from tinydistill.certification import disagreements, slices, summary
from tinydistill.certification.answers import Answers, Said
from tinydistill.certification.certificate import Level, agreement, calibrated, certify
from tinydistill.certification.entry import write_entry
from tinydistill.certification.forms import INT8, entry, exported_directory, int8_file
from tinydistill.certification.typos import changed, with_typos
from tinydistill.config.build import certified, data
from tinydistill.config.build.certified import HeldOut
from tinydistill.config.build.models import model_kind
from tinydistill.config.build.trainer import trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_certified
from tinydistill.config.names import certified_path, exported_path, output_path, task_model
from tinydistill.config.schema import Config
from tinydistill.console import duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.export.checks import answer_of
from tinydistill.export.exported import PYTORCH
from tinydistill.export.latency import Call, file_system, latencies, torch_call
from tinydistill.kinds.base import Logits, TaskKind
from tinydistill.kinds.counted import SCORES
from tinydistill.kinds.metrics import OF_CLASSES, OF_NUMBERS
from tinydistill.models.source import Source
from tinydistill.models.threads import use_threads
from tinydistill.ranks import rank
from tinydistill.report.bootstrap import bootstrap
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Classifier, Scoring, answered, by_row
from tinydistill.training.prediction_files import PLACES

BySplit = dict[str, Said]  # by what the rows are: deciding, labeled, kept, or one of summary.CHANGED
SHORT = {PYTORCH: "pytorch", INT8: "int8"}  # the forms in names of files


def run(config: Config) -> float:
    """Publish the certificate; return what the agreement of the form that is shipped is at least."""
    runtime.quiet()
    options = config.certify
    task = data.training_task(config)
    certified.check_certifiable(config, task)
    path = task_model(config, options.path)
    student, teacher = certified.contenders(config, task, path)
    scored = data.scoring(config, task)
    rows = certified.held_out(config, task, scored.reported_split)
    columns = certified.file_columns(rows.deciding, options.columns)
    kinds = {
        name: model_kind(source, task.target).within(options.tolerance, rows.training)
        for name, source in (("student", student), ("teacher", teacher))
    }
    exported = exported_directory(Path(student.path), exported_path(config, path), student.identity)
    int8 = int8_file(exported)
    identities = {"model": student.identity, "teacher": teacher.identity, "task": task.identity()}
    files = {"int8": int8, "file": None if options.file is None else Path(options.file)}
    hashes = {name: None if file is None else file_hash(file) for name, file in files.items()}
    settings = of_certified(config).settings(**identities, **hashes)
    settings["options"] |= {name: kind.configuration for name, kind in kinds.items() if kind.configuration}
    place, inputs = output_path(config, certified_path(config, path)), {"model": path, "teacher": teacher.path}
    with open_artifact(place, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
        else:
            _Certification(config, artifact, task, scored, kinds, rows, columns, student, teacher).publish(int8)
    made = record_of(artifact.path)
    assert made is not None
    result = made.result
    summary.show(result)
    if exported is not None and rank() == 0:
        write_entry(exported, entry(result, exported, config.task.max_length), summary.in_card(result))
        say(f"the certificate stands in {exported / 'config.json'}; td.Cascade reads that of one class a text")
    say(f"{result['disagreements']} rows that are answered otherwise: {artifact.path / 'disagreements'}")
    say(f"all in {duration(result['seconds'])}")
    say(f"artifact: {artifact.path}")
    return float(result["forms"][-1]["bound"])


@dataclass
class _Certification:
    config: Config
    artifact: ArtifactWriter
    task: TaskSource
    scored: Scoring
    kinds: Mapping[str, TaskKind]
    rows: HeldOut
    columns: dict[str, list[str]]
    student: Source
    teacher: Source

    def __post_init__(self) -> None:
        rows, options = self.rows, self.config.certify
        self.level = Level(options.agreement, options.confidence)
        self.splits = {"deciding": rows.deciding}
        if rows.labeled is not rows.deciding:
            self.splits["labeled"] = rows.labeled
        if rows.kept is not None:
            self.splits["kept"] = rows.kept
        if options.typos:
            self.splits["typos"] = changed(rows.deciding, lambda text: with_typos(text, options.typos))
        if options.augmented and self.task.target.of_whole_texts:
            texts = texts_of(rows.deciding)
            near = near_words(texts, self.teacher.encoder(), self.teacher.tokenizer, options.augmented)
            self.splits["augmented"] = changed(rows.deciding, near)
        elif options.augmented:
            say("certify.augmented is left out: where words are replaced, answers stand elsewhere")

    def publish(self, int8: Path | None) -> None:
        """Answer all rows with all models, compare, time, and publish."""
        started = time.monotonic()
        large, theirs = self._answer(self.teacher, self.kinds["teacher"])
        small, ours = self._answer(self.student, self.kinds["student"])
        if rank() != 0:
            return
        forms = {PYTORCH: ours}
        if int8 is not None:
            forms[INT8] = self._answer_onnx(int8)
        parts = self._slices()
        figures = [self._figures(name, said, theirs, parts) for name, said in forms.items()]
        times = self._times({"teacher": large, PYTORCH: small}, int8)
        for form in figures:
            if (found := form["cascade"]) is not None:
                ratio = times[form["name"]] / times["teacher"]
                found["cost"] = None if found["value"] is None else ratio + 1 - found["share"]
        self.artifact.publish(
            {
                "level": self.level.agreement,
                "confidence": self.level.confidence,
                "split": self.rows.deciding.name,
                "rows": len(self.rows.deciding),
                "left_out": self.rows.left_out,
                "kept_aside": 0 if self.rows.kept is None else len(self.rows.kept),
                "alike": self.kinds["student"].alike_with,
                "teacher": {"path": self.teacher.path, **calibrated(theirs.get("labeled", theirs["deciding"]))},
                "forms": figures,
                "milliseconds": times,
                "disagreements": figures[-1]["rows"] - figures[-1]["agreeing"],
                "seconds": round(time.monotonic() - started, 1),
            },
            plain(self.config),
        )

    def _figures(self, name: str, ours: BySplit, theirs: BySplit, parts: list[slices.Slice]) -> dict[str, Any]:
        both = {of: Answers(ours[of], theirs[of]) for of in ours}
        deciding = both["deciding"]
        labeled = both.get("labeled", deciding)
        found = certify(deciding, labeled, both.get("kept"), parts, self.level)
        found |= {"name": name, "retention": self._retention(labeled)}
        for noise in [name for name in summary.CHANGED if name in both]:
            noisy = both[noise]
            found[noise] = {
                "kept": float(deciding.student.alike(noisy.student).mean()),
                "teacher_kept": float(deciding.teacher.alike(noisy.teacher).mean()),
                **agreement(noisy.agree, self.level),
            }
        file = self.artifact.product / "disagreements" / f"{SHORT[name]}.tsv"
        disagreements.write(file, deciding, found["temperature"], self.rows.numbers, self._shown())
        return found

    def _shown(self) -> dict[str, Any]:
        """What a table shows of every row beside answers: its place in its file, its texts and the chosen columns."""
        split = self.rows.deciding
        place = {} if split.file is None else {PLACES.get(split.file.unit, split.file.unit): split.file.places}
        texts = {"text": split.texts} | ({} if split.pairs is None else {"text_pair": split.pairs})
        return {**place, **texts, **self.columns}

    def _retention(self, labeled: Answers) -> dict[str, Any]:
        """The student's score in percent of the teacher's, and its 95% interval; None for a score that isn't known."""
        metric, counts = self.scored.counting(self.scored.reported_split), labeled.student.counts
        classes = 0 if counts else len(labeled.kind.target.labels)
        known = SCORES if counts else OF_CLASSES if classes else OF_NUMBERS
        if metric not in known and classes:
            metric = OF_CLASSES[0]
        if metric not in known:
            return {"metric": metric, **dict.fromkeys(["score", "teacher_score", "value", "low", "high"])}
        answers = [
            {0: np.column_stack(list(said.counts.values())) if counts else said.answers}
            for said in (labeled.student, labeled.teacher)
        ]
        known_labels: Any = labeled.split.labels
        ours, theirs = bootstrap(metric, known_labels, answers, classes=classes, counts=list(counts))
        scores = {"score": ours.score().value, "teacher_score": theirs.score().value}
        return {"metric": metric, **scores, **asdict(ours.share_of(theirs))}

    def _slices(self) -> list[slices.Slice]:
        deciding, training = self.rows.deciding, self.rows.training
        encoded = self._data(self.student).encoded(deciding)
        found = slices.by_length(np.bincount(encoded.owners, encoded.lengths).astype(np.int64))
        found += slices.by_known_words(_joined(deciding), _joined(training))
        for name, values in self.columns.items():
            found += slices.by_column(name, values)
        return found

    def _answer(self, source: Source, kind: TaskKind) -> tuple[PreTrainedModel, BySplit]:
        """The model, and what it says of all splits."""
        model = source.with_head(kind.head)
        rows, predicting = self._data(source), trainer(self.config, self.artifact.work)
        classifier = Classifier(model, self.scored)
        logits = {
            name: by_row(predicting.predict(classifier, rows.loader(split), return_predictions=True))
            for name, split in self.splits.items()
        }
        return model, self._said(source.path, kind, logits, rows)

    def _answer_onnx(self, file: Path) -> BySplit:
        answer, rows = answer_of(file), self._data(self.student)
        rows.eval_batch_size = 1  # int8 answers depend on what else is in a batch; a cascade gives them one at a time
        logits = {
            name: by_row(answered(batch, answer(batch)) for batch in rows.loader(split))
            for name, split in self.splits.items()
        }
        return self._said(str(file), self.kinds["student"], logits, rows)

    def _said(self, path: str, kind: TaskKind, logits: Mapping[str, Logits], rows: TaskDataModule) -> BySplit:
        for name, split in self.splits.items():
            scoring.check_answers(path, split.name, logits[name])
        return {name: Said(kind, split, logits[name], rows.encoded(split)) for name, split in self.splits.items()}

    def _data(self, source: Source) -> TaskDataModule:
        return data.task_data(self.config, self.task, source.tokenizer, batch_size=self.config.certify.batch_size)

    def _times(self, models: dict[str, PreTrainedModel], int8: Path | None) -> dict[str, float]:
        """Milliseconds of a row of the median length, one thread on the CPU, in alternation."""
        length = int(np.median(self._data(self.student).encoded(self.rows.deciding).lengths))
        calls: dict[str, Call] = {name: torch_call(model.cpu(), 1, length) for name, model in models.items()}
        if int8 is not None:
            calls[INT8] = file_system(int8, self.student.config)(1, 1, length)
        with use_threads(1):
            found = latencies(calls, seconds=self.config.certify.seconds)
        return {name: of["median"] for name, of in found.items()}


def _joined(split: Split) -> list[str]:
    return split.texts if split.pairs is None else [f"{a} {b}" for a, b in zip(split.texts, split.pairs, strict=True)]
