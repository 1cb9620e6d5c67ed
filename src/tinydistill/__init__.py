"""tinydistill: turn a BERT into a TinyBERT.

The package is imported by the command line before anything is known, so this file imports nothing heavy.
"""

__version__ = "0.1.0"
