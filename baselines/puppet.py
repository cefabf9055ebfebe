"""A dressed person taken apart: built once from the references, drawn in any pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.body_parts import Pose, make_pose
from baselines.matting import Image, matte, shared_backdrop
from baselines.painting import paint
from baselines.silhouettes import find_hem, label_parts
from baselines.textures import Surface, make_surfaces
from baselines.weighing import Weighing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One picture to build from."""

    image: Image  # h w 3; all of one size
    joints: Floats  # k 3, in its pixels; score 0 where missing
    yaw_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class Puppet:
    """The parts of a person, where their clothes end, and what is behind them."""

    surfaces: dict[str, Surface]
    backdrop: Image
    hem_units: float
    views: int

    def draw(self, joints: Floats, yaw_deg: float, weighing: Weighing) -> tuple[Image, Floats]:
        """The person in a pose, and how many pixels each view gave."""
        canvas = self.backdrop.astype(np.float32)
        given = np.zeros(self.views)
        pose = make_pose(joints, yaw_deg, self.hem_units)
        if pose is not None:
            given = paint(canvas, pose, self.surfaces, self.views, weighing)
        return np.rint(canvas).clip(0, 255).astype(np.uint8), given


def drawable(view: View) -> bool:
    """Whether a view shows a body that can be taken apart."""
    return make_pose(view.joints, view.yaw_deg) is not None


def build_puppet(views: Sequence[View]) -> Puppet | None:
    """A puppet from drawable views; None where no pixel of theirs is a person's."""
    poses = _poses(views)
    mattes = [matte(view.image, pose) for view, pose in zip(views, poses, strict=True)]
    # One view's person hides what another shows: with the backdrop of all, edges are surer.
    backdrop = shared_backdrop(mattes, poses)
    masks = [
        matte(view.image, pose, backdrop).mask for view, pose in zip(views, poses, strict=True)
    ]
    hem = find_hem(masks, poses)
    poses = _poses(views, hem)
    labels = [label_parts(mask, pose) for mask, pose in zip(masks, poses, strict=True)]
    surfaces = make_surfaces([view.image for view in views], labels, poses)
    return Puppet(surfaces, backdrop, hem, len(views)) if surfaces else None


def _poses(views: Sequence[View], hem_units: float | None = None) -> list[Pose]:
    poses = [make_pose(view.joints, view.yaw_deg, hem_units) for view in views]
    whole = [pose for pose in poses if pose is not None]
    if not whole or len(whole) < len(views):
        raise ValueError(f"{len(whole)} of {len(views)} views are drawable; all and one must be")
    return whole
