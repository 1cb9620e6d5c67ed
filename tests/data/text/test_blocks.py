import os
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from transformers import BertTokenizerFast

from tests.data.conftest import ListCorpus
from tinydistill.data.text import blocks as blocks_module
from tinydistill.data.text import packing
from tinydistill.data.text.blocks import Blocks, Cutting, build_blocks
from tinydistill.data.text.packing import BlockFile
from tinydistill.data.text.sources import FilesCorpus
from tinydistill.errors import InputError

CLS, SEP = 2, 3


def build(corpus: object, tokenizer: BertTokenizerFast, cache: Path, length: int = 16, **options: float) -> Blocks:
    cutting = Cutting(**{"max_length": length, "heldout_fraction": 0.1, "heldout_blocks": 8, **options})
    return build_blocks(corpus, tokenizer, cutting, cache_dir=cache)


def naive_blocks(documents: list[list[int]], length: int) -> list[list[int]]:
    stream = [piece for document in documents for piece in [*document, SEP]]
    width = length - 2
    starts = range(0, len(stream) - width + 1, width)
    return [[CLS, *stream[start : start + width], SEP] for start in starts]


def pieces(texts: tuple[str, ...], tokenizer: BertTokenizerFast) -> list[list[int]]:
    return [tokenizer.encode(text, add_special_tokens=False) for text in texts]


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_packing_equals_the_naive_packer_and_loses_only_the_tail(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(packing, "PIECES_AT_ONCE", at_once)
    documents = pieces(corpus.texts, tokenizer)
    with packing.BlockWriter(tmp_path / "x.npy", 16, CLS, SEP, np.uint16) as writer:
        for document in documents:
            writer.add([np.array(document, np.uint16)])
    expected = naive_blocks(documents, 16)
    assert BlockFile(tmp_path / "x.npy").array.tolist() == expected
    assert writer.blocks == len(expected)
    assert sum(map(len, documents)) + len(documents) - len(expected) * 14 < 14


def test_training_and_heldout_blocks_hold_every_document_on_one_side(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path
) -> None:
    built = build(corpus, tokenizer, cache)
    documents = pieces(corpus.texts, tokenizer)
    sides = []
    for file in (built.train, built.heldout):
        stream = file.array[:, 1:-1].reshape(-1).tolist()
        text = " ".join(map(str, stream))
        sides.append({i for i, document in enumerate(documents) if " ".join(map(str, document)) in text})
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) >= len(documents) - 3  # one at the tail of each, and what the held-out cap cuts
    assert len(built.heldout) == 8
    assert not (built.train.array == tokenizer.pad_token_id).any()


def test_which_documents_are_held_out_depends_on_no_order_and_copies_stay_together(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path
) -> None:
    texts = [*corpus.texts, *corpus.texts[::7]]
    heldout = []
    for seed in range(3):
        random.Random(seed).shuffle(texts)
        heldout.append(build(ListCorpus(tuple(texts), []), tokenizer, cache, heldout_blocks=100).heldout.array)
    assert len(heldout[0]) > 8
    assert np.array_equal(heldout[0], heldout[1])
    assert np.array_equal(heldout[1], heldout[2])


def test_copies_of_a_heldout_text_count_once_and_those_of_others_are_all_trained_on() -> None:
    held = packing.HeldOut(capacity=50)
    texts = [f"text {i}" for i in range(100)] * 3
    trained = [piece for text in texts for piece in held.offer(hash(text) % (1 << 64), np.array([int(text[5:])] * 9))]
    heldout = {int(pieces[0]) for pieces in held.documents()}
    assert len(held.documents()) == len(heldout) == 5
    assert sorted(int(pieces[0]) for pieces in trained) == sorted(
        i for i in range(100) if i not in heldout for _ in "123"
    )


def test_a_large_corpus_holds_out_no_more_than_the_cap_and_a_small_one_a_handful(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path
) -> None:
    documents = build(corpus, tokenizer, cache, heldout_fraction=0.5, heldout_blocks=3)
    assert len(documents.heldout) == 3
    assert len(documents.train) > 0.95 * documents.summary["pieces"] / 14 - 6  # what isn't used held out is trained on
    assert len(build(corpus, tokenizer, cache, heldout_fraction=0.0, heldout_blocks=99).heldout) >= 8


