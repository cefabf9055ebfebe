"""Which share of a stage's learning rate each parameter gets."""

from __future__ import annotations

import torch

from model.training_config import Stage
from model.training_state import Learner
from tests.tiny_networks import network


def test_offsets_and_further_parts_have_rates_of_their_own() -> None:
    net = network()
    one = Stage(2, 10, 1e-3, schedule="flat", also=("denoiser",), also_rate=0.5, offset_rate=4.0)
    learner = Learner(net, one)
    for parameter in learner.parameters:
        parameter.grad = torch.ones_like(parameter)
    learner.update(0)
    named = {id(parameter): name for name, parameter in net.named_parameters()}
    rates = {
        named[id(parameter)]: group["lr"]
        for group in learner.optimiser.param_groups
        for parameter in group["params"]
    }
    assert rates.keys() == {*learner.names} == {*net.trainable(2, one.also)}
    assert [named[id(parameter)] for parameter in learner.parameters] == [*rates] == learner.names
    for name, rate in rates.items():
        part = net.part_of(name)
        offsets = name.startswith("keypoint_flow.")
        assert rate == (4e-3 if offsets else 5e-4 if part == "denoiser" else 1e-3)
