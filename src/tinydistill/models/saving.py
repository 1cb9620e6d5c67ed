"""Saving what transformers loads again."""

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.models.loading import quiet_loading
from tinydistill.models.observation import release


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """Writes an encoder, with or without a head, and its tokenizer, vocab.txt too.

    Raises RuntimeError when that doesn't load again as it was.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with quiet_loading():
        release(model).eval().save_pretrained(directory, safe_serialization=True)
    tokenizer.save_pretrained(directory)
    if tokenizer.init_kwargs.get("unk_token") == "[UNK]" or "[UNK]" in tokenizer.all_special_tokens:
        vocabulary = tokenizer.get_vocab()
        words = "".join(f"{word}\n" for word in sorted(vocabulary, key=vocabulary.__getitem__))
        (directory / "vocab.txt").write_text(words, encoding="utf-8")
    for file in directory.iterdir():
        file.chmod(0o644)  # weights are written for their owner alone
    with quiet_loading():
        _, info = type(model).from_pretrained(directory, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"]:
        raise RuntimeError(f"{directory} doesn't load as it was saved: {info}")
