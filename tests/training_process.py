"""One process of a run on fixed data, for several at once: OUT is its only argument."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

from model import training
from model.training import Limits, Run, accelerator_on
from model.training_folder import Folder
from mrfashion.progress import silent
from tests.fixed_data import TINY, config, open_fixed, stage


def main(out: Path) -> None:
    """Train both stages as `train` does, and keep what this process ends with."""
    training.open_data = open_fixed
    settings, accelerator = config(stage(1, 2), stage(2, 2)), accelerator_on("cpu")
    with Folder(out, accelerator) as folder:
        folder.claim(settings, TINY, None)
        run = Run(settings, TINY, folder, None, Limits(), silent)
        assert run.go()
    weights = run.network.state_dict()
    save_file(weights, out / f"process-{accelerator.process_index}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
