"""Exact Frechet distance between Gaussians fitted to two sets of features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGEST = 1e60  # products of four such numbers are still finite


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (d) and centred features (n d) of one set, from which its covariance is made."""

    mean: NDArray[np.float64]
    centred: NDArray[np.float64]
    dof: int

    @property
    def covariance(self) -> NDArray[np.float64]:
        """d d."""
        return self.centred.T @ self.centred / self.dof

    @property
    def variance(self) -> float:
        """Trace of the covariance."""
        return float(np.sum(np.square(self.centred))) / self.dof


def frechet_distance(a: ArrayLike, b: ArrayLike, ddof: int = 1) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^1/2) of n d features: squared, as FID is.

    Dowson and Landau 1982. `ddof` 1 divides the covariances by n - 1, 0 by n. Never NaN, complex or
    negative: the trace of the root is a sum of singular values, or of roots of eigenvalues of a
    symmetric matrix. Covariances come from centred float64 features; raw moments would lose the
    digits that tell them apart where means are large. ValueError for n <= ddof or a bad value.
    """
    x, y = _moments(a, ddof), _moments(b, ddof)
    if x.mean.shape != y.mean.shape:
        raise ValueError(f"features have {x.mean.size} and {y.mean.size} dimensions; needed: equal")
    gap = float(np.sum(np.square(x.mean - y.mean)))
    few = min(len(x.centred), len(y.centred)) < x.mean.size
    root = _trace_by_features(x, y) if few else _trace_by_covariance(x, y)
    return max(gap + x.variance + y.variance - 2 * root, 0.0)


def _moments(features: ArrayLike, ddof: int) -> Moments:
    array = np.asarray(features, np.float64)
    if ddof not in (0, 1):
        raise ValueError(f"ddof is {ddof}; allowed: 0, 1")
    if array.ndim != 2 or len(array) <= ddof or not array.shape[1]:
        raise ValueError(f"features are {array.shape}; needed: (n, d) with n > {ddof} and d > 0")
    if not (np.abs(array) < LARGEST).all():
        raise ValueError(f"features hold NaN or values beyond {LARGEST:g}; they are no measurement")
    mean = array.mean(0)
    return Moments(mean, array - mean, len(array) - ddof)


def _trace_by_features(x: Moments, y: Moments) -> float:
    """tr (A B)^1/2 = nuclear norm of X Y^T / sqrt(dof dof): n n instead of d d."""
    product = x.centred @ y.centred.T
    return float(np.linalg.svd(product, compute_uv=False).sum()) / math.sqrt(x.dof * y.dof)


def _trace_by_covariance(x: Moments, y: Moments) -> float:
    """tr (A B)^1/2 by eigenvalues of the symmetric A^1/2 B A^1/2."""
    values, vectors = np.linalg.eigh(x.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = root @ y.covariance @ root
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh((inner + inner.T) / 2), 0)).sum())
