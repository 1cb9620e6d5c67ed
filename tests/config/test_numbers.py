"""Numbers of options that no run could use: one line that names the option, before anything is read."""

import pytest

from tinydistill.config.build.trainer import check
from tinydistill.config.compose import composed
from tinydistill.config.errors import explain


def told(*words: str) -> str:
    """What the command line says of words that are a mistake, at the latest before the stage begins."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        check(composed(words))
    return str(explain(raised.value))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("general.learning_rate=inf", "general.learning_rate=inf is not a finite number"),
        ("general.learning_rate=nan", "general.learning_rate=nan is not a finite number"),
        ("general.learning_rate=1e30", "general.learning_rate=1e+30 is too large: it must be at most 100"),
        ("pretrain.learning_rate=1e30", "pretrain.learning_rate=1e+30 is too large: it must be at most 100"),
        ("intermediate.learning_rate=1e30", "intermediate.learning_rate=1e+30 is too large"),
        ("prediction.learning_rate=-inf", "prediction.learning_rate=-inf is not a finite number"),
        ("finetune.teacher.learning_rate=1e30", "finetune.teacher.learning_rate=1e+30 is too large"),
        ("finetune.teacher.learning_rate=[5e-5,inf]", "finetune.teacher.learning_rate=inf is not a finite number"),
        ("finetune.student.learning_rate=1e30", "finetune.student.learning_rate=1e+30 is too large"),
        ("general.gradient_clip_val=inf", "general.gradient_clip_val=inf is not a finite number"),
        ("optimizer.weight_decay=inf", "optimizer.weight_decay=inf is not a finite number"),
        ("+optimizer.betas=[0.9,inf]", "optimizer.betas=inf is not a finite number"),
        ("objective.hidden=inf", "objective.hidden=inf is not a finite number"),
        ("objective.attention=1e30", "objective.attention=1e+30 is too large: it must be at most 1000000"),
        ("objective.losses.hidden.weight=inf", "objective.losses.hidden.weight=inf is not a finite number"),
        ("objective.losses.hidden.weight=1e30", "objective.losses.hidden.weight=1e+30 is not a number from 0 to"),
        ("prediction.temperature=inf", "prediction.temperature=inf is not a finite number"),
        ("prediction.temperature=1e30", "prediction.temperature=1e+30 is too large: it must be at most 1000"),
        ("scheduler.warmup=inf", "scheduler.warmup=inf is not a finite number"),
        ("scheduler.warmup=2", "warmup=2 is no share of the steps, from 0 to 1"),
        ("scheduler.warmup=-0.1", "warmup=-0.1 is no share of the steps, from 0 to 1"),
        ("optimizer.weight_decay=-1", "optimizer: torch.optim.AdamW can't be made: Invalid weight_decay value: -1"),
        ("+optimizer.betas=[2,0.9]", "optimizer: torch.optim.AdamW can't be made: Invalid beta parameter at index 0"),
        ("+optimizer.momentun=0.9", "optimizer: torch.optim.AdamW can't be made: AdamW.__init__() got an unexpected"),
        ("general.heldout_fraction=2", "general.heldout_fraction=2.0 is too large: it must be below 1"),
        ("task.train_share=2", "task.train_share=2.0 is too large: it must be at most 1"),
        ("task.validation_fraction=nan", "task.validation_fraction=nan is not a finite number"),
        ("seed=1099511627776", "seed=1099511627776 is too large: it must be at most 4294967295"),
        ("task.split_seed=1099511627776", "task.split_seed=1099511627776 is too large: it must be at most 4294967295"),
        (f"general.epochs={10**30}", f"general.epochs={10**30} is too large: it must be at most 1000000000"),
        (f"finetune.teacher.epochs={10**30}", "is too large: it must be at most 1000000000"),
        (f"general.max_steps={10**12}", "general.max_steps=1000000000000 is too large"),
        (f"general.batch_size={2**62}", "is too large: it must be at most 1000000000"),
        (f"student.num_layers={10**6}", "student.num_layers=1000000 is too large: it must be at most 1000"),
        (f"student.hidden_size={12 * 10**8}", "student.hidden_size=1200000000 is too large: it must be at most 100000"),
        (f"student.intermediate_size={10**9}", "student.intermediate_size=1000000000 is too large"),
        ("trainer.devices=0", "trainer.devices=0 is neither auto, nor how many (from 1 on), nor a list"),
        ("trainer.devices=-5", "trainer.devices=-5 is neither auto"),
        ("trainer.devices=many", "trainer.devices=many is neither auto"),
        ("trainer.devices=1.5", "trainer.devices=1.5 is neither auto"),
        ("trainer.devices=[]", "trainer.devices=[] is neither auto"),
        ("trainer.num_nodes=0", "trainer.num_nodes=0 is not a whole number from 1 on"),
        ("trainer.num_nodes=1.5", "trainer.num_nodes=1.5 is not a whole number from 1 on"),
        ("trainer.strategy=fast", "You selected an invalid strategy name: `strategy='fast'`"),
        ("trainer.precision=7", "Precision '7' is invalid"),
        ("trainer=gpu", "No supported gpu backend found"),
        ("+trainer.limit_train_batches=nan", "trainer.limit_train_batches=nan is not a finite number"),
        ("export.latency.seconds=inf", "export.latency.seconds=inf is not a finite number"),
        ("benchmark.seconds=1e9", "benchmark.seconds=1000000000.0 is too large: it must be at most 3600"),
        (f"pipeline.budget={'9' * 400}h", "is no length of time"),
    ],
)
def test_a_number_that_no_run_could_use_is_one_line_that_names_it(word, said):
    line = told(word)
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "word",
    [
        "trainer.devices=2",
        "general.learning_rate=0",
        "scheduler.warmup=1",
        "optimizer=muon",
        "scheduler=cosine",
        "task.labels=[10000000000,20000000000]",
        "objective.hidden=0",
    ],
)
def test_what_a_run_can_use_is_left_alone(word):
    check(composed(["trainer=cpu", word]))


@pytest.mark.parametrize("devices", ["auto", "-1", "'0,1'", "[0,1]", "'2'"])
def test_devices_are_said_in_lightnings_ways(devices):
    composed([f"trainer.devices={devices}"])
