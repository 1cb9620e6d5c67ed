"""A corpus: a text file with a document on every line."""

import hashlib
from pathlib import Path

from tinydistill.data.text.sources import Corpus


class LinesCorpus(Corpus):
    """The lines of a file that have at least `min_characters`."""

    def __init__(self, path: str, min_characters: int = 40):
        self.path, self.min_characters = Path(path), min_characters

    def documents(self):
        """The lines, in their order."""
        with self.path.open(encoding="utf-8") as file:
            yield from (line.strip() for line in file if len(line.strip()) >= self.min_characters)

    def identity(self):
        """The hash of the file, and the option that changes which lines are taken."""
        return f"lines {hashlib.sha256(self.path.read_bytes()).hexdigest()} {self.min_characters}"
