from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from tinydistill.config.compose import CONF_DIR, check, flatten, options
from tinydistill.config.schema import STAGES, Config
from tinydistill.errors import UserError
from tinydistill.training import runtime


def composed(*overrides: str) -> dict:
    ConfigStore.instance().store("schema", Config)
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return OmegaConf.to_container(compose("config", list(overrides)), resolve=True, throw_on_missing=True)


VARIANTS = sorted(
    f"{file.parent.name}={file.stem}" for file in Path(CONF_DIR).glob("*/*.yaml") if file.parent.name != "hydra"
)
NEEDED = {"corpus=files": ["corpus.paths=[text]"], "mapping=list": ["mapping.layers=[2,4,6]"]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_of_conf_composes_to_a_checked_configuration(variant):
    if variant == "sweep=optuna":
        pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    check(composed(variant, *NEEDED.get(variant, [])))


def test_conf_sets_every_option_of_the_schema_and_no_other():
    assert flatten(composed()).keys() == options().keys()


@pytest.mark.parametrize("debug", ["fast", "limit", "overfit", "profile"])
def test_what_is_tried_never_stands_where_results_do(debug):
    values = composed(f"debug={debug}", "task=sst2")
    assert values["paths"]["outputs"] == "outputs/debug"
    assert values["task"]["submission"] == []


def test_loggers_add_up():
    for words, expected in (
        ("csv", {"csv"}),
        ("none", set()),
        ("tensorboard", {"csv", "tensorboard"}),
        ("[wandb,tensorboard]", {"csv", "tensorboard", "wandb"}),
        ("[csv,wandb]", {"csv", "wandb"}),
    ):
        logger = composed(f"logger={words}")["logger"]
        assert {kind for kind in runtime.LOGGERS if logger[kind]} == expected
    assert not composed("logger=wandb", "logger.csv=false")["logger"]["csv"]


def test_a_slurm_jobs_size_is_taken_from_the_job(monkeypatch):
    for variable in ("SLURM_NTASKS_PER_NODE", "SLURM_NNODES"):
        monkeypatch.delenv(variable, raising=False)
    assert (
        composed("trainer=slurm")["trainer"] | {"devices": "auto", "num_nodes": 1} == composed("trainer=ddp")["trainer"]
    )
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    monkeypatch.setenv("SLURM_NNODES", "2")
    trainer = composed("trainer=slurm")["trainer"]
    assert (trainer["devices"], trainer["num_nodes"], trainer["strategy"]) == (4, 2, "ddp")


def test_every_option_says_what_it_means():
    assert all(metadata["meaning"] for metadata in options().values())


def test_every_stage_has_a_file_in_conf_and_one_in_the_package():
    assert {file.stem for file in (CONF_DIR / "stage").iterdir()} == STAGES.keys()
    for stage in STAGES:
        assert (Path(__file__).parents[2] / "src" / "tinydistill" / "stages" / f"{stage}.py").is_file()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["student.init=closedform"], r"student.init=closedform is not one of .* \(did you mean closed_form\?\)"),
        (["general.batch_size=0"], "general.batch_size=0 is too small: it must be at least 1"),
        (["student.dropout=1"], "student.dropout=1.0 is too large"),
        (["student.num_heads=7"], "student.num_heads=7 doesn't divide student.hidden_size=192"),
        (["objective=minilmv2", "objective.relation=0"], "every loss is switched off"),
        (["mapping=list", "mapping.layers=[2,x,6]"], "mapping.layers holds 'x'"),
        (["mapping.layers=[2,4,6]"], "mapping.layers and mapping.strategy=list go together"),
        (["task.train_share=0"], "task.train_share=0.0 must lie above 0"),
        (["corpus=files"], r"corpus=files needs text: name it with 'corpus.paths="),
        (["overwrite=maybe"], "overwrite=maybe is not one of true, false, always"),
        (["debug=limit", "debug.share=0"], "debug.share=0.0 must be above 0 and at most 1"),
        (["trainer.strategy=fsdp"], "trainer.strategy=fsdp would cut the student's tensors into pieces.*trainer=ddp"),
        (["+general.lr=1"], r"there is no option called general.lr"),
        (["~seed"], "seed has no value; set it with seed=VALUE"),
    ],
)
def test_values_that_cannot_be_are_one_clear_line(overrides, message):
    with pytest.raises(UserError, match=message):
        check(composed(*overrides))
