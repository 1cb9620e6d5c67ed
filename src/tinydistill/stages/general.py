"""stage=general: a student learns from the inner layers of a pre-trained teacher on plain text."""

from typing import Any

import pytorch_lightning as pl

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data, vocabulary
from tinydistill.config.build.imitation import imitation
from tinydistill.config.build.models import check_fit, new_student_config
from tinydistill.config.build.sources import check_positions, find_student, find_teacher
from tinydistill.config.build.trainer import frozen_dtype, stepping, text_trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_general
from tinydistill.config.names import general_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import count, duration, say
from tinydistill.data.text.sources import Corpus
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.layer_phase import distill_layers, show_layers
from tinydistill.models.loading import parameters, save_model
from tinydistill.models.source import Source, check_vocabularies
from tinydistill.models.students import new_student
from tinydistill.ranks import rank
from tinydistill.training import runtime


def run(config: Config) -> float:
    """Publish a general student; return the held-out loss."""
    runtime.quiet()
    teacher, given = find_teacher(config), find_student(config)
    student_config = given.config if given else new_student_config(config, teacher.config)
    vocabulary.check(config, teacher)
    if given:
        check_vocabularies(teacher, given)
    check_fit(config, student_config, teacher.config)
    check_positions("general.max_length", [config.general.max_length], teacher, *([given] if given else []))
    corpus = data.corpus(config)
    settings = of_general(config).settings(
        teacher=teacher.identity, student=given.identity if given else None, corpus=corpus.identity()
    )
    path, inputs = output_path(config, general_path(config)), {"student": config.student.path, "teacher": teacher.path}
    with open_artifact(path, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        return _report(artifact, _distill(config, artifact, teacher, given, corpus))


def _distill(
    config: Config, artifact: ArtifactWriter, source: Source, given: Source | None, corpus: Corpus
) -> dict[str, Any]:
    options = config.general
    pl.seed_everything(config.seed, verbose=False)
    train = text_trainer(config, artifact, options)
    if given:
        source = source.reading(given.tokenizer) or source
    elif vocabulary.is_cut(config):
        source = vocabulary.of_corpus(config, source, corpus)
    teacher = source.encoder(dtype=frozen_dtype(config))
    student = given.encoder() if given else new_student(new_student_config(config, source.config), config.seed)
    text = data.text_data(config, options, corpus, source.tokenizer)
    data.announce(text)
    objective, initialize = imitation(config, artifact.work, text, teacher, student, given=given is not None)
    module = LayerDistiller(teacher, student, objective, learning_rate=options.learning_rate, **stepping(config))
    report = distill_layers(train, module, text, directory=artifact.work, initialize=initialize)
    result = {
        **report,
        "parameters": parameters(student),
        "teacher_parameters": parameters(teacher),
        "tokens": report["steps"] * text.blocks_in_step * options.max_length,
    }
    if rank() == 0:
        save_model(student, source.tokenizer, artifact.product)
        artifact.keep_logs(artifact.work)
        artifact.publish(result, plain(config))
    return result


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    show_layers(result["layers"])
    say(
        f"{result['steps']} steps, {count(result['tokens'])} tokens in {duration(result['seconds'])} "
        f"({result['tokens'] / max(result['seconds'], 1e-9):,.0f} a second); held-out loss {result['heldout_loss']:.4f}"
    )
    say(f"artifact: {artifact.path}")
    return float(result["heldout_loss"])
