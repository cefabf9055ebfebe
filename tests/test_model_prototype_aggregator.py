"""PPA by itself: weights, aggregations and what is counted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.prototype_aggregator import PoseSimilarity, PrototypeAggregator, aligned, mixed, weigh
from model.reference_encoder import ReferenceFeatures
from tests.tiny_networks import drawings, network, references, tiny


def scores(b: int = 2, f: int = 3, r: int = 4, n: int = 5) -> Tensor:
    return torch.randn(b, f, r, n, generator=torch.Generator().manual_seed(0))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 4), st.booleans())
def test_weights_are_shares_of_the_valid_whatever_their_order(
    order: list[int], count: int, hard: bool
) -> None:
    given_scores, valid = scores(), torch.arange(4).expand(2, 4) < count
    weights = weigh(given_scores, valid, hard)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 3, 5))
    assert not weights[:, :, count:].any()
    torch.testing.assert_close(
        weigh(given_scores[:, :, order], valid[:, order], hard), weights[:, :, order]
    )


def test_without_any_reference_all_weights_are_zero() -> None:
    assert not weigh(scores(), torch.zeros(2, 4, dtype=torch.bool)).any()


def test_nearest_takes_the_best_alone_and_learns_as_the_soft_weights_do() -> None:
    soft_scores, hard_scores = (scores().requires_grad_() for _ in range(2))
    hard = weigh(hard_scores, None, hard=True)
    assert torch.equal(hard.argmax(dim=2), hard_scores.argmax(dim=2))
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    worth = torch.randn_like(hard)
    (hard * worth).sum().backward()
    (weigh(soft_scores, None) * worth).sum().backward()
    torch.testing.assert_close(hard_scores.grad, soft_scores.grad)


@pytest.mark.parametrize("kind", ["dot", "cosine", "learned"])
def test_weights_are_taken_in_float32_under_bfloat16(kind: str) -> None:
    torch.manual_seed(0)
    similarity = PoseSimilarity(kind, 16)  # type: ignore[arg-type]
    query, key = torch.randn(1, 3, 5, 16), torch.randn(1, 4, 5, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = similarity(query.bfloat16(), key.bfloat16())
        weights = weigh(found, None)
    assert found.dtype is weights.dtype is torch.float32
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(1, 3, 5))
    assert not torch.equal(weights, weights.bfloat16().float())


@pytest.mark.parametrize("kind", ["dot", "cosine"])
def test_an_untrained_similarity_prefers_the_same_pose(kind: str) -> None:
    key = torch.nn.functional.layer_norm(torch.randn(1, 6, 7, 16), (16,))
    found = PoseSimilarity(kind, 16)(key[:, [3]], key)  # type: ignore[arg-type]
    assert (found.argmax(dim=2) == 3).all()


def test_dot_is_the_scaled_product_of_poses() -> None:
    query, key = torch.randn(1, 2, 3, 16), torch.randn(1, 4, 3, 16)
    found = PoseSimilarity("dot", 16)(query, key)
    for f in range(2):
        for r in range(4):
            for p in range(3):
                expected = torch.dot(query[0, f, p], key[0, r, p]) / 4
                torch.testing.assert_close(found[0, f, r, p], expected)


def test_a_prototype_is_the_weighted_sum_at_each_place() -> None:
    weights, bank = weigh(scores(), None), torch.randn(2, 4, 5, 6)
    expected = (weights[..., None] * bank[:, None]).sum(dim=2)
    torch.testing.assert_close(mixed(weights, bank), expected)


def test_alignment_finds_where_the_same_pose_is_shown() -> None:
    shown, bank = 40 * torch.eye(6).reshape(1, 2, 3, 6), torch.randn(1, 2, 3, 4)
    moved = aligned(shown[:, [1]], shown, bank, None)
    torch.testing.assert_close(moved, bank[:, [1]])
    first = aligned(shown[:, [1]], shown, bank, torch.tensor([[True, False]]))
    torch.testing.assert_close(first, bank[:, [0]].mean(dim=2, keepdim=True).expand_as(first))


@pytest.mark.parametrize("r", [1, 3])
def test_concat_keeps_every_token_and_a_prototype_as_many_as_one_reference(r: int) -> None:
    for aggregation, parts in (("concat", r), ("pose-aware", 1), ("mean", 1)):
        net = network(aggregation=aggregation)
        with torch.no_grad():
            prototypes = net.condition(drawings(b=2), references(b=2, r=r)).prototypes
        assert len(prototypes.fine) == 7  # one for each spatial self-attention
        counts = {tokens.shape[:3] for tokens in prototypes.fine.values()}
        places = (16 * 12, 8 * 6)
        assert counts == {(2, 2, parts * n) for n in places}
        assert prototypes.tokens.shape == (2, 2, parts * 2, 16)


def test_gates_of_alignment_start_shut() -> None:
    net = network(awake=False, alignment="token-attention")
    plain = network(awake=False)
    plain.load_state_dict(net.state_dict(), strict=False)
    with torch.no_grad():
        told = [n.condition(drawings(), references()).prototypes.fine for n in (net, plain)]
    assert all(torch.equal(told[0][name], told[1][name]) for name in told[0])


def test_scores_compare_the_same_place_and_a_whole_picture_all_of_it() -> None:
    """A frame drawn as a reference is drawn to it, everywhere."""
    net, shown = network(), references(r=3)
    with torch.no_grad():
        told = net.condition(shown.drawings[:, [2, 0, 1]], shown)
    weights = told.prototypes.reference_weights()
    assert weights is not None
    assert weights.argmax(dim=2).tolist() == [[2, 0, 1]]


def test_an_aggregator_that_compares_nothing_has_no_weights() -> None:
    for aggregation in ("mean", "single", "concat"):
        built = PrototypeAggregator(tiny(aggregation=aggregation))
        assert not list(built.parameters())


def test_features_of_references_come_for_every_layer_that_reads_them() -> None:
    net, shown = network(), references(b=2, r=3)
    with torch.no_grad():
        features = net.reference_encoder(shown)
    assert isinstance(features, ReferenceFeatures)
    assert {tuple(bank.shape) for bank in features.fine.values()} == {
        (2, 3, 192, 16),
        (2, 3, 48, 16),
    }
    assert features.tokens.shape == (2, 3, 2, 16)
