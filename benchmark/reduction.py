"""Which references a method gets that takes fewer than the protocol gives: one rule for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from mrfashion.errors import UnknownNameError
from mrfashion.generation import Reference, Request
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

    front: smallest |yaw|. frame0: the first ones, as in the literature. nearest: smallest mean
    distance to the yaws of the target frames. A reference without a yaw comes last; the first
    of equals is kept.
    """
    if n < 1:
        raise ValueError(f"a generator must take at least one reference; got {n}")
    indices = range(len(request.references))
    costs = [_cost(reference, request, rule) for reference in request.references]
    return tuple(sorted(sorted(indices, key=lambda i: costs[i])[:n]))


def reduce_references(request: Request, rule: Rule, n: int) -> Request:
    """The same request with the references that `rule` keeps."""
    return with_references(request, kept_references(request, rule, n))


def with_references(request: Request, kept: tuple[int, ...]) -> Request:
    """The same request with the references at these indices."""
    return replace(request, references=tuple(request.references[i] for i in kept))


def _cost(reference: Reference, request: Request, rule: Rule) -> float:
    if rule == "frame0":
        return 0.0
    if reference.yaw_deg is None:
        return np.inf
    if rule == "front":
        return abs(reference.yaw_deg)
    known = request.yaw_deg[~np.isnan(request.yaw_deg)]
    distances = [distance_deg(reference.yaw_deg, float(yaw)) for yaw in known]
    return float(np.mean(distances)) if distances else 0.0
