"""What words of a command line compose to, and the one line that names a mistake in them."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException
from hydra.utils import get_object
from omegaconf import MISSING, OmegaConf

from tinydistill.config.build.trainer import stepping, trainer
from tinydistill.config.checks import OPEN, check
from tinydistill.config.compose import composed, plain, stored
from tinydistill.config.errors import explain
from tinydistill.config.help import CONF_DIR
from tinydistill.config.renamed import RENAMED
from tinydistill.config.schema import STAGES, Config
from tinydistill.config.schema.option import options
from tinydistill.data.text.sources import Corpus
from tinydistill.errors import UserError

VARIANTS = sorted(
    f"{file.parent.name}={file.stem}" for file in Path(CONF_DIR).glob("*/*.yaml") if file.parent.name != "hydra"
)
NEEDED = {
    "corpus=files": ["corpus.paths=[text]"],
    "mapping=list": ["mapping.layers=[2,4,6]"],
    "task=custom": ["task.source._target_=tinydistill.data.tasks.files.TaskFiles"],
}
NO_PART = {"ablation", "debug", "experiment", "stage", "sweep"}  # groups that change several parts of the configuration


def explained(*overrides: str) -> str:
    """What the command line says of words that are a mistake."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        composed(overrides)
    return str(explain(raised.value))


