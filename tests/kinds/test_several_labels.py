"""Several labels at once: losses, thresholds, and scores, which are scikit-learn's."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch.nn import functional as F
from transformers import BertConfig

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of
from tinydistill.kinds.counted import SCORES
from tinydistill.kinds.several_labels import THRESHOLDS, MultiLabelClassification
from tinydistill.kinds.thresholds import DEFAULT, best_threshold, best_thresholds

NAMES = ("a", "said: b", "c", "never", "e")
KIND = kind_of(SeveralLabels(NAMES))


def drawn(rows: int, seed: int, share: float = 0.3) -> np.ndarray:
    """0 and 1 [N, 5]; no row has the fourth label."""
    labels = np.random.default_rng(seed).random((rows, len(NAMES))) < share
    labels[:, 3] = False
    return labels.astype(np.float32)


def split_of(labels: np.ndarray) -> Split:
    return Split("validation", ["text"] * len(labels), labels=labels)


def test_scores_are_those_of_scikit_learn_for_labels_that_never_occur_too():
    for seed in range(40):
        labels, answers = drawn(12, seed, 0.1 + seed / 80), drawn(12, 99 + seed) > 0
        answers[:, 3] = seed % 2 * (np.arange(12) == 3)  # a label that is only said, or neither said nor there
        answers[::3] = labels[::3] > 0
        found = KIND.scores(KIND.metrics, answers, split_of(labels))
        for name, average in (("micro_f1", "micro"), ("macro_f1", "macro")):
            assert found[name] == pytest.approx(f1_score(labels, answers, average=average, zero_division=0)), seed
        assert found["subset_accuracy"] == pytest.approx(accuracy_score(labels, answers))


def test_where_nothing_is_to_be_found_and_nothing_is_f1_is_0():
    nothing = np.zeros((3, 5), np.float32)
    assert KIND.scores(KIND.metrics, nothing > 0, split_of(nothing)) == {
        "micro_f1": 0,
        "macro_f1": 0,
        "subset_accuracy": 1,
    }


def test_the_counts_of_a_file_give_the_scores_of_all_rows_and_of_any_resample():
    labels, answers = drawn(30, 0), drawn(30, 1) > 0
    columns = KIND.columns(split_of(labels), answers, np.zeros((30, 5), np.float32))
    counts = {name[2:-1]: values for name, values in columns.items() if name.startswith("n(")}
    assert all(values.dtype == np.int64 for values in counts.values())
    weights = np.random.default_rng(2).multinomial(30, np.full(30, 1 / 30), size=4)
    sums = {name: weights @ values for name, values in counts.items()}
    for number, of_rows in enumerate(weights):
        rows = np.repeat(np.arange(30), of_rows)
        expected = KIND.scores(KIND.metrics, answers[rows], split_of(labels[rows]))
        assert {name: SCORES[name](sums)[number] for name in KIND.metrics} == pytest.approx(expected)


def test_a_file_has_every_probability_and_of_unlabeled_rows_no_counts():
    logits = np.array([[0, 2, -2, 9, -9]], np.float32)
    columns = KIND.columns(Split("test", ["text"]), logits > 0, logits)
    assert list(columns) == [f"p({name})" for name in NAMES]
    assert [float(columns[f"p({name})"][0]) for name in NAMES] == pytest.approx((1 / (1 + np.exp(-logits[0]))).tolist())


def test_labels_are_shown_by_name_and_none_as_such():
    assert KIND.shown(np.array([[1, 0, 1, 0, 0], [0] * 5]), split_of(drawn(2, 0))) == ["a | c", "(none)"]


def test_losses_are_means_over_rows_and_labels():
    logits, teacher = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    labels = torch.from_numpy(drawn(4, 0))
    batch = {"labels": labels, "teacher_logits": teacher}
    one = [F.softplus(-logits[b, c]) if labels[b, c] else F.softplus(logits[b, c]) for b in range(4) for c in range(5)]
    torch.testing.assert_close(KIND.loss(logits, batch), sum(one) / 20)
    soft = torch.zeros(())
    for b in range(4):
        for c in range(5):
            theirs = torch.sigmoid(teacher[b, c] / 2)
            ours = torch.sigmoid(logits[b, c] / 2)
            soft -= theirs * ours.log() + (1 - theirs) * (1 - ours).log()
    torch.testing.assert_close(KIND.soft_loss(logits, batch, temperature=2.0, scale=4.0), 4 * soft / 20)


def test_the_loss_on_a_teacher_s_logits_is_least_where_the_student_has_the_same():
    teacher = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    student = teacher.clone().requires_grad_()
    KIND.soft_loss(student, {"teacher_logits": teacher}, temperature=3.0).backward()
    torch.testing.assert_close(student.grad, torch.zeros(6, 5), atol=1e-7, rtol=0)


# thresholds


def test_a_threshold_is_the_best_of_all_that_there_are():
    for seed in range(60):
        random = np.random.default_rng(seed)
        probabilities = random.random(15).round(1 if seed % 2 else 3).astype(np.float32)  # with equal ones, and without
        labels = (random.random(15) < 0.4).astype(np.float32)
        labels[0] = 1
        found = best_threshold(probabilities, labels)
        every = [f1_score(labels, probabilities >= one) for one in [0, *np.unique(probabilities)]]
        assert f1_score(labels, probabilities >= found) == pytest.approx(max(every)), seed
        assert found == 0 or np.abs(probabilities - found).min() > 1e-4  # between two that occur


def test_every_label_has_its_own_threshold_but_a_rare_one_that_of_all_together():
    random = np.random.default_rng(0)
    labels = np.zeros((200, 3), np.float32)
    labels[:80, 0] = labels[100:160, 1] = labels[:5, 2] = 1
    probabilities = 0.2 * random.random((200, 3)) + labels * [0.2, 0.6, 0.3]
    first, second, rare = best_thresholds(probabilities, labels)
    assert first == pytest.approx(0.2, abs=0.01)
    assert 0.2 < second < 0.6
    assert rare == best_threshold(probabilities.ravel(), labels.ravel())


def test_without_any_label_to_choose_by_thresholds_stay_in_the_middle():
    assert best_thresholds(np.full((30, 2), 0.1), np.zeros((30, 2))) == (DEFAULT, DEFAULT)


def test_answers_go_by_the_thresholds_that_were_chosen_for_the_model():
    labels = drawn(200, 0)
    logits = (4 * labels - 6 + np.random.default_rng(1).normal(size=labels.shape)).astype(np.float32)  # all below 0.5
    split = split_of(labels)
    assert KIND.scores(["micro_f1"], KIND.answers(split, logits), split)["micro_f1"] < 0.2
    fitted = KIND.fitted_to(split, logits, None)
    assert fitted.scores(["micro_f1"], fitted.answers(split, logits), split)["micro_f1"] > 0.8
    assert KIND.thresholds == (DEFAULT,) * 5


def test_a_configuration_keeps_the_thresholds(tmp_path):
    config, kind = BertConfig(), MultiLabelClassification(KIND.target, (0.1, 0.25, 0.5, 1.0, 0.0))
    assert kind.read_from(config) is None
    for name, value in kind.configuration.items():
        setattr(config, name, value)
    config.save_pretrained(tmp_path)
    found = kind_of(KIND.target).read_from(BertConfig.from_pretrained(tmp_path))
    assert found is not None
    assert found.thresholds == kind.thresholds
    assert json.loads((tmp_path / "config.json").read_text())[THRESHOLDS] == [0.1, 0.25, 0.5, 1.0, 0.0]


@pytest.mark.parametrize("wrong", [[0.5] * 4, [0.5] * 4 + [1.5], [0.5] * 4 + [float("nan")], "0.5", [[0.5]] * 5])
def test_thresholds_that_are_none_are_refused(wrong):
    config = BertConfig()
    setattr(config, THRESHOLDS, wrong)
    with pytest.raises(InputError, match=r"tinydistill_thresholds in the model's config.json must be 5 numbers from 0"):
        KIND.read_from(config)


# what shows no knowledge


def test_who_can_t_read_says_the_labels_that_have_the_best_f1_if_all_rows_have_them():
    labels = np.zeros((20, 5), np.float32)
    labels[:14, 0] = labels[:8, 2] = labels[:1, 4] = 1
    said = KIND.commonest(split_of(labels))
    assert said.shape == (20, 5)
    every = [
        f1_score(labels, np.tile([bool(n >> c & 1) for c in range(5)], (20, 1)), average="micro", zero_division=0)
        for n in range(32)
    ]
    assert KIND.scores(["micro_f1"], said, split_of(labels))["micro_f1"] == pytest.approx(max(every))


def test_a_model_that_says_always_the_same_is_no_better_than_none():
    labels = drawn(40, 0)
    split = split_of(labels)
    assert "no better than without looking at the text" in str(KIND.no_better(split, np.zeros((40, 5), np.bool_)))
    assert KIND.no_better(split, labels > 0) is None


def test_two_models_agree_on_the_labels_that_both_give_or_both_don_t():
    ours = np.array([[True, False], [True, True]])
    assert KIND.equal(ours, ours ^ [[False, False], [False, True]]).tolist() == [True, True, True, False]


def test_other_metrics_are_none_of_it():
    with pytest.raises(
        InputError, match="accuracy is no metric of this task: this task predicts several labels at once"
    ):
        KIND.check_metrics(["accuracy"])
