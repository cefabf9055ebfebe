"""The dressed body at rest: surfaces of revolution fixed to bones, and where the joints are."""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mrfashion.sources.turntable.figure import Figure, Profile, hem_levels, through
from mrfashion.sources.turntable.identity import HEMMED, Identity
from mrfashion.sources.turntable.skeleton import BONE, BONES, JOINT_BONES, JOINTS

PARTS = (
    "head", "hair", "mane", "nose", "l_ear", "r_ear", "neck",
    "yoke", "waist", "pelvis", "bust", "l_trapezius", "r_trapezius",
    "l_deltoid", "l_upper_arm", "l_elbow", "l_forearm", "l_hand", "l_sleeve",
    "r_deltoid", "r_upper_arm", "r_elbow", "r_forearm", "r_hand", "r_sleeve",
    "l_thigh", "l_knee", "l_shin", "l_ankle", "l_foot", "l_toes",
    "r_thigh", "r_knee", "r_shin", "r_ankle", "r_foot", "r_toes",
    "hem_0", "hem_1", "hem_2",
)  # fmt: skip
PART = {name: i for i, name in enumerate(PARTS)}
CHARTS = ("torso", "hem", "l_arm", "r_arm", "l_leg", "r_leg", "head", "hair", "skin", "shoes")
CHART = {name: i for i, name in enumerate(CHARTS)}

Point = tuple[float, float, float]
BALL: Profile = (1.0, 0.0, -1.0)


@dataclass(frozen=True, slots=True)
class Body:
    """Rest geometry: part i is {centre + linear u : ux^2 + uz^2 = profile(uy)}."""

    linear: Tensor  # p 3 3, float64
    centre: Tensor  # p 3
    profile: Tensor  # p 3
    ball: Tensor  # p, bool: closed, else cut at uy = 0 and uy = 1
    active: Tensor  # p, bool
    bone: Tensor  # p, int64
    chart: Tensor  # p, int64
    frame: Tensor  # charts 6: axis x and z, half width, half depth, top, bottom
    pivots: Tensor  # bones 3
    joints: Tensor  # 23 3


@dataclass(frozen=True, slots=True)
class Part:
    linear: tuple[Point, Point, Point]  # columns
    centre: Point
    profile: Profile
    bone: str
    chart: str


def cone(a: Point, b: Point, ra: float, rb: float, bone: str, chart: str, flat: float = 1) -> Part:
    """Frustum from a to b; `flat` scales the depth of its cross-section."""
    return spindle(a, b, (ra * ra, 2 * ra * (rb - ra), (rb - ra) ** 2), bone, chart, flat)


def spindle(a: Point, b: Point, profile: Profile, bone: str, chart: str, flat: float = 1) -> Part:
    """Surface of revolution about a to b with a quadratic r^2."""
    axis = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
    length = math.hypot(*axis)
    ux, uy, uz = (value / length for value in axis)
    # side = axis x front, so that the cross-section's depth stays along the body's front.
    side_length = math.hypot(uy, ux)
    side = (-uy / side_length, ux / side_length, 0.0)
    depth = (side[1] * uz, -side[0] * uz, side[0] * uy - side[1] * ux)
    columns = (side, axis, (depth[0] * flat, depth[1] * flat, depth[2] * flat))
    return Part(columns, a, profile, bone, chart)


def ball(centre: Point, radii: Point, bone: str, chart: str) -> Part:
    rx, ry, rz = radii
    return Part(((rx, 0, 0), (0, ry, 0), (0, 0, rz)), centre, BALL, bone, chart)


