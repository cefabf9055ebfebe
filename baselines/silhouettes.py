"""Which pixels of a reference show which part, and how far each part reaches to both sides."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.body_parts import ARMS, BINS, PARTS, Part, Pose, back_to_front, chain, in_front
from baselines.matting import Mask

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]  # h w: 0 backdrop, else 1 + the part's place in PARTS

ROWS = sum(BINS)
NUMBER = {name: i + 1 for i, name in enumerate(PARTS)}
REACH = 2.5  # radii at which a part ends at the latest
HIDING = 1.0  # radii of the body that no arm behind it may claim
TOUCHING = 0.25  # trust in an edge that another part makes
BRIDGED = 0.1  # trust in an edge between rows that show it
UNDER = 0.01  # units that a part goes on under the one that hides its edge
HEM_WINDOW = (0.03, 0.15)  # units over which widths above and below a hem are compared
HEM_DROP = 0.18  # of the width: cloth ends where as much is lost
NO_HEM = 0.2  # units of the pelvis that hang below the hip joints in trousers


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """How far a part reaches across its bone, in units, negative to the left."""

    left: Floats  # rows
    right: Floats  # rows
    trust_left: Floats  # rows, 0..1
    trust_right: Floats  # rows
    there: Floats  # rows, 1 where the part goes on, 0 where only backdrop is, NaN where covered


def label_parts(mask: Mask, pose: Pose) -> Labels:
    """Every pixel of the person goes to the nearest part, in radii; seen arms cover the body."""
    rows, columns = np.nonzero(mask)
    points = np.stack((columns, rows), 1).astype(np.float64)
    labels = np.zeros(mask.shape, np.uint8)
    if not len(points):
        return labels
    order = back_to_front(pose)
    distances = np.stack([_radii_away(points, pose, PARTS[name]) for name in order])
    for place, name in enumerate(order):
        if name.partition("_")[2] in ARMS:
            if in_front(pose, name):
                distances[place] *= np.where(distances[place] < 1, 0.1, 1.0)
            else:
                body = [i for i, n in enumerate(order) if n in ("torso", "skirt")]
                distances[place] += 9.0 * (distances[body].min(0) < HIDING)
    if "skirt" in order:
        _hang(distances, order, points, pose)
    numbers = np.array([NUMBER[name] for name in order], np.uint8)
    labels[rows, columns] = numbers[distances.argmin(0)]
    return labels


def _hang(distances: Floats, order: list[str], points: Floats, pose: Pose) -> None:
    """Cloth covers the legs down to its hem, and ends there; `distances` is changed."""
    top, hem = pose.axes["skirt"]
    along, _ = pose.directions("skirt")
    depth = (points - top) @ along
    above = depth <= np.hypot(*(hem - top))
    covered = above & (depth > 0)
    long = np.hypot(*(hem - top)) > (NO_HEM + 0.01) * pose.unit_px
    for place, name in enumerate(order):
        bone = name.partition("_")[2]
        if bone in ("thigh", "shin", "foot") and long:
            distances[place][above] += 99.0
        if name == "skirt":
            distances[place][~covered] += 99.0


def _radii_away(points: Floats, pose: Pose, part: Part) -> Floats:
    """Distance of points n 2 from a part's bone, in its radii as seen from here."""
    a, b = pose.axes[part.name]
    along = b - a
    t = ((points - a) @ along / max(float(along @ along), 1e-9)).clip(0, 1)
    wide, deep = abs(np.cos(pose.yaw_rad)), part.depth * abs(np.sin(pose.yaw_rad))
    radius_px = part.radius * float(np.hypot(wide, deep)) * pose.unit_px
    away: Floats = np.hypot(*(points - a - t[:, None] * along).T) / radius_px
    return away


