"""Heights and widths of a dressed figure, in metres: what parts, joints and textures are set by."""

import math

from mrfashion.sources.turntable.identity import Identity

Profile = tuple[float, float, float]  # r^2 = a + b t + c t^2 along the axis


class Figure:
    """Heights and radii of one identity, in metres; every part is placed from these."""

    def __init__(self, identity: Identity) -> None:
        build = identity.build
        self.legs, self.limbs = build.legs, build.limbs
        self.hip_y, self.knee_y, self.ankle_y = 0.89 * self.legs, 0.475 * self.legs, 0.085
        self.waist_y, self.bust_y = self.hip_y + 0.17, self.hip_y + 0.35
        self.shoulder_y = self.hip_y + 0.515
        self.neck_y = self.shoulder_y + 0.045
        self.chin_y = self.neck_y + 0.085
        self.head = build.head
        self.head_y = self.chin_y + 0.098 * self.head
        self.flat = 0.66 * build.depth
        self.hips, self.waist = 0.172 * build.hips, 0.132 * build.waist
        self.chest = 0.154 * build.chest
        self.shoulder_x = 0.172 * build.shoulders
        self.hip_x = 0.088 * build.hips
        self.thigh = min(0.086 * self.limbs, self.hips - self.hip_x - 0.003)
        self.elbow_y, self.wrist_y = self.shoulder_y - 0.29, self.shoulder_y - 0.535
        self.hem_top = self.hip_y + 0.12
        self.hem_bottom = self.hem_top - identity.hem_m
        self.hem_flat = 1.18 * self.flat
        self.trunk_low, self.trunk_high = self.hip_y + 0.02, self.bust_y
        self.trunk_profile = through(self.hips, self.waist, self.chest)

    def trunk(self, y: float) -> float:
        """Half width of the trunk between the hips and the chest."""
        t = (y - self.trunk_low) / (self.trunk_high - self.trunk_low)
        a, b, c = self.trunk_profile
        return math.sqrt(a + b * t + c * t * t)


def hem_levels(identity: Identity, figure: Figure) -> list[tuple[float, float]]:
    """Height and half width at the four rings of the hanging cloth: waist, seat, and below."""
    seat_y = min(figure.hip_y + 0.01, figure.hem_top - 0.25 * identity.hem_m)
    seat = figure.hips * 1.045
    bottom = seat * identity.flare + 0.06 * identity.hem_m
    half_y = (seat_y + figure.hem_bottom) / 2
    return [
        (figure.hem_top, figure.trunk(figure.hem_top) * 1.03),
        (seat_y, seat),
        (half_y, seat + 0.45 * (bottom - seat)),
        (figure.hem_bottom, bottom),
    ]


def through(r0: float, middle: float, r1: float, at: float = 0.5) -> Profile:
    """Profile with these radii at t = 0, `at` and 1."""
    a, m, e = r0 * r0, middle * middle, r1 * r1
    c = ((m - a) / at - (e - a)) / (at - 1)
    return (a, e - a - c, c)
