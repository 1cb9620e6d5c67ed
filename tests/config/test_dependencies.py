"""What an artifact depends on: what a run is resumed or refused by, and what the jobs of a sweep share."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tinydistill.artifacts.files import write_json
from tinydistill.config import names
from tinydistill.config.build.origin import origin_of, without_distillation
from tinydistill.config.compose import composed, plain
from tinydistill.config.dependencies import OF_STAGE
from tinydistill.config.schema import Config

BASE = ("task=sst2", "paths.outputs=nowhere", "paths.job=job", "evaluate.path=made", "export.path=made")
PATHS: dict[str, Callable[[Config], object]] = {
    "general": names.general_path,
    "pretrain": names.pretrained_path,
    "teacher": names.finetuned_path,
    "baseline": lambda config: names.finetuned_path(without_distillation(config), "student"),
    "augment": names.augmented_path,
}
EVERYTHING = {*PATHS}
ON_ROWS = {"teacher", "baseline", "augment"}


@cache
def config_of(*overrides: str) -> Config:
    return composed([*BASE, *overrides])


# which inputs an option makes others of: as the stages' own settings have it
DEPENDING = [
    ("seed=1", EVERYTHING),
    ("teacher.revision=v2", EVERYTHING),
    ("optimizer.weight_decay=0.1", EVERYTHING),
    ("scheduler=cosine", EVERYTHING),
    ("callbacks=weight_averaging", EVERYTHING),
    ("+trainer.limit_train_batches=0.5", EVERYTHING),
    ("student.hidden_size=96", {"general", "baseline"}),
    ("student.init=random", {"general"}),  # the baseline's is always random
    ("mapping=top", {"general"}),
    ("objective.attention=0", {"general"}),
    ("+objective.losses.mine._target_=my.Loss", {"general"}),
    ("general.epochs=2", {"general"}),
    ("+corpus.max_megabytes=1", {"general", "pretrain", "augment"}),
    ("pretrain.epochs=2", {"pretrain", "augment"}),
    ("task.train_share=0.1", ON_ROWS),
    ("task.max_rows=10", ON_ROWS),
    ("task.max_length=32", ON_ROWS),
    ("task.selection_rows=10", ON_ROWS),
    ("paths.glue=glue", ON_ROWS),
    ("finetune.batch_size=8", {"teacher", "baseline"}),
    ("finetune.teacher.epochs=9", {"teacher"}),
    ("finetune.teacher.learning_rate=[1e-4,2e-4]", {"teacher"}),
    ("finetune.teacher.patience=null", {"teacher"}),
    ("finetune.student.epochs=9", {"baseline"}),
    ("augmentation.rows=2", {"augment"}),
    *(
        (override, set[str]())
        for override in (
            *("augmentation.batch_size=2", "intermediate.epochs=9", "prediction.temperature=2"),
            *("distill.phases=merged", "logger=[csv,tensorboard]", "+callbacks.checkpoint.every_n_epochs=1"),
            *("trainer.devices=2", "trainer=ddp", "trainer.log_every_n_steps=1", "trainer.enable_progress_bar=false"),
            *("runtime.num_workers=2", "runtime.kernels=plain", "runtime.keep_memory=false"),
        )
    ),
]


@pytest.mark.parametrize(("override", "depending"), DEPENDING)
def test_an_option_makes_another_input_of_what_depends_on_it_alone(override, depending):
    config, other = config_of(), config_of(override)
    assert config != other
    assert {name for name, path in PATHS.items() if path(config) != path(other)} == depending


STAGE_OF = [
    # what the distilled student, its scores and its files depend on
    ("prediction.temperature=2", {"task"}),
    ("intermediate.epochs=9", {"task"}),
    ("distill.phases=merged", {"task"}),
    ("augmentation.path=rows.parquet", {"task"}),
    ("student.path=mine", {"general", "task"}),
    ("student.vocabulary=corpus", {"general", "task"}),
    ("task.max_rows=10", {"finetune", "augment", "task", "evaluate", "predict", "label", "export", "certify"}),
    ("task.unlabeled=more.tsv", {"task"}),
    ("label.file=more.tsv", {"label"}),
    ("predict.file=more.tsv", {"predict"}),
    ("predict.runtime=onnx", {"predict"}),
    ("predict.batch_size=1", set[str]()),
    ("task.selection_rows=10", {"finetune", "augment", "task", "certify"}),  # scores are on the real splits
    ("+trainer.limit_train_batches=0.5", {"general", "pretrain", "finetune", "augment", "task"}),
    ("callbacks=early_stopping", {"general", "pretrain", "finetune", "augment", "task"}),
    ("task.metrics=[accuracy,f1]", {"evaluate"}),
    ("task.submission=[]", {"evaluate"}),
    ("export.formats=[onnx]", {"export"}),
    ("export.push=true", set[str]()),
    ("certify.agreement=0.9", {"certify"}),
    ("certify.file=more.tsv", {"certify"}),
    ("certify.batch_size=1", set[str]()),
    ("evaluate.batch_size=1", set[str]()),
    ("evaluate.path=other", {"evaluate"}),
    ("distill.check_score=false", set[str]()),
    ("paths.cache=elsewhere", set[str]()),
    ("overwrite=true", set[str]()),
    ("output_dir=here", set[str]()),
    ("trainer.devices=2", set[str]()),
    ("trainer.log_every_n_steps=1", set[str]()),
    ("runtime.num_workers=2", set[str]()),
]


@pytest.mark.parametrize(("override", "depending"), STAGE_OF)
def test_the_digest_of_a_stage_is_another_where_what_it_makes_is(override, depending):
    config, other = config_of("task=sst2"), config_of("task=sst2", override)
    changed = {stage for stage, of in OF_STAGE.items() if of(config).digest != of(other).digest}
    assert changed == depending


@pytest.mark.parametrize("stage", OF_STAGE)
def test_settings_hold_the_identities_of_the_inputs_and_of_no_others(stage):
    depends = OF_STAGE[stage](config_of())
    identities = {name: f"hash of {name}" for name in depends.inputs}
    assert depends.settings(**identities) == {"options": depends.options, "inputs": identities}
    missing, *_ = identities
    for wrong in (
        {name: value for name, value in identities.items() if name != missing},
        {**identities, "vocabulary": "hash"},
    ):
        with pytest.raises(ValueError, match="identities of"):
            depends.settings(**wrong)


def test_settings_do_not_depend_on_where_an_input_lies():
    here, there = (OF_STAGE["task"](config_of(f"teacher.path={path}")) for path in ("here", "there"))
    identities = dict.fromkeys(here.inputs, "hash")
    assert here.digest != there.digest  # before anything is read
    assert here.settings(**identities) == there.settings(**identities)


def test_a_phase_that_is_left_out_has_no_say():
    given = "distill.phases=prediction", "student.path=mine"
    prediction = config_of(*given)
    for override in ("objective.attention=0", "mapping=top", "intermediate.epochs=9", "distill.sample_tokens=9"):
        other = config_of(*given, override)
        assert OF_STAGE["task"](other).digest == OF_STAGE["task"](prediction).digest


def test_a_student_without_a_prediction_phase_depends_on_the_batches_that_it_is_solved_on():
    for phases in ("none", "intermediate"):
        given = config_of(f"distill.phases={phases}")
        digests = {
            override: OF_STAGE["task"](config_of(f"distill.phases={phases}", override)).digest
            for override in ("prediction.batch_size=8", "prediction.temperature=2")
        }
        assert digests["prediction.batch_size=8"] != OF_STAGE["task"](given).digest
        assert digests["prediction.temperature=2"] == OF_STAGE["task"](given).digest


def test_outside_of_a_sweep_names_are_the_readable_ones():
    config = config_of()
    alone = replace(config, paths=replace(config.paths, job=None))
    assert names.general_path(alone).name == "all-minilm-l6-v2_tiny3_uniform_tinybert_docstrings"
    assert names.general_path(config).name.startswith(f"{names.general_path(alone).name}-")


def test_what_stands_under_the_readable_name_is_shared_where_its_options_agree(tmp_path):
    config = replace(config_of(), paths=replace(config_of().paths, outputs=str(tmp_path)))
    alone = replace(config, paths=replace(config.paths, job=None))
    readable = names.general_path(alone)
    readable.mkdir(parents=True)
    write_json(readable / "result.json", {})
    write_json(readable / "provenance.json", {"settings": {}, "configuration": plain(alone)})
    assert names.general_path(config) == readable
    assert names.general_path(replace(config, general=replace(config.general, epochs=2))) != readable
    older = {**plain(alone), "general": {"clip": 1.0}}
    write_json(readable / "provenance.json", {"settings": {}, "configuration": older})
    assert names.general_path(config) != readable


def test_how_a_model_of_another_version_came_to_be_is_not_known(tmp_path):
    config = config_of("stage=task")
    write_json(tmp_path / "result.json", {})
    write_json(
        tmp_path / "provenance.json",
        {"settings": {}, "configuration": {**plain(config), "distil": {"phases": "both"}}},
    )
    assert origin_of(str(tmp_path), config) is None


def test_where_the_cache_lies_makes_no_difference_to_the_embedded_rows():
    config, other = config_of("task=docstrings"), config_of("task=docstrings", "paths.cache=elsewhere")
    assert {stage for stage, of in OF_STAGE.items() if of(config).digest != of(other).digest} == set()
