"""The words that stage=augment would put in the place of a word, in a dozen sentences.

python benchmarks/candidates.py --model MASKED_LM [--count 8]
"""

import re
import tempfile
from pathlib import Path

import pytorch_lightning as pl

from common import parser
from tinydistill.augmentation.candidates import CandidateFinder, Shards, WholeWords
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.models.loading import load_tokenizer
from tinydistill.models.masked_lm import load_masked_lm

SENTENCES = """\
The train to the [coast] leaves at nine.
She opened the [window] to let in some air.
The film is [funny] from the first minute to the last.
He was [elected] mayor of the town in 1987.
The river [flows] through three countries.
Most of the [soldiers] had never seen the sea.
The price of bread [rose] again last year.
The old [church] was rebuilt after the fire.
Her second [novel] was a great success.
It is the [largest] island of the group.
They played the final in front of a huge [crowd].
The company [sold] its factory in the north."""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, help="directory or hub name of a masked LM")
    arguments.add_argument("--count", type=int, default=8)
    options = arguments.parse_args()
    words = {}
    for line in SENTENCES.splitlines():
        marked = re.search(r"\[(\w+)\]", line)
        assert marked is not None
        words[line.replace(marked[0], marked[1])] = [(marked.start(), marked.end() - 2)]
    tokenizer = load_tokenizer(options.model)
    vocabulary = WholeWords(tokenizer)
    questions = MaskedWords(words, tokenizer, max_length=128, askable=lambda _: True)
    with tempfile.TemporaryDirectory() as temporary:
        shards = Shards(Path(temporary, "candidates"), questions, options.count)
        finder = CandidateFinder(load_masked_lm(options.model), vocabulary, shards, batch_size=16, num_workers=0)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        pl.Trainer(**quiet, enable_checkpointing=False, accelerator="cpu").predict(finder, return_predictions=False)
        answers = shards.collect()
        for (text, [(start, end)]), question in zip(words.items(), questions.questions, strict=True):
            found = ", ".join(vocabulary.words[n] for n in answers[question] if n >= 0)
            print(f"| {text[:start]}**{text[start:end]}**{text[end:]} | {found} |")


if __name__ == "__main__":
    main()
