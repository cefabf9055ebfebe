"""Write `skeletons.npz`: a few poses as the published code draws them.

`python -m tests.golden.skeletons --dwpose FOLDER --mimicmotion FOLDER`, with checkouts of
IDEA-Research/DWPose and Tencent/MimicMotion.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmark.perf.drawing import peers, random_poses

GOLDEN = Path(__file__).with_suffix(".npz")
SIZES = ((128, 96), (151, 113), (90, 160))  # h, w
FRAMES = 4


def main() -> None:
    """Overwrite the golden file: `keypoints-HxW` and `STYLE-HxW`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dwpose", type=Path, required=True)
    parser.add_argument("--mimicmotion", type=Path, required=True)
    chosen = parser.parse_args()
    arrays = {}
    for seed, (height, width) in enumerate(SIZES):
        keypoints = random_poses(FRAMES, (height, width), seed)
        keypoints[-1, :23, 0] += 0.4 * width  # partly off the frame
        arrays[f"keypoints-{height}x{width}"] = keypoints
        for style, prepare in peers(chosen.dwpose, chosen.mimicmotion).items():
            arrays[f"{style}-{height}x{width}"] = prepare(keypoints, (height, width))()
    np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    main()
