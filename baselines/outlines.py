"""Cross-sections of body parts, seen from above, from how far they reach in a few views.

A convex outline is known by how far it reaches in each direction psi, 0 being the body's front:
H = h0 + h1 cos psi + h2 cos 2 psi, alike left and right. Its point with the normal psi stands, at
yaw y and with a = psi + y, at x = H sin a + H' cos a across the bone, and is seen where cos a > 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baselines.body_parts import Part
from baselines.silhouettes import ROWS, Edges

Floats = NDArray[np.float64]
SIDES = np.array([[-np.pi / 2, np.pi / 2]])  # directions of the left and right edge
PRIOR_TRUST = 0.04  # trust in the first guess, in edges
ROUND = 0.9  # of the flatness at which an outline stops being convex


def across(support: Floats, psi: Floats, yaw_rad: float) -> Floats:
    """Place across the bone of the surface with its normal at psi, at a yaw; rows n, units."""
    h0, h1, h2 = (support[:, i : i + 1] for i in range(3))
    reach = h0 + h1 * np.cos(psi) + h2 * np.cos(2 * psi)
    slope = -h1 * np.sin(psi) - 2 * h2 * np.sin(2 * psi)
    place: Floats = reach * np.sin(psi + yaw_rad) + slope * np.cos(psi + yaw_rad)
    return place


def fit_support(part: Part, edges: list[Edges], yaws_rad: list[float], trust: Floats) -> Floats:
    """Outline of every row seen from above, from its edges in several views: rows 3, units.

    A view at yaw y shows H(90 - y) and H(-90 - y). Limbs are round: h0 alone.
    """
    prior = np.array((part.radius * (1 + part.depth) / 2, 0.0, -part.radius * (1 - part.depth) / 2))
    solved = np.zeros((ROWS, 3))
    terms = 3 if part.turns else 1
    yaws = np.array(yaws_rad)
    psi = np.concatenate((np.pi / 2 - yaws, -np.pi / 2 - yaws))
    basis = np.stack((np.ones_like(psi), np.cos(psi), np.cos(2 * psi)), 1)[:, :terms]
    for row in range(ROWS):
        reach = np.array([e.right[row] for e in edges] + [-e.left[row] for e in edges])
        sure = np.array([e.trust_right[row] for e in edges] + [e.trust_left[row] for e in edges])
        weight = sure * np.concatenate((trust, trust))
        normal = basis.T @ (weight[:, None] * basis) + PRIOR_TRUST * np.eye(terms)
        wanted = basis.T @ (weight * reach) + PRIOR_TRUST * prior[:terms]
        solved[row, :terms] = np.linalg.solve(normal, wanted)
    return _convex(_smoothed(solved))


def _convex(support: Floats) -> Floats:
    """The outline with its corners rounded until it is convex."""
    h0 = np.maximum(support[:, 0], 0.0)
    limit = ROUND * h0 / 3
    return np.stack((h0, support[:, 1], np.clip(support[:, 2], -limit, limit)), 1)


def _smoothed(rows: Floats) -> Floats:
    padded = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
    smooth: Floats = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return smooth