def _head(figure: Figure, identity: Identity) -> dict[str, Part]:
    k, y = figure.head, figure.head_y
    parts = {
        "head": ball((0, y, 0.008), (0.074 * k, 0.108 * k, 0.09 * k), "head", "head"),
        "hair": ball(
            (0, y + 0.022 * k, -0.018 * k), (0.083 * k, 0.101 * k, 0.094 * k), "head", "hair"
        ),
        "nose": ball((0, y - 0.018 * k, 0.094 * k), (0.011, 0.022, 0.017), "head", "head"),
        "neck": cone(
            (0, figure.neck_y - 0.04, -0.012), (0, figure.chin_y + 0.04, 0), 0.056, 0.05,
            "chest", "skin",
        ),
    }  # fmt: skip
    for side, s in (("l", 1), ("r", -1)):
        parts[f"{side}_ear"] = ball(
            (s * 0.078 * k, y - 0.006, -0.002), (0.012, 0.026, 0.016), "head", "skin"
        )
    if identity.hair_length == "bob":
        parts["mane"] = ball(
            (0, y - 0.03 * k, -0.042 * k), (0.095 * k, 0.12 * k, 0.07 * k), "head", "hair"
        )
    elif identity.hair_length == "long":
        parts["mane"] = ball(
            (0, y - 0.1 * k, -0.06 * k), (0.098 * k, 0.2 * k, 0.062 * k), "head", "hair"
        )
    return parts


def _torso(figure: Figure, identity: Identity) -> dict[str, Part]:
    """Pelvis, waist and yoke share radius and slope where they meet, so no crease shows."""
    low, high = (0.0, figure.trunk_low, 0.0), (0.0, figure.trunk_high, 0.0)
    length = high[1] - low[1]
    waist = figure.trunk_profile
    top_slope, low_slope = (waist[1] + 2 * waist[2]) / length, -waist[1] / length
    rise = figure.neck_y + 0.012 - figure.bust_y
    drop = 0.125
    top_r2, low_r2 = 0.045**2, 0.05**2
    # Value and slope at the seam, radius at the far end.
    yoke = (
        figure.chest**2,
        top_slope * rise,
        top_r2 - figure.chest**2 - top_slope * rise,
    )
    pelvis = (figure.hips**2, low_slope * drop, low_r2 - figure.hips**2 - low_slope * drop)
    flat = figure.flat
    # The waist runs on a little under the yoke, or a leaning chest would open a slit.
    lap = 0.02
    more = 1 + lap / length
    lapped = (waist[0], waist[1] * more, waist[2] * more * more)
    parts = {
        "waist": spindle(low, (0, high[1] + lap, 0), lapped, "pelvis", "torso", flat),
        "yoke": spindle(high, (0, figure.bust_y + rise, -0.012), yoke, "chest", "torso", flat),
        "pelvis": spindle(low, (0, low[1] - drop, 0), pelvis, "pelvis", "torso", flat),
    }
    if identity.build.bust > 0:
        parts["bust"] = ball(
            (0, figure.bust_y - 0.005, 0.056),
            (0.115, 0.07, 0.05 + 0.028 * identity.build.bust),
            "chest",
            "torso",
        )
    for side, s in (("l", 1), ("r", -1)):
        parts[f"{side}_trapezius"] = cone(
            (s * 0.03, figure.neck_y + 0.008, -0.014),
            (s * figure.shoulder_x, figure.shoulder_y + 0.004, -0.006),
            0.046, 0.054 * figure.limbs, "chest", "torso",
        )  # fmt: skip
    return parts


