"""Which of several cooperating processes this one is, before any of them has started to train."""

import os


def rank() -> int:
    """0 for a lone or leading process; under torchrun, SLURM or Lightning's own launcher what they say."""
    for variable in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if variable in os.environ:
            return int(os.environ[variable])
    return 0
