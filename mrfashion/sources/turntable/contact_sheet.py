"""Clips at a glance: python -m mrfashion.sources.turntable.contact_sheet --out sheet.png"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mrfashion.sources.turntable.clips import MOTIONS, TurntableConfig, clip_plan, render_plan
from mrfashion.sources.turntable.renderer import Recording

LIMBS = (
    (5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (11, 12), (5, 11), (6, 12),
    (11, 13), (13, 15), (12, 14), (14, 16), (0, 1), (0, 2), (1, 3), (2, 4),
    (15, 17), (15, 19), (16, 20), (16, 22),
)  # fmt: skip
LEFT_COLOUR, RIGHT_COLOUR, HIDDEN_COLOUR = (255, 60, 60), (60, 130, 255), (130, 130, 130)
LEFT_JOINTS = {1, 3, 5, 7, 9, 11, 13, 15, 17, 18, 19}


def contact_sheet(
    recordings: Sequence[Recording], columns: int = 8, *, keypoints: bool = False
) -> Image.Image:
    """Rows are clips, columns evenly spaced frames; joints on top if asked, hidden ones grey."""
    if not recordings or columns < 1:
        raise ValueError(
            f"{len(recordings)} clips in {columns} columns make no sheet; give at least 1 of each"
        )
    rows = []
    for recording in recordings:
        picks = np.linspace(0, len(recording.frames) - 1, columns).round().astype(int)
        images = [Image.fromarray(recording.frames[i]) for i in picks]
        if keypoints:
            for image, i in zip(images, picks, strict=True):
                _draw(image, recording.keypoints[i])
        rows.append(np.concatenate([np.asarray(image) for image in images], axis=1))
    return Image.fromarray(np.concatenate(rows, axis=0))


def _draw(image: Image.Image, joints: np.ndarray) -> None:
    draw = ImageDraw.Draw(image)
    radius = max(1, image.height // 160)
    for a, b in LIMBS:
        if joints[a, 2] > 0 and joints[b, 2] > 0:
            hidden = min(joints[a, 2], joints[b, 2]) < 1
            ends = [(float(joints[j, 0]), float(joints[j, 1])) for j in (a, b)]
            draw.line(ends, fill=HIDDEN_COLOUR if hidden else (250, 220, 60))
    for j in np.flatnonzero(joints[:, 2] > 0):
        x, y, score = (float(value) for value in joints[j])
        colour = LEFT_COLOUR if int(j) in LEFT_JOINTS else RIGHT_COLOUR
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=colour if score == 1 else HIDDEN_COLOUR,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw turntable clips as one picture.")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--clips-per-group", type=int, default=1)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--motion", choices=MOTIONS, help="one kind for all clips")
    parser.add_argument("--keypoints", action="store_true", help="draw the joints on top")
    chosen = parser.parse_args()
    config = TurntableConfig(
        groups=chosen.groups,
        clips_per_group=chosen.clips_per_group,
        frames=chosen.frames,
        height=chosen.height,
        width=chosen.width,
        seed=chosen.seed,
        flow=False,
        motions=(chosen.motion,) if chosen.motion else MOTIONS,
    )
    recordings = [render_plan(plan, config) for plan in clip_plan(config)]
    contact_sheet(recordings, chosen.columns, keypoints=chosen.keypoints).save(chosen.out)


if __name__ == "__main__":
    main()