def _arm(figure: Figure, identity: Identity, side: str, s: int) -> dict[str, Part]:
    x, k, chart = s * figure.shoulder_x, figure.limbs, f"{side}_arm"
    upper, lower = f"{side}_upper_arm", f"{side}_forearm"
    cloth = 1.12 if identity.sleeve >= 0.99 else 1.0
    shoulder, elbow = (x, figure.shoulder_y, -0.006), (x, figure.elbow_y, -0.006)
    wrist = (x, figure.wrist_y, -0.006)
    shape = through(0.039 * k * cloth, 0.039 * k * cloth, 0.026 * k * cloth**2, 0.3)
    deltoid = 0.056 * k
    parts = {
        "deltoid": ball(shoulder, (deltoid, deltoid, deltoid), upper, chart),
        "upper_arm": cone(shoulder, elbow, 0.05 * k, 0.039 * k * cloth, upper, chart),
        "elbow": ball(elbow, (0.0392 * k * cloth,) * 3, upper, chart),
        "forearm": spindle(elbow, wrist, shape, lower, chart),
        "hand": ball((x, figure.wrist_y - 0.068, 0), (0.024, 0.095, 0.042), lower, "skin"),
    }
    if 0.0 < identity.sleeve < 0.45:
        end = (x + s * 0.008, figure.shoulder_y - 0.535 * identity.sleeve, -0.006)
        parts["sleeve"] = cone(shoulder, end, deltoid * 0.99, 0.057 * k, upper, chart)
    return {f"{side}_{name}": part for name, part in parts.items()}


def _leg(figure: Figure, identity: Identity, side: str, s: int) -> dict[str, Part]:
    x, k, chart = s * figure.hip_x, figure.limbs, f"{side}_leg"
    long = identity.lower in ("trousers", "tunic")
    cloth = 1.12 if long else 1.0
    hip, knee = (x, figure.hip_y - 0.01, 0.0), (x, figure.knee_y, 0.0)
    ankle = (x, figure.ankle_y, -0.012)
    calf = through(0.056 * k, 0.06 * k, 0.038 * k, 0.3)
    shin = spindle(knee, ankle, calf, f"{side}_shin", chart)
    if long:
        cuff = 0.05 + 0.12 * (identity.flare - 1.08)
        shin = cone(knee, (x, 0.06, -0.01), 0.056 * k * cloth, cuff, f"{side}_shin", chart)
    foot = f"{side}_foot"
    parts = {
        "thigh": cone(hip, knee, figure.thigh, 0.056 * k * cloth, f"{side}_thigh", chart),
        "knee": ball(knee, (0.0565 * k * cloth,) * 3, f"{side}_thigh", chart),
        "shin": shin,
        "ankle": ball(ankle, (0.042 * k, 0.05, 0.046 * k), f"{side}_shin", "shoes"),
        "foot": ball((x + s * 0.004, 0.036, 0.022), (0.043, 0.046, 0.098), foot, "shoes"),
        "toes": ball((x + s * 0.01, 0.028, 0.115), (0.048, 0.03, 0.068), foot, "shoes"),
    }
    return {f"{side}_{name}": part for name, part in parts.items()}


def _hem(figure: Figure, identity: Identity) -> dict[str, Part]:
    if identity.lower not in HEMMED:
        return {}
    levels = hem_levels(identity, figure)
    flat = figure.hem_flat
    return {
        f"hem_{i}": cone((0, y0, 0), (0, y1, 0), r0, r1, f"hem_{i}", "hem", flat)
        for i, ((y0, r0), (y1, r1)) in enumerate(itertools.pairwise(levels))
    }


def _joints(figure: Figure) -> dict[str, Point]:
    """Joints at rest; those of the surface lie a few millimetres under it, never beside it."""
    k, y = figure.head, figure.head_y
    joints: dict[str, Point] = {"nose": (0, y - 0.02 * k, 0.094 * k + 0.006)}
    for side, s in (("l", 1), ("r", -1)):
        x, leg = s * figure.shoulder_x, s * figure.hip_x
        joints |= {
            f"{side}_eye": (s * 0.031 * k, y + 0.012 * k, 0.004 + 0.081 * k),
            f"{side}_ear": (s * (0.078 * k + 0.002), y - 0.006, -0.002),
            f"{side}_shoulder": (x, figure.shoulder_y, -0.006),
            f"{side}_elbow": (x, figure.elbow_y, -0.006),
            f"{side}_wrist": (x, figure.wrist_y, -0.006),
            f"{side}_hip": (leg, figure.hip_y, 0),
            f"{side}_knee": (leg, figure.knee_y, 0),
            f"{side}_ankle": (leg, figure.ankle_y, -0.012),
            f"{side}_big_toe": (leg - s * 0.012, 0.022, 0.152),
            f"{side}_small_toe": (leg + s * 0.042, 0.022, 0.125),
            f"{side}_heel": (leg, 0.026, -0.055),
        }
    return joints


