"""Shift-tolerant LPIPS (Ghildyal & Liu 2022): its trunks too learned from people's judgements."""

from __future__ import annotations

from benchmark.metrics.lpips import COLOUR, DISTANCE
from benchmark.metrics.perceptual import Comparison, perceptual_metric
from benchmark.metrics.spec import Metric, Status

CITATION = "Ghildyal & Liu 2022, arXiv 2207.13686; stlpips-pytorch 0.0.2"


def _metric(trunk: str, title: str, status: Status) -> Metric:
    name = f"st-lpips-{trunk}"
    return perceptual_metric(
        name=name,
        title=f"ST-LPIPS ({title})",
        comparison=Comparison(name, (name,)),
        definition={
            "colour": COLOUR,
            "trunk": f"{title} with blurs for strides, trained from scratch on 2AFC judgements; "
            "five ReLU outputs",
            "distance": DISTANCE.replace("published head v0.1", "checkpoint's own head"),
            "mean": "frames of a clip",
        },
        citation=CITATION,
        status=status,
    )


ALEX = _metric("alex", "AlexNet", "standard")
VGG = _metric("vgg", "VGG-16", "comparability")
