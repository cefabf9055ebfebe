"""LPIPS with its three trunks (Zhang et al. 2018, arXiv 1801.03924), as its package computes it."""

from __future__ import annotations

from benchmark.metrics.perceptual import Comparison, perceptual_metric
from benchmark.metrics.spec import Metric, Status

CITATION = "Zhang et al. 2018, arXiv 1801.03924; lpips 0.1.4"
COLOUR = (
    "uint8 RGB to [-1, 1], then the package's shift (-.030, -.088, -.188), scale (.458, .448, .450)"
)
DISTANCE = (
    "of each layer: vectors over channels of length one (eps 1e-10), squared differences weighted "
    "by the published head v0.1, mean over positions; summed over layers"
)
TRUNKS = {
    "alex": ("AlexNet", "torchvision's, the five ReLU outputs"),
    "vgg": ("VGG-16", "torchvision's, the last ReLU output of each of the five blocks"),
    "squeeze": (
        "SqueezeNet 1.1",
        "torchvision's, the first ReLU output and those of six Fire modules",
    ),
}


def lpips_definition(trunk: str) -> dict[str, str]:
    """What LPIPS with this trunk is, in words."""
    name, layers = TRUNKS[trunk]
    return {
        "colour": COLOUR,
        "trunk": f"{name}, {layers}",
        "distance": DISTANCE,
        "mean": "frames of a clip",
    }


def lpips_weights(trunk: str) -> tuple[str, ...]:
    """The files of LPIPS with this trunk."""
    return (f"lpips-{trunk}-trunk", f"lpips-{trunk}-head")


def _metric(trunk: str, status: Status) -> Metric:
    return perceptual_metric(
        name=f"lpips-{trunk}",
        title=f"LPIPS ({TRUNKS[trunk][0]})",
        comparison=Comparison(f"lpips-{trunk}", lpips_weights(trunk)),
        definition=lpips_definition(trunk),
        citation=CITATION,
        status=status,
    )


ALEX = _metric("alex", "standard")
VGG, SQUEEZE = (_metric(trunk, "comparability") for trunk in ("vgg", "squeeze"))
