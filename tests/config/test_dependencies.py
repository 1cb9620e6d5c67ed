"""What a sweep's jobs share: the same settings the same place, other settings another."""

import copy

import pytest

from tests.config.test_compose import composed
from tinydistill.artifacts.files import write_json
from tinydistill.config.build import sources as lookup


@pytest.fixture
def values(tmp_path):
    return composed(f"paths.outputs={tmp_path}", "paths.job=job", "task=sst2")


def changed(values: dict, key: str, value: object) -> dict:
    changed = copy.deepcopy(values)
    *nodes, last = key.split(".")
    node = changed
    for name in nodes:
        node = node[name]
    assert node[last] != value
    node[last] = value
    return changed


PATHS = {
    "general": lookup.general_path,
    "pretrain": lookup.pretrained_path,
    "teacher": lookup.finetuned_path,
    "baseline": lambda values: lookup.finetuned_path(lookup.without_distillation(values), "student"),
    "augment": lookup.augmented_path,
}
EVERYTHING = {*PATHS}
# which inputs an option makes others of: as the stages' own settings have it
DEPENDING = [
    ("seed", 1, EVERYTHING),
    ("teacher.revision", "v2", EVERYTHING),
    ("student.hidden_size", 96, {"general", "baseline"}),
    ("student.init", "random", {"general"}),  # the baseline's is always random
    ("mapping.strategy", "top", {"general"}),
    ("objective.attention", 0, {"general"}),
    ("general.epochs", 2, {"general"}),
    ("corpus.max_megabytes", 1, {"general", "pretrain", "augment"}),
    ("pretrain.epochs", 2, {"pretrain", "augment"}),
    ("task.train_share", 0.1, {"teacher", "baseline", "augment"}),
    ("task.max_length", 32, {"teacher", "baseline", "augment"}),
    ("paths.glue", "glue", {"teacher", "baseline", "augment"}),
    ("finetune.batch_size", 8, {"teacher", "baseline"}),
    ("finetune.teacher.epochs", 9, {"teacher"}),
    ("finetune.student.epochs", 9, {"baseline"}),
    ("augmentation.rows", 2, {"augment"}),
    ("augmentation.batch_size", 2, set()),
    ("intermediate.epochs", 9, set()),
    ("prediction.temperature", 2, set()),
    ("distill.phases", "merged", set()),
    ("trainer.workers", 2, set()),
    ("logger.group", "mine", set()),
]


@pytest.mark.parametrize(("key", "value", "depending"), DEPENDING)
def test_an_option_makes_another_input_of_what_depends_on_it_alone(values, key, value, depending):
    other = changed(values, key, value)
    assert {name for name, path in PATHS.items() if path(values) != path(other)} == depending


def test_outside_of_a_sweep_names_are_the_readable_ones(values):
    alone = changed(values, "paths.job", None)
    assert lookup.general_path(alone).name == "all-minilm-l6-v2_tiny3_uniform_tinybert_docstrings"
    assert lookup.general_path(values).name.startswith(f"{lookup.general_path(alone).name}-")


def test_what_stands_under_the_readable_name_is_shared_where_its_options_agree(values):
    alone = changed(values, "paths.job", None)
    plain = lookup.general_path(alone)
    plain.mkdir(parents=True)
    write_json(plain / "provenance.json", {"configuration": alone})
    assert lookup.general_path(values) == plain
    assert lookup.general_path(changed(values, "general.epochs", 2)) != plain
    write_json(plain / "provenance.json", {"configuration": {"seed": 0}})  # of an older version
    assert lookup.general_path(values) != plain