def _pivots(figure: Figure, identity: Identity) -> dict[str, Point]:
    pivots: dict[str, Point] = {
        "root": (0, 0, 0),
        "pelvis": (0, figure.hip_y, 0),
        "chest": (0, figure.waist_y + 0.08, 0),
        "head": (0, figure.chin_y, -0.005),
    }
    for i, (y, _) in enumerate(hem_levels(identity, figure)[:3]):
        pivots[f"hem_{i}"] = (0, y, 0)
    joints = _joints(figure)
    ends = {"upper_arm": "shoulder", "forearm": "elbow", "thigh": "hip", "shin": "knee"}
    for side in "lr":
        for bone, joint in (ends | {"foot": "ankle"}).items():
            pivots[f"{side}_{bone}"] = joints[f"{side}_{joint}"]
    return pivots


def _frames(figure: Figure, identity: Identity) -> list[tuple[float, ...]]:
    wide = max(figure.hips, figure.chest) * 1.02
    hem = hem_levels(identity, figure)[3][1]
    arm, leg, k = 0.06 * figure.limbs, 0.09 * figure.limbs, figure.head
    sx, hx, hip = figure.shoulder_x, figure.hip_x, figure.hip_y
    skull = (0.0, 0.008, 0.074 * k, 0.09 * k, figure.head_y + 0.108 * k, figure.chin_y - 0.01)
    shoulder = figure.shoulder_y
    return [
        (0, 0, wide, wide * figure.flat, figure.neck_y + 0.07, hip - 0.11),
        (0, 0, hem, hem * figure.hem_flat, figure.hem_top, figure.hem_bottom - 1e-3),
        (sx, -0.006, arm, arm, shoulder + 0.06, figure.wrist_y),
        (-sx, -0.006, arm, arm, shoulder + 0.06, figure.wrist_y),
        (hx, 0, leg, leg, hip + 0.08, 0.05),
        (-hx, 0, leg, leg, hip + 0.08, 0.05),
        skull,
        skull,
        (0, 0, 1, 1, 2, 0),
        (0, 0, 1, 1, 0.15, 0),
    ]


@lru_cache(maxsize=512)
def build_body(identity: Identity) -> Body:
    """Rest geometry of an identity; every identity has the same slots, some of them inactive."""
    figure = Figure(identity)
    parts = _head(figure, identity) | _torso(figure, identity) | _hem(figure, identity)
    for side, s in (("l", 1), ("r", -1)):
        parts |= _arm(figure, identity, side, s) | _leg(figure, identity, side, s)
    idle = ball((0, 1, 0), (0.01, 0.01, 0.01), "pelvis", "skin")
    slots = [parts.get(name, idle) for name in PARTS]
    pivots, joints = _pivots(figure, identity), _joints(figure)

    def table(rows: list[object]) -> Tensor:
        return torch.tensor(rows, dtype=torch.float64)

    return Body(
        linear=table([part.linear for part in slots]).mT.contiguous(),
        centre=table([part.centre for part in slots]),
        profile=table([part.profile for part in slots]),
        ball=torch.tensor([part.profile == BALL for part in slots]),
        active=torch.tensor([name in parts for name in PARTS]),
        bone=torch.tensor([BONE[part.bone] for part in slots]),
        chart=torch.tensor([CHART[part.chart] for part in slots]),
        frame=table(list(_frames(figure, identity))),
        pivots=table([pivots[name] for name in BONES]),
        joints=table([joints[name] for name in JOINTS]),
    )


JOINT_BONE_INDEX = torch.tensor([BONE[name] for name in JOINT_BONES])
