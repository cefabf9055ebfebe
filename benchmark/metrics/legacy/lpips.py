"""LPIPS as two widespread evaluation scripts call it."""

from __future__ import annotations

from benchmark.metrics.lpips import lpips_definition, lpips_weights
from benchmark.metrics.perceptual import Comparison, perceptual_metric

WHOLE = {"whole": "all pixels"}

DISCO = perceptual_metric(
    name="lpips-disco",
    title="LPIPS (DisCo, invalid)",
    comparison=Comparison("lpips-vgg", lpips_weights("vgg"), low=0.0),
    definition={
        **lpips_definition("vgg"),
        "colour": "uint8 RGB to [0, 1], then the package's shift and scale, which are for [-1, 1]",
        "fault": "the trunk sees the picture brighter and at half the contrast; "
        "only to recognise numbers made this way",
    },
    regions=WHOLE,
    status="invalid",
    citation="github.com/Wangt-CN/DisCo tool/metrics/ssim_l1_lpips_psnr.py at 4772790, issue 41",
)
JUNYAOHU = perceptual_metric(
    name="lpips-junyaohu",
    title="LPIPS (AlexNet, spatial)",
    comparison=Comparison("lpips-alex", lpips_weights("alex"), enlarged=True),
    definition={
        **lpips_definition("alex"),
        "map": "each layer's enlarged to the frame, bilinear, before its mean (spatial=True)",
    },
    regions=WHOLE,
    status="comparability",
    citation="github.com/JunyaoHu/common_metrics_on_video_quality calculate_lpips.py at 45f3c29",
)
