"""What a masked LM would put in a word's place: the best whole words of its vocabulary, found through Trainer.predict.

R: masked texts in a group, V: vocabulary, W: pieces of the vocabulary that are whole words, K: candidates.
"""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.artifacts.disk import writing
from tinydistill.artifacts.files import archive_damage, built_once, damage, digest, written
from tinydistill.augmentation.contexts import Group, MaskedWords
from tinydistill.augmentation.masked_positions import MaskedPositions
from tinydistill.augmentation.words import is_plain
from tinydistill.console import say
from tinydistill.data.loading import BatchLoader
from tinydistill.data.text.masking import word_mark
from tinydistill.models.threads import use_threads

Words = NDArray[np.int32]  # numbers of words, -1 for none
_ALL = "candidates.npy"


class WholeWords:
    """The words that are a single piece of the vocabulary: letters a to z alone, two or more, taken as small ones.

    Attributes:
        words: in alphabetical order; a word's number is its place.
        pieces: ids [W] of the pieces, and `numbers` [W] of the words that they stand for.
        own: for every piece of the vocabulary [V] the number of the word it is, alone or at a text's start; else -1.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        vocabulary = tokenizer.get_vocab()
        mark = word_mark(vocabulary)  # WordPiece, which has none, marks what doesn't begin a word
        special = set(tokenizer.all_special_tokens)
        bare = {i: piece.removeprefix(mark).lower() for piece, i in vocabulary.items() if piece not in special}
        bare = {i: word for i, word in sorted(bare.items()) if is_plain(word) and len(word) > 1}
        whole = {vocabulary[piece] for piece in vocabulary if piece.startswith(mark)}
        self.words = sorted({word for i, word in bare.items() if i in whole})
        number = {word: n for n, word in enumerate(self.words)}
        pieces = [i for i in bare if i in whole]
        self.pieces = torch.tensor(pieces, dtype=torch.long)
        self.numbers = np.array([number[bare[i]] for i in pieces], np.int32)
        self.own = np.full(max(vocabulary.values()) + 2, -1, np.int32)  # the last one for the piece -1
        for i, word in bare.items():
            self.own[i] = number.get(word, -1)
        self.spellings = int(np.bincount(self.numbers).max()) if pieces else 0  # of one word: film, Film, FILM

    def identity(self) -> str:
        """The same for the same words under the same pieces."""
        return digest([self.words, self.pieces.tolist(), self.numbers.tolist()])

    def best(self, logits_RV: Tensor, own_R: Tensor, count: int) -> Words:
        """The `count` best words of each row [R, K], best first, other than its own; equal ones by their numbers."""
        logits_RW = logits_RV[:, self.pieces.to(logits_RV.device)]
        some = min((count + 1) * self.spellings, logits_RW.shape[1])
        scores, columns = (found.cpu().numpy() for found in logits_RW.topk(some))
        found_RW = self.numbers[columns]
        order = np.lexsort((found_RW, -scores), axis=-1)
        rows = np.take_along_axis(found_RW, order, -1).tolist()
        best = np.full((len(rows), count), -1, np.int32)
        for row, (found, own) in enumerate(zip(rows, self.own[own_R.cpu().numpy()].tolist(), strict=True)):
            others = [word for word in dict.fromkeys(found) if word != own][:count]
            best[row, : len(others)] = others
        return best


class Shards:
    """The answers found so far, in files of some groups each, whole or not there: what is cut off goes on from them.

    They go beside the `directory` that holds all answers in the end.
    """

    def __init__(self, directory: Path, questions: MaskedWords, count: int):
        self.directory, self.questions, self.count = directory, questions, count
        self.parts = directory.with_name(f"{directory.name}.shards")

    def left(self) -> list[int]:
        """The numbers of the groups without an answer, or with a damaged one, which is said."""
        if self.directory.exists():
            if (wrong := damage(self.directory)) is None:
                return []
            say(f"{self.directory} is damaged ({wrong}): the masked LM is asked again")
        for file in self.parts.glob("*.npz"):
            if wrong := archive_damage(file):
                say(f"{file} is damaged ({wrong}): the masked LM is asked again")
                file.unlink(missing_ok=True)
        done = {n for file in self.parts.glob("*.npz") for n in np.load(file)["groups"].tolist()}
        return [number for number in range(len(self.questions.groups)) if number not in done]

    def write(self, groups: Sequence[int], answers: Sequence[Words]) -> None:
        """Keeps the answers to some groups."""
        with writing(self.parts):
            self.parts.mkdir(parents=True, exist_ok=True)
        with written(self.parts / f"{groups[0]:07}-{groups[-1]:07}.npz") as partial:
            np.savez(partial, groups=np.array(groups), answers=np.concatenate(answers))

    def collect(self) -> Words:
        """The answers to all questions [questions, K], put into one file by whoever comes first."""
        built_once(self.directory, self._unite)
        shutil.rmtree(self.parts, ignore_errors=True)
        return np.load(self.directory / _ALL, mmap_mode="r")

    def _unite(self, work: Path) -> None:
        if left := self.left():
            raise RuntimeError(f"{self.parts} lacks the answers of {len(left)} groups")
        answers = np.full((len(self.questions), self.count), -1, np.int32)
        for shard in map(np.load, self.parts.glob("*.npz")):
            answers[np.concatenate([self.questions.groups[n] for n in shard["groups"]])] = shard["answers"]
        np.save(work / _ALL, answers)


class CandidateFinder(pl.LightningModule):
    """Answers the questions that a `Shards` lacks, each device its share, and writes a shard after every batch.

    The model is taken apart for it. On processors every group is computed by one thread, as many at once as there are
    threads: sums then run in the same order however many there are.
    """

    def __init__(
        self, model: PreTrainedModel, words: WholeWords, shards: Shards, *, batch_size: int, num_workers: int = 0
    ):
        super().__init__()
        self.model = MaskedPositions(model)
        self.words, self.shards, self.num_workers = words, shards, num_workers
        left = shards.left()
        self.words_left = sum(len(shards.questions.groups[number]) for number in left)
        self.batches = [left[i : i + batch_size] for i in range(0, len(left), batch_size)]

    def predict_dataloader(self) -> BatchLoader:
        """This device's share of the batches."""
        mine = self.batches[self.trainer.global_rank :: self.trainer.world_size]
        return BatchLoader(_Groups(self.shards.questions), mine, self.num_workers)

    def on_predict_start(self) -> None:
        """Prepares the model for the device that it is on by now."""
        if self.device.type == "cpu":
            self.model.pack()

    def predict_step(self, batch: tuple[list[int], list[Group]], batch_idx: int) -> int:
        """Finds candidates and writes them; returns for how many words."""
        numbers, groups = batch
        if self.device.type == "cpu":
            with single_threads() as threads:
                answers = list(threads.map(self._answer, groups))
        else:
            answers = [self._answer(group) for group in groups]
        self.shards.write(numbers, answers)
        return sum(map(len, answers))

    @torch.inference_mode()
    def _answer(self, group: Group) -> Words:
        return self.words.best(self.model(group.inputs, group.places), group.own, self.shards.count)

    def on_predict_end(self) -> None:
        """Waits until every device has written its shards."""
        self.trainer.strategy.barrier()


class _Groups(Dataset[Any]):
    """Indexing with the numbers of groups gives these and the groups."""

    def __init__(self, questions: MaskedWords):
        self.questions = questions

    def __getitem__(self, numbers: list[int]) -> tuple[list[int], list[Group]]:
        return numbers, [self.questions.group(number) for number in numbers]


@contextmanager
def single_threads() -> Iterator[ThreadPoolExecutor]:
    """As many workers as torch has threads, torch itself on one in each of them."""
    count = torch.get_num_threads()
    with use_threads(1), ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        yield threads
