"""New pairs of a task's own texts: near ones, each once, beside the old ones."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import bert, sentences
from tinydistill.augmentation.neighbors import mean_states, nearest, neighbor_pairs
from tinydistill.augmentation.rows import Counts, texts_of, write_rows
from tinydistill.data.tasks.datamodule import read_augmented
from tinydistill.data.tasks.examples import Split


@pytest.fixture
def rows() -> Split:
    texts = sentences(40)
    return Split("train", texts[:20], texts[20:], np.arange(20) % 2)


def test_the_mean_is_over_the_tokens_of_a_text_alone(tokenizer):
    encoder = bert(2, 16)
    texts = ["the cat", "a dog sat on the mat and then it was happy"]
    together = mean_states(encoder, tokenizer, texts, 32)
    alone = torch.cat([mean_states(encoder, tokenizer, [text], 32) for text in texts])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(2))


def test_the_nearest_come_first_and_no_text_is_its_own_neighbor():
    states = torch.nn.functional.normalize(torch.randn(700, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    near = nearest(states, 60, seed=0)
    assert near.shape == (700, 60)
    similar = states @ states.T
    for text in (0, 511, 512, 699):
        expected = [other for other in similar[text].argsort(descending=True).tolist() if other != text][:60]
        assert near[text].tolist() == expected
    assert nearest(states[:3], 60, seed=0).shape == (3, 2)


def test_new_pairs_keep_one_text_of_the_old_one_and_come_once(rows):
    texts, counts = texts_of(rows), Counts()
    near = torch.stack([torch.tensor([(number + 1) % len(texts)]) for number in range(len(texts))])
    made = list(neighbor_pairs(rows, near, 6, 0, counts))
    assert len(made) == len({(row.text, row.pair) for row in made}) == counts.rows > 80
    assert made[0].text == rows.texts[0]
    nearby = 0
    for row in made:
        old = {rows.texts[row.source], rows.pairs[row.source]}
        assert old & {row.text, row.pair}
        nearby += any(
            texts[(texts.index(kept) + 1) % len(texts)] == other
            for kept, other in ((row.text, row.pair), (row.pair, row.text))
        )
    assert nearby > len(made) / 3
    assert made == list(neighbor_pairs(rows, near, 6, 0, Counts()))
    assert made != list(neighbor_pairs(rows, near, 6, 1, Counts()))


def test_they_have_no_labels_but_the_teachers(rows, tmp_path):
    near = nearest(torch.eye(40), 60, seed=0)
    made = list(neighbor_pairs(rows, near, 2, 0, Counts()))
    for name, labeled in (("with", True), ("without", False)):
        file = tmp_path / f"{name}.parquet"
        write_rows(file, made, pairs=True, made_from=rows.text_identity(), labeled=labeled)
        assert pq.read_table(file).num_rows == len(made)
        assert (read_augmented(file, rows).labels is not None) == labeled
