"""stage=certify: what a student promises in its teacher's place, on rows that neither was trained on."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.certification import calibration, disagreements, slices, summary
from tinydistill.certification.certificate import Answers, Level, agreement, certify
from tinydistill.certification.entry import write_entry
from tinydistill.certification.forms import INT8, entry, exported_directory, int8_file
from tinydistill.certification.typos import with_typos
from tinydistill.config.build import certified, data
from tinydistill.config.build.certified import HeldOut
from tinydistill.config.build.trainer import trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_certified
from tinydistill.config.names import certified_path, exported_path, output_path, task_model
from tinydistill.config.schema import Config
from tinydistill.console import duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.file_rows import FileRows
from tinydistill.data.tasks.located import located
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.export.checks import answer_of
from tinydistill.export.exported import PYTORCH
from tinydistill.export.latency import Call, file_system, latencies, torch_call, use_threads
from tinydistill.kinds.base import Logits
from tinydistill.kinds.metrics import OF_CLASSES
from tinydistill.models.source import Source
from tinydistill.ranks import rank
from tinydistill.report.bootstrap import bootstrap
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Classifier, Scoring, answered, by_row

Said = dict[str, Logits]  # logits by what the rows are: deciding, labeled, kept, typos
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
    where = located(rows.deciding, options.columns)
    exported = exported_directory(Path(student.path), exported_path(config, path), student.identity)
    int8 = int8_file(exported)
    identities = {"model": student.identity, "teacher": teacher.identity, "task": task.identity()}
    files = {"int8": int8, "file": None if options.file is None else Path(options.file)}
    hashes = {name: None if file is None else file_hash(file) for name, file in files.items()}
    settings = of_certified(config).settings(**identities, **hashes)
    place, inputs = output_path(config, certified_path(config, path)), {"model": path, "teacher": teacher.path}
    with open_artifact(place, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
        else:
            _Certification(config, artifact, task, scored, rows, where).publish(student, teacher, int8)
    made = record_of(artifact.path)
    assert made is not None
    result = made.result
    summary.show(result)
    if exported is not None and rank() == 0:
        write_entry(exported, entry(result, exported, config.task.max_length), summary.in_card(result))
        say(f"temperature and threshold stand in {exported / 'config.json'}, which td.Cascade reads")
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
    rows: HeldOut
    where: FileRows

    def __post_init__(self) -> None:
        rows, typos = self.rows, self.config.certify.typos
        self.labels = self.task.target.labels
        self.level = Level(self.config.certify.agreement, self.config.certify.confidence)
        self.splits = {"deciding": rows.deciding}
        if rows.labeled is not rows.deciding:
            self.splits["labeled"] = rows.labeled
        if rows.kept is not None:
            self.splits["kept"] = rows.kept
        if typos:
            self.splits["typos"] = _with_typos(rows.deciding, typos)

    def publish(self, student: Source, teacher: Source, int8: Path | None) -> None:
        """Answer all rows with all models, compare, time, and publish."""
        started = time.monotonic()
        large, theirs = self._answer(teacher)
        small, ours = self._answer(student)
        if rank() != 0:
            return
        forms = {PYTORCH: ours}
        if int8 is not None:
            forms[INT8] = self._answer_onnx(student, int8)
        parts = self._slices(student)
        figures = [self._figures(name, said, theirs, parts) for name, said in forms.items()]
        times = self._times({"teacher": large, PYTORCH: small}, int8, student)
        for form in figures:
            found = form["cascade"]
            ratio = times[form["name"]] / times["teacher"]
            found["cost"] = None if found["value"] is None else ratio + 1 - found["share"]
        labels, named = np.asarray(self.rows.labeled.labels), theirs.get("labeled", theirs["deciding"])
        self.artifact.publish(
            {
                "level": self.level.agreement,
                "confidence": self.level.confidence,
                "split": self.rows.deciding.name,
                "rows": len(self.rows.deciding),
                "left_out": self.rows.left_out,
                "kept_aside": 0 if self.rows.kept is None else len(self.rows.kept),
                "teacher": {
                    "path": teacher.path,
                    "ece": calibration.ece(named, labels),
                    "nll": calibration.nll(named, labels),
                },
                "forms": figures,
                "milliseconds": times,
                "disagreements": figures[-1]["rows"] - figures[-1]["agreeing"],
                "seconds": round(time.monotonic() - started, 1),
            },
            plain(self.config),
        )

    def _figures(self, name: str, ours: Said, theirs: Said, parts: list[slices.Slice]) -> dict[str, Any]:
        def pair(of: str, split: Split | None) -> Answers | None:
            return None if split is None else Answers(ours[of], theirs[of], _labels(split))

        deciding, kept = pair("deciding", self.rows.deciding), pair("kept", self.rows.kept)
        labeled = pair("labeled", self.rows.labeled) if "labeled" in ours else deciding
        assert deciding is not None
        assert labeled is not None
        found = certify(deciding, labeled, kept, parts, self.labels, self.level)
        found |= {"name": name, "retention": self._retention(labeled)}
        if "typos" in ours:
            noisy = Answers(ours["typos"], theirs["typos"])
            found["typos"] = {
                "kept": float((noisy.student.argmax(-1) == deciding.student.argmax(-1)).mean()),
                "teacher_kept": float((noisy.teacher.argmax(-1) == deciding.teacher.argmax(-1)).mean()),
                **agreement(noisy.agree, self.level),
            }
        texts: dict[str, Any] = {self.where.unit: self.where.places} if self.where.places else {}
        texts |= {"text": self.rows.deciding.texts}
        texts |= {} if self.rows.deciding.pairs is None else {"text_pair": self.rows.deciding.pairs}
        file = self.artifact.product / "disagreements" / f"{SHORT[name]}.tsv"
        named = {**texts, **self.where.columns}
        disagreements.write(file, deciding, self.labels, found["temperature"], self.rows.numbers, named)
        return found

    def _retention(self, labeled: Answers) -> dict[str, Any]:
        """The student's score in percent of the teacher's, and its 95% interval."""
        wanted = self.scored.counting(self.scored.reported_split)
        metric = wanted if wanted in OF_CLASSES else OF_CLASSES[0]
        answers = [{0: logits.argmax(-1)} for logits in (labeled.student, labeled.teacher)]
        assert labeled.labels is not None
        ours, theirs = bootstrap(metric, labeled.labels, answers, classes=len(self.labels))
        scores = {"score": ours.score().value, "teacher_score": theirs.score().value}
        return {"metric": metric, **scores, **asdict(ours.share_of(theirs))}

    def _slices(self, student: Source) -> list[slices.Slice]:
        deciding, training = self.rows.deciding, self.rows.training
        encoded = self._data(student).encoded(deciding)
        found = slices.by_length(encoded.lengths)
        found += slices.by_known_words(_joined(deciding), _joined(training))
        for name, values in self.where.columns.items():
            found += slices.by_column(name, values)
        return found

    def _answer(self, source: Source) -> tuple[PreTrainedModel, Said]:
        """The model, and its logits for all splits."""
        model = source.with_head(self.scored.kind.head)
        rows, predicting = self._data(source), trainer(self.config, self.artifact.work)
        classifier = Classifier(model, self.scored)
        said = {
            name: by_row(predicting.predict(classifier, rows.loader(split), return_predictions=True))
            for name, split in self.splits.items()
        }
        return model, self._checked(source.path, said)

    def _answer_onnx(self, source: Source, file: Path) -> Said:
        answer, rows = answer_of(file), self._data(source)
        rows.eval_batch_size = 1  # int8 answers depend on what else is in a batch; a cascade gives them one at a time
        said = {
            name: by_row(answered(batch, answer(batch)) for batch in rows.loader(split))
            for name, split in self.splits.items()
        }
        return self._checked(str(file), said)

    def _checked(self, path: str, said: Said) -> Said:
        for name, logits in said.items():
            scoring.check_answers(path, self.splits[name].name, logits)
        return said

    def _data(self, source: Source) -> TaskDataModule:
        return data.task_data(self.config, self.task, source.tokenizer, batch_size=self.config.certify.batch_size)

    def _times(self, models: dict[str, PreTrainedModel], int8: Path | None, student: Source) -> dict[str, float]:
        """Milliseconds of a row of the median length, one thread on the CPU, in alternation."""
        length = int(np.median(self._data(student).encoded(self.rows.deciding).lengths))
        calls: dict[str, Call] = {name: torch_call(model.cpu(), 1, length) for name, model in models.items()}
        if int8 is not None:
            calls[INT8] = file_system(int8, student.config)(1, 1, length)
        with use_threads(1):
            found = latencies(calls, seconds=self.config.certify.seconds)
        return {name: of["median"] for name, of in found.items()}


def _with_typos(split: Split, share: float) -> Split:
    pairs = None if split.pairs is None else [with_typos(text, share) for text in split.pairs]
    return replace(split, texts=[with_typos(text, share) for text in split.texts], pairs=pairs)


def _labels(split: Split) -> Any:
    return None if split.labels is None else np.asarray(split.labels)


def _joined(split: Split) -> list[str]:
    return split.texts if split.pairs is None else [f"{a} {b}" for a, b in zip(split.texts, split.pairs, strict=True)]