def test_special_tokens_in_a_text_are_text(tokenizer: BertTokenizerFast, cache: Path) -> None:
    built = build(ListCorpus(("the [MASK] cat [SEP] sat",) * 60, []), tokenizer, cache)
    assert not (built.train.array == tokenizer.mask_token_id).any() or not len(built.train)
    assert built.summary["pieces"] == 60 * 9  # [ and ] and the words between are pieces of their own


def test_a_second_run_neither_reads_nor_tokenizes(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(corpus, tokenizer, cache)
    monkeypatch.setattr(blocks_module, "tokenize", None)
    second = build(corpus, tokenizer, cache)
    assert len(corpus.reads) == 1
    assert np.array_equal(first.train.array, second.train.array)


def test_files_are_hashed_once_and_again_after_a_change(
    text_file: Path, tokenizer: BertTokenizerFast, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[FilesCorpus] = []
    identity = FilesCorpus.identity
    monkeypatch.setattr(FilesCorpus, "identity", lambda self: (hashed.append(self), identity(self))[1])
    corpus = FilesCorpus(text_file)
    build(corpus, tokenizer, cache)
    build(corpus, tokenizer, cache, length=8)
    assert len(hashed) == 1
    os.utime(text_file, ns=(1, 1))
    build(corpus, tokenizer, cache)
    assert len(hashed) == 2


def test_settings_text_and_tokenizer_have_their_own_cache_entries(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path, tmp_path: Path
) -> None:
    other_text = ListCorpus((*corpus.texts, "the cat"), [])
    words = [word for word, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    (tmp_path / "vocab.txt").write_text("\n".join([*words, "more"]) + "\n")
    other_tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    build(corpus, tokenizer, cache)
    build(corpus, tokenizer, cache, length=8)
    build(corpus, tokenizer, cache, heldout_fraction=0.2)
    build(corpus, tokenizer, cache, heldout_blocks=4)
    build(other_text, tokenizer, cache)
    build(corpus, other_tokenizer, cache)
    assert len([entry for entry in cache.glob("blocks-*") if entry.is_dir()]) == 6
    assert len(corpus.reads) == 5


def test_padding_and_truncation_of_the_tokenizer_change_nothing(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path
) -> None:
    build(corpus, tokenizer, cache)
    tokenizer(list(corpus.texts[:3]), padding="max_length", truncation=True, max_length=8)
    build(corpus, tokenizer, cache)
    assert len(corpus.reads) == 1


class CutShortCorpus(ListCorpus):
    def documents(self):
        yield from self.texts[:50]
        raise KeyboardInterrupt


def test_what_a_killed_job_leaves_is_not_used(corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(CutShortCorpus(corpus.texts, []), tokenizer, cache)
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]
    (lock,) = cache.glob("blocks-*.lock")
    killed = cache / f".{lock.stem}.partial"
    killed.mkdir()
    (killed / "train.npy").write_bytes(b"half")
    built = build(corpus, tokenizer, cache)
    assert len(built.train) > 50
    assert not killed.exists()


def test_of_two_jobs_with_one_corpus_one_builds(corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        sizes = set(pool.map(lambda _: len(build(corpus, tokenizer, cache).train), range(4)))
    assert len(corpus.reads) == 1
    assert len(sizes) == 1


def test_a_finished_entry_is_opened_without_waiting_for_a_lock(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path
) -> None:
    build(corpus, tokenizer, cache)
    (lock,) = cache.glob("blocks-*.lock")
    with FileLock(lock):
        build(corpus, tokenizer, cache)


def test_block_files_travel_to_workers_as_their_path(
    corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path
) -> None:
    train = build(corpus, tokenizer, cache).train
    data = pickle.dumps(train)
    assert len(data) < 500
    assert np.array_equal(pickle.loads(data).array, train.array)


def test_a_tokenizer_without_delimiters_is_refused(corpus: ListCorpus, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\nthe\n")
    bare = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    bare.cls_token = None
    with pytest.raises(InputError, match=r"no \[CLS\] and \[SEP\].*choose another tokenizer"):
        build(corpus, bare, cache)


def test_blocks_too_short_for_text_are_refused(corpus: ListCorpus, tokenizer: BertTokenizerFast, cache: Path) -> None:
    with pytest.raises(InputError, match=r"max_length=2 leaves no room"):
        build(corpus, tokenizer, cache, length=2)
