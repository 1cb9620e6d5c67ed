"""Pieces of work measured for a moment, each in its own way."""

import numpy as np
import pytest
from transformers import BertForMaskedLM

from tests.conftest import bert, sentences
from tests.trainers import quiet_trainer
from tinydistill.benchmarking.augmentation import measure_augmentation
from tinydistill.benchmarking.latency import measure_latency
from tinydistill.benchmarking.tokenization import measure_tokenization, read_sample
from tinydistill.data.tasks.examples import Split
from tinydistill.data.text.blocks import Cutting
from tinydistill.data.text.sources import TextsCorpus
from tinydistill.models.heads import Head, add_head


def test_a_corpus_is_read_until_there_is_enough_of_it():
    corpus = TextsCorpus(["a cat", "the dog", "it sat"])
    assert read_sample(corpus).whole
    some = read_sample(corpus, 6)
    assert (some.texts, some.whole) == (("a cat", "the dog"), False)


def test_text_is_cut_into_blocks_anew_every_time(tokenizer, tmp_path):
    sample = read_sample(TextsCorpus(sentences(300)))
    piece = measure_tokenization(sample, tokenizer, Cutting(16), tmp_path, seconds=0.01)
    megabytes = piece.more["megabytes_read"]
    assert piece.units / megabytes == pytest.approx(len(list(tmp_path.iterdir())))
    assert piece.whole == megabytes


def test_an_answer_of_every_model_is_timed():
    models = {
        name: add_head(bert(layers), Head(("no", "yes")), seed=0) for name, layers in (("teacher", 4), ("student", 2))
    }
    teacher, student = measure_latency(models, 8, seconds=0.01)
    assert (teacher.name, student.name) == ("latency, teacher", "latency, student")
    assert teacher.flops == pytest.approx(2 * student.flops, rel=0.1)
    assert teacher.more["milliseconds_p95"] >= teacher.more["milliseconds"] == pytest.approx(1000 * teacher.seconds)


def test_rows_are_augmented_from_texts_to_file(tokenizer, tmp_path):
    model, rows = BertForMaskedLM(bert(2).config), Split("train", sentences(20), None, np.zeros(20))
    piece = measure_augmentation(rows, model, tokenizer, quiet_trainer, tmp_path, seconds=0.01, count=2)
    assert (piece.unit, piece.whole) == ("row", 20)
    assert piece.units >= 8
    assert piece.flops > 0
    assert piece.more["words"] > 0
    assert len(list(tmp_path.glob("*/rows.parquet"))) == 2