def measure_edges(labels: Labels, pose: Pose, part: Part) -> Edges:
    """Where the part's own pixels end to the left and right of its bone, row by row."""
    along, across = pose.directions(part.name)
    steps = np.arange(0, REACH * part.radius * pose.unit_px + 1, 0.5)
    start = pose.axes[part.name][0] + pose.rows_px(part)[:, None] * along  # rows 2
    own, sides, there = [NUMBER[name] for name in chain(part.name)], [], np.zeros(ROWS)
    for sign in (-1, 1):
        x, y = np.moveaxis(
            (start[:, None] + sign * steps[:, None] * across).astype(np.float32), -1, 0
        )  # rows steps
        seen = cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        mine = np.isin(seen, own)
        # Backdrop ends a part; what lies before it may be an arm across.
        started = np.maximum.accumulate(mine, 1)
        mine &= ~np.maximum.accumulate(started & (seen == 0), 1)
        last = np.where(mine.any(1), mine.shape[1] - 1 - mine[:, ::-1].argmax(1), -1)
        next_one = seen[np.arange(len(seen)), np.minimum(last + 1, mine.shape[1] - 1)]
        there = np.where(last >= 0, 1.0, there)
        trust = np.where(last < 0, 0.0, np.where(next_one == 0, 1.0, TOUCHING))
        edge = (last + 1) * 0.5 / pose.unit_px + UNDER * (next_one > 0)
        sides.append(_settled(sign * edge, trust))
    there = np.where((there == 0) & (seen[:, 0] > 0), np.nan, there)
    (left, trust_left), (right, trust_right) = sides
    return Edges(left, right, trust_left, trust_right, there)


def _settled(edge: Floats, trust: Floats) -> tuple[Floats, Floats]:
    """An edge bridged over the rows that do not show it, then smoothed as far as it is trusted."""
    rows, known = np.arange(ROWS), trust > 0
    if not known.any():
        return edge, trust
    edge = np.where(known, edge, np.interp(rows, rows[known], edge[known]))
    trust = np.where(known, trust, BRIDGED)
    kernel = np.array((1.0, 2.0, 1.0)) / 4
    edge, weights = np.pad(edge, 1, mode="edge"), np.pad(trust, 1, mode="edge")
    total = np.convolve(weights, kernel, "valid")
    return np.convolve(weights * edge, kernel, "valid") / total, np.minimum(trust, total)


def find_hem(masks: list[Mask], poses: list[Pose]) -> float:
    """How far below the hips cloth hangs as one piece, in units, from where widths drop."""
    widths = [w for m, p in zip(masks, poses, strict=True) if (w := _widths(m, p)) is not None]
    if not widths:
        return NO_HEM
    step = 0.01
    shortest = min(len(w) for w in widths)
    width = np.mean([w[:shortest] for w in widths], 0)
    near, far = (round(edge / step) for edge in HEM_WINDOW)
    drops = np.zeros(shortest)
    for place in range(far, shortest - far):
        above, below = width[place - far : place - near], width[place + near : place + far]
        drops[place] = (above.mean() - below.mean()) / max(above.mean(), 1e-6)
    best = int(drops.argmax())
    return best * step if drops[best] > HEM_DROP else NO_HEM


def _widths(mask: Mask, pose: Pose) -> Floats | None:
    """Pixels of legs and cloth, without arms, every 0.01 units from hips to ankles, in units."""
    shins = [pose.axes[name] for name in ("left_shin", "right_shin") if name in pose.axes]
    if not shins:
        return None
    labels = label_parts(mask, pose)
    arms = [NUMBER[f"{side}_{arm}"] for side in ("left", "right") for arm in ARMS]
    counted = (mask & ~np.isin(labels, arms)).sum(1) / pose.unit_px
    hips_y, ankles_y = pose.axes["torso"][1, 1], min(axis[1, 1] for axis in shins)
    length = (ankles_y - hips_y) / pose.unit_px - 0.1
    if length < 0.4:
        return None
    rows = hips_y + np.arange(0, length, 0.01) * pose.unit_px
    widths: Floats = np.interp(rows, np.arange(len(counted)), counted)
    return widths
