"""Prints docs/configuration.md: python -m tinydistill.schema > docs/configuration.md."""

from tinydistill.schema.reference import reference

if __name__ == "__main__":
    print(reference(), end="")
