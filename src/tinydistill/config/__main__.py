"""Prints docs/configuration.md: python -m tinydistill.config > docs/configuration.md."""

from tinydistill.config.reference import reference

if __name__ == "__main__":
    print(reference(), end="")
