"""Documents → tokens → blocks on disk, built once per content and mapped into memory."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.disk import writing
from tinydistill.artifacts.files import built_once, digest, kept, read_json, write_json, write_sealed
from tinydistill.data.text.packing import BlockFile, BlockWriter, HeldOut
from tinydistill.data.text.sources import Corpus
from tinydistill.data.text.token_ids import Delimited, prepare_tokenizer, token_dtype
from tinydistill.data.text.tokenized import tokenize
from tinydistill.errors import InputError

FORMAT = 1  # part of every cache key: raise it when the same text gives other blocks
MIN_HELDOUT_BLOCKS = 8  # a handful, where the corpus is large enough for it


@dataclass(frozen=True)
class Blocks:
    """A corpus as blocks. `summary`: documents, characters, `pieces` (tokens), what they were made from."""

    train: BlockFile
    heldout: BlockFile
    summary: dict[str, Any]


@dataclass(frozen=True)
class Cutting:
    """How a corpus is cut into blocks: what a TextDataModule is told of it."""

    max_length: int
    heldout_fraction: float = 0.02
    heldout_blocks: int = 256


def build_blocks(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, cutting: Cutting, *, cache_dir: str | Path
) -> Blocks:
    """The blocks of a corpus, built first unless `cache_dir` has them, by the content of corpus and tokenizer.

    Raises InputError where the corpus can't be read, the tokenizer can't delimit blocks, or they have no room for text.
    """
    delimited = prepare_tokenizer(tokenizer)
    entry, settings = _entry(corpus, delimited, cutting, Path(cache_dir))
    built_once(entry, lambda work: _build(work, corpus, delimited, settings))
    return Blocks(BlockFile(entry / "train.npy"), BlockFile(entry / "heldout.npy"), read_json(entry / "summary.json"))


def has_blocks(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, cutting: Cutting, *, cache_dir: Path) -> bool:
    """Whether the cache has the blocks that `build_blocks` would give; no text is read to find out."""
    known = _remembered(corpus, cache_dir).exists()
    return known and _entry(corpus, prepare_tokenizer(tokenizer), cutting, cache_dir)[0].exists()


def _entry(corpus: Corpus, delimited: Delimited, cutting: Cutting, cache: Path) -> tuple[Path, dict[str, Any]]:
    """Where the blocks are kept, and what they depend on."""
    if cutting.max_length < 3:
        raise InputError(
            f"max_length={cutting.max_length} leaves no room between [CLS] and [SEP]",
            "raise {TextDataModule.max_length} to 3 or more",
        )
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    backend, begin, end = delimited
    settings = {
        "corpus": _identity(corpus, cache),
        "tokenizer": hashlib.sha256(f"{backend.to_str()} {begin} {end}".encode()).hexdigest(),
        **asdict(cutting),
        "format": FORMAT,
    }
    return cache / f"blocks-{digest(settings)}", settings


def _build(work: Path, corpus: Corpus, delimited: Delimited, settings: dict[str, Any]) -> None:
    length, fraction, cap = (settings[key] for key in ("max_length", "heldout_fraction", "heldout_blocks"))
    backend, begin, end = delimited
    width = length - 2
    dtype = token_dtype(backend)
    counts = {"documents": 0, "characters": 0, "pieces": 0}
    heldout = HeldOut(cap * width)
    with BlockWriter(work / "train.npy", length, begin, end, dtype) as train:
        for characters, key, pieces in tokenize(corpus, backend, dtype, work):
            for what, amount in zip(counts, (1, characters, len(pieces)), strict=True):
                counts[what] += amount
            train.add(heldout.offer(key, pieces))
        pieces_in_all = counts["pieces"] + counts["documents"]  # a separator each
        wanted = max(fraction * pieces_in_all, min(MIN_HELDOUT_BLOCKS * width, pieces_in_all / 5), width)
        train.add(heldout.shrink(wanted))
    with BlockWriter(work / "heldout.npy", length, begin, end, dtype, cap) as writer:
        writer.add(heldout.documents())
    summary = {**counts, "train_blocks": train.blocks, "heldout_blocks": writer.blocks, "settings": settings}
    write_json(work / "summary.json", summary)


def _identity(corpus: Corpus, cache: Path) -> str:
    """The corpus's identity, remembered by its stamp: a second run doesn't read the files to hash them."""
    known = _remembered(corpus, cache)
    found = kept(known, "the corpus is read again")
    if found is None:
        write_sealed(known, found := {"identity": corpus.identity()})
    return str(found["identity"])


def _remembered(corpus: Corpus, cache: Path) -> Path:
    return cache / f"identity-{digest(corpus.stamp())}.json"