def targets(node: Any) -> Iterator[dict[str, Any]]:
    """Every node with a `_target_` in a configuration."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for inner in node.values():
            yield from targets(inner)


def arguments(target: str) -> set[str]:
    """The names that a function or a class can be given in conf/; a corpus has a `name` beside them."""
    made = get_object(target)
    if made is timedelta:  # in C, without a signature
        return {"days", "hours", "minutes", "seconds"}
    beside = {"name"} if inspect.isclass(made) and issubclass(made, Corpus) else set()
    makers = [one.__init__ for one in made.__mro__ if "__init__" in vars(one)] if inspect.isclass(made) else [made]
    for maker in makers:  # a class that takes any further arguments hands them to the next one
        parameters = inspect.signature(maker).parameters
        beside |= set(parameters)
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            break
    return beside


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_of_conf_composes_to_a_checked_configuration(variant, monkeypatch):
    monkeypatch.setenv("SLURM_NNODES", "1")
    if variant == "sweep=optuna":
        pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    config = composed([variant, *NEEDED.get(variant, [])])
    for node in targets(asdict(config)):
        given = {name for name in node if not name.startswith("_")}
        assert given <= arguments(node["_target_"]), node


def test_every_group_is_a_part_of_the_configuration_and_every_open_part_a_group():
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()} - {"hydra"}
    open_parts = {one.name for one in fields(Config) if one.type == dict[str, Any]}
    assert open_parts == {*OPEN, "trainer", "callbacks", "logger"}
    assert open_parts <= groups <= NO_PART | {one.name for one in fields(Config)}


def test_conf_sets_every_option_that_has_no_default():
    def unset(node: Any) -> list[str]:
        inner = node.values() if isinstance(node, dict) else []
        return [node] if node == MISSING else [found for one in inner for found in unset(one)]

    assert not unset(plain(composed([])))


@pytest.mark.parametrize("debug", ["fast", "limit", "overfit", "profile"])
def test_what_is_tried_never_stands_where_results_do(debug):
    config = composed([f"debug={debug}", "task=sst2"])
    assert config.paths.outputs == "outputs/debug"
    assert config.overwrite == "always"
    assert config.task.submission == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("csv", {"csv"}),
        ("none", set()),
        ("tensorboard", {"csv", "tensorboard"}),
        ("[wandb,tensorboard]", {"csv", "tensorboard", "wandb"}),
        ("[csv,mlflow]", {"csv", "mlflow"}),
    ],
)
def test_loggers_add_up(words, expected):
    assert composed([f"logger={words}"]).logger.keys() == expected


def test_a_logger_can_be_left_out():
    assert composed(["logger=wandb", "~logger.csv"]).logger.keys() == {"wandb"}


def test_callbacks_add_up():
    watching = {"checkpoint", "learning_rate"}
    assert composed([]).callbacks.keys() == watching
    both = composed(["callbacks=[early_stopping,weight_averaging]", "callbacks.early_stopping.patience=7"]).callbacks
    assert both.keys() == {*watching, "early_stopping", "weight_averaging"}
    assert both["early_stopping"]["patience"] == 7


def test_a_slurm_jobs_size_is_taken_from_the_job(monkeypatch):
    for variable in ("SLURM_NTASKS_PER_NODE", "SLURM_NNODES"):
        monkeypatch.delenv(variable, raising=False)
    told = explained("trainer=slurm")
    assert told.startswith("trainer.num_nodes is what the variable SLURM_NNODES says, which isn't set")
    assert told.endswith("elsewhere take trainer=ddp")
    monkeypatch.setenv("SLURM_NNODES", "2")
    alone = composed(["trainer=slurm"]).trainer
    assert alone == composed(["trainer=ddp"]).trainer | {"num_nodes": 2}
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    of_job = composed(["trainer=slurm"]).trainer
    assert (of_job["devices"], of_job["num_nodes"], of_job["strategy"]) == (4, 2, "ddp")


def test_every_option_says_what_it_means():
    assert not [key for key, metadata in options(Config).items() if len(metadata["meaning"]) < 8]


def test_every_stage_has_a_file_in_conf_and_one_in_the_package():
    assert {file.stem for file in (CONF_DIR / "stage").iterdir()} == STAGES.keys()
    for stage in STAGES:
        assert (Path(__file__).parents[2] / "src" / "tinydistill" / "stages" / f"{stage}.py").is_file()


def test_an_option_of_earlier_versions_is_an_error_that_names_the_new_one():
    for old in ("trainer.workers", "general.clip", "logger.csv", "task.repo"):
        assert explained(f"{old}=1") == f"{old} is no option any more; set {RENAMED[old]}"
    for old, new in RENAMED.items():
        error = ConfigCompositionException(f"Could not override '{old}'.")
        assert explain(error) == f"{old} is no option any more; set {new}"
    assert not RENAMED.keys() & options(Config).keys()


def test_what_an_error_names_in_place_of_an_old_option_is_there():
    known = OmegaConf.create(plain(composed(["task=sst2", "logger=wandb"])))
    added, choices = [], set()
    for new in RENAMED.values():
        words = re.findall(r"[+]{0,2}\b[a-z_]+(?:\.[a-z_]+)+(?:=\S+)?|\b[a-z]+=[a-z]+|^distill$", new)
        assert words, new
        for word in words:
            if "=" in word:
                choices.add(word.split(",")[0])
            elif word.startswith("+"):  # into an open part
                added.append(f"{word}=1")
            else:
                assert word == "distill" or word in options(Config) or OmegaConf.select(known, word) is not None, word
    assert composed(["task=sst2", "logger=wandb", *added])
    assert all(choice in VARIANTS or composed([choice]) for choice in choices)  # these are composed above


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        # out of range
        (["general.batch_size=0"], "general.batch_size=0 is too small: it must be at least 1"),
        (["student.dropout=1"], "student.dropout=1.0 is too large: it must be below 1"),
        (["task.train_share=0"], "task.train_share=0.0 is too small: it must be above 0"),
        (["prediction.hard_share=2"], "prediction.hard_share=2.0 is too large: it must be at most 1"),
        (["student.init=closedform"], "student.init=closedform is not one of .* (did you mean closed_form?)"),
        (["overwrite=maybe"], "overwrite=maybe is not one of true, false, always"),
        (["benchmark.pieces=[latencies]"], "benchmark.pieces holds 'latencies', .* (did you mean latency?)"),
        (["export.latency.threads=[0]"], "export.latency.threads holds 0: these are whole numbers from 1 on"),
        # of another type
        (["seed=1.5"], "seed: '1.5' is not a whole number"),
        (["general.learning_rate=fast"], "general.learning_rate: 'fast' is not a number"),
        (["pipeline.augment=perhaps"], "pipeline.augment: 'perhaps' is not true or false"),
        (["seed=null"], "seed can't be null"),
        (["student=null"], "a group can't be null: name one of its choices"),
        (["pipeline.tasks=sst2"], "pipeline.tasks is a list; write"),
        (["mapping=list", "mapping.layers=[2,x,6]"], "mapping.layers holds 'x'"),
        (["mapping=list", "mapping.layers=3"], "mapping.layers=3 is no list"),
        (["objective.losses.hidden.weight=x"], "objective.losses.hidden.weight=x is not a number from 0 to"),
        # no such option
        (["general.lr=1"], "there is no option called general.lr; there are general.accumulate_grad_batches, "),
        (["+general.lr=1"], "there is no option called general.lr; there are general.accumulate_grad_batches, "),
        (["+sead=1"], "there is no option called sead (did you mean seed?); there are stage, seed, "),
        (["studnet.num_layers=1"], "there is no option or group called studnet.num_layers (did you mean student."),
        (["corpus.paths=[text]"], "corpus has no paths as it is; take corpus=files"),
        (["mapping.layers=[2,4,6]"], "mapping has no layers as it is; take mapping=list"),
        (["logger.wandb.project=mine"], "logger has no wandb.project as it is; take logger=wandb"),
        (["trainer.max_time=1"], "trainer has no max_time as it is; add it with +trainer.max_time=VALUE"),
        (["task=sst2", "task.source.revision=v1"], "task.source has no revision as it is; add it with +task.source."),
        # no such choice of a group
        (["corpus=fils"], "corpus=fils: there is no such corpus (did you mean files?); there are docstrings, files, "),
        (["corpse=files"], "there is no option or group called corpse (did you mean corpus?)"),
        (["trainer=fsdp"], "trainer=fsdp: a student fits on every device, so nothing is sharded: take trainer=ddp"),
        # no value
        (["mapping=list"], "mapping.layers has no value; set it with mapping.layers=VALUE"),
        (["task=custom"], "task.source._target_ has no value; set it with task.source._target_=VALUE"),
        (["+callbacks.mine.patience=3"], "callbacks.mine doesn't say what it is: set callbacks.mine._target_="),
        (["corpus=files"], "corpus=files needs text: name it with 'corpus.paths="),
        # what contradicts each other
        (["student.num_heads=7"], "student.num_heads=7 doesn't divide student.hidden_size=192"),
        (["objective=minilmv2", "objective.relation=0"], "every loss is switched off"),
        (["pretrain.as_mask=0.9", "pretrain.as_random=0.2"], "their sum must not be above 1"),
        (["trainer.strategy=fsdp"], "trainer.strategy=fsdp would cut the student's tensors into pieces.*trainer=ddp"),
    ],
)
def test_values_that_cannot_be_are_one_clear_line(overrides, message):
    line = explained(*overrides)
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), line), line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("override", "build", "message"),
    [
        ("mapping._target_=nowhere.rule", "mapping", "mapping: nowhere.rule can't be imported"),
        ("optimizer._target_=torch.optim.Nope", "stepping", "optimizer: torch.optim.Nope can't be imported"),
        ("+callbacks.mine._target_=torch.nn.Identity", "trainer", "callbacks.mine: torch.nn.Identity makes a Identity"),
        ("+trainer.max_tmie=1", "trainer", "trainer.max_tmie: Lightning's Trainer has no such argument .*max_time"),
        ("callbacks.checkpoint.save_top_k=x", "trainer", "callbacks.checkpoint: .*ModelCheckpoint can't be built"),
    ],
)
def test_what_cannot_be_built_is_named_by_its_option(tmp_path, override, build, message):
    from tests.conftest import bert
    from tinydistill.config.build.models import layer_mapping

    config = composed([override.replace("callbacks.checkpoint.", "+callbacks.checkpoint."), "trainer=cpu"])
    with pytest.raises(UserError, match=message):
        if build == "mapping":
            layer_mapping(config, bert(2).config, bert(4).config, lambda: None)
        elif build == "stepping":
            stepping(config)
        else:
            trainer(config, tmp_path, config.general)


def test_a_variant_is_the_same_configuration_with_a_part_replaced():
    config = composed(["task=sst2"])
    wide = replace(config, student=replace(config.student, hidden_size=384))
    assert (config.student.hidden_size, wide.student.hidden_size) == (192, 384)
    assert wide.task is config.task
    check(wide)
    with pytest.raises(UserError, match="student.num_heads=7 doesn't divide student.hidden_size=384"):
        check(replace(wide, student=replace(wide.student, num_heads=7)))


def test_a_configuration_is_the_same_after_it_was_kept():
    config = composed(["task=mnli", "logger=wandb", "callbacks=early_stopping", "experiment=tinybert4"])
    assert stored(plain(config)) == config


def test_interpolations_follow_what_they_are_of():
    config = composed(["task=cola", "student=tinybert4", "paths.outputs=here", "task.prediction.epochs=9"])
    assert config.intermediate.epochs is config.task.intermediate.epochs is None
    assert config.task.paper_epochs == 50
    assert config.general.learning_rate == config.student.learning_rate == 2e-4
    assert (config.prediction.epochs, config.paths.cache) == (9, "here/cache")
    assert config.task.source["config"] == "cola"


def test_a_mistake_of_the_package_is_no_mistake_of_the_user():
    assert explain(ValueError("shapes differ")) is None
    assert explain(ConfigCompositionException("Could not override 'sead'.")) is not None


def test_a_small_task_is_passed_over_more_often():
    config, chosen = composed(["task=mrpc"]), composed(["task=mrpc", "prediction.epochs=3"])
    for rows, *passes in (
        *((1, 8, 20, 30), (3_302, 8, 5, 20), (5_174, 8, 4, 13)),
        *((13_000, 3, 2, 5), (66_349, 2, 1, 1), (10**6, 2, 1, 1)),
    ):
        parts = (config.finetune.teacher, config.intermediate, config.prediction)
        assert [part.passes(rows) for part in parts] == passes, rows
        assert chosen.prediction.passes(rows) == 3
