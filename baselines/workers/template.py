"""A worker to start from: copy it with `serving.py`, and change INFO, `load` and `answer`.

It repeats the first reference. Heavy imports belong inside `load`, after `serve` has put aside
stdout: whatever the method prints then reaches the log and not the protocol. The entrant file:

    generator = "worker"
    [settings]
    python = "/path/to/its/environment/bin/python"
    script = "my_worker.py"
"""

from __future__ import annotations

from typing import Any

import numpy as np

# What the method is: a literal, for it is read without running this file. The keys are those of
# mrfashion.generation.GeneratorInfo, and:
#   draw          style of the skeletons that requests carry (`dwpose-133`), or None
#   needs         which of python, checkout and weights a user has to set
#   weight_files  patterns below the folder `weights`; their sha256 tell runs apart
#   options       what `[settings.options]` may set, with the defaults
INFO = {
    "kind": "copy",
    "summary": "repeats the first reference, in a process of its own",
    "version": 1,
    "max_references": 1,
    "code_licence": "Apache-2.0",
    "inputs": ["references"],
    "draw": None,
    "needs": [],
    "weight_files": [],
    "options": {},
}


def load(start: Any) -> dict[str, Any]:
    """Load networks onto `start.device`; FileNotFoundError where weights are missing.

    What it returns is given to every `answer`.
    """
    return dict(start.options)


def answer(state: dict[str, Any], request: Any) -> dict[str, Any]:
    """Make one video (serving.Request says what is asked); raise serving.Unsupported if it cannot.

    Running out of memory, or any other exception, costs this request alone.
    """
    from serving import Unsupported

    image = request.references[0].image
    if image.shape[:2] != request.size:
        raise Unsupported(f"the reference is {image.shape[:2]}, asked is {request.size}")
    frames = len(request.keypoints)
    return {
        "frames": np.repeat(image[None], frames, axis=0),
        "reference_weights": np.ones((frames, len(request.references)), np.float32)
        / len(request.references),
        "effective": state,
    }


if __name__ == "__main__":
    from serving import serve

    serve(INFO, load, answer)
