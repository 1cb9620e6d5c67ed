import pytest
import pytorch_lightning as pl

from tests.training.test_optimization import Dropping, fit
from tinydistill.errors import InputError
from tinydistill.training.overfit import OverfitCheck


class Constant(Dropping):
    def training_step(self, batch, batch_idx):
        loss = 1 + 0 * self.layers(batch).mean()
        self.log_training({"train/loss": loss})
        return loss


def test_a_batch_that_is_learned_over_and_over_must_lower_its_loss(tmp_path, capsys):
    options: dict = {"overfit_batches": 1, "max_epochs": 20, "limit_val_batches": 0}
    check = OverfitCheck()
    fit(Dropping(), tmp_path, check, **options)
    assert len(check.losses) == 20
    assert "one batch, learned 20 times: its loss went from" in capsys.readouterr().out
    with pytest.raises(InputError, match="from 1 to 1: look at the learning rate"):
        fit(Constant(), tmp_path, OverfitCheck(), **options)


def test_the_check_is_an_ordinary_callback():
    assert isinstance(OverfitCheck(), pl.Callback)
