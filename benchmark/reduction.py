"""Which references a method gets that takes fewer than the protocol gives: one rule for all."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

from mrfashion.errors import UnknownNameError
from mrfashion.generation import Request
from mrfashion.views import distance_deg

Rule = Literal["front", "frame0", "nearest"]
RULES: tuple[str, ...] = get_args(Rule)


def as_rule(name: str) -> Rule:
    """A rule by name; UnknownNameError lists near names."""
    for rule in get_args(Rule):
        if rule == name:
            return rule  # type: ignore[no-any-return]
    raise UnknownNameError("reduction rule", name, RULES)


def kept_references(request: Request, rule: Rule, n: int) -> tuple[int, ...]:
    """Indices of the at most `n` references that `rule` keeps, in their original order.

    front: smallest |yaw|. frame0: the first in the sample's order; the literature gives frame 0
    of the target itself, which no sample does, since it is a target frame. nearest: smallest mean
    angle to the yaws of the target frames that have one; where none has, all are equal. A
    reference without a yaw comes last; the first of equals is kept.
    """
    if n < 1:
        raise ValueError(f"a generator must take at least one reference; got {n}")
    costs = [_cost(reference.yaw_deg, request, rule) for reference in request.references]
    return tuple(sorted(sorted(range(len(costs)), key=lambda i: costs[i])[:n]))


def reduce_references(request: Request, rule: Rule, n: int) -> Request:
    """The same request with the references that `rule` keeps."""
    return with_references(request, kept_references(request, rule, n))


def with_references(request: Request, kept: tuple[int, ...]) -> Request:
    """The same request with the references at these indices."""
    return replace(request, references=tuple(request.references[i] for i in kept))


def _cost(yaw_deg: float | None, request: Request, rule: Rule) -> float:
    """What keeping a reference costs: degrees, or 0 where the order alone decides."""
    if rule == "frame0":
        return 0.0
    if yaw_deg is None or not math.isfinite(yaw_deg):
        return math.inf
    if rule == "front":
        return distance_deg(yaw_deg, 0.0)
    known = [yaw for yaw in request.yaw_deg.tolist() if math.isfinite(yaw)]
    return math.fsum(distance_deg(yaw_deg, yaw) for yaw in known) / max(1, len(known))
