"""The one registry of metrics of sets of videos: a new one is a line below."""

from __future__ import annotations

from benchmark.set_metrics.spec import Feature, SetMetric

_FVD = SetMetric(
    "fvd", "FVD", Feature("i3d", "i3d-squash"), citation="Unterthiner et al. 2018, arXiv 1812.01717"
)
_CD_FVD = SetMetric(
    "cd-fvd",
    "CD-FVD",
    Feature("videomae", "videomae-squash"),
    citation="Ge et al. 2024, arXiv 2404.12391",
)
_FID = SetMetric(
    "fid",
    "FID",
    Feature("inception", "inception-pytorch-fid", "frames"),
    citation="Heusel et al. 2017, arXiv 1706.08500; pytorch-fid 0.3.0",
)
_FID_VID = SetMetric(
    "fid-vid",
    "FID-VID",
    Feature("resnet3d", "resnet3d-disco", "segments"),
    citation="Balaji et al. 2019, in DisCo's evaluation (arXiv 2307.00040)",
)
_CHONG = "Chong and Forsyth 2020, arXiv 1911.07023"
_UNBIASED = "Binkowski et al. 2018, arXiv 1801.01401"
_CDFVD_NOTES = {
    "source": "cd-fvd 0.1.1, which draws 2,048 clips from the same videos; here each counts once"
}

SET_METRICS: dict[str, SetMetric] = {
    metric.name: metric
    for metric in (
        _FVD,
        SetMetric("kvd", "KVD", _FVD.feature, "kernel", citation=_UNBIASED, decimals=4),
        _CD_FVD,
        _FID,
        SetMetric("kid", "KID", _FID.feature, "kernel", citation=_UNBIASED, decimals=4),
        _FID_VID,
        # As others compute them: only where asked for.
        _FVD.variant(
            "fvd-styleganv",
            "FVD (StyleGAN-V)",
            feature=Feature("i3d-styleganv", "i3d-squash"),
            ddof=0,
            citation="StyleGAN-V, Skorokhodov et al. 2022, arXiv 2112.14683",
            notes={"source": "StyleGAN-V, which starts real clips at random; here at the first"},
        ),
        _FVD.variant(
            "fvd-tats",
            "FVD (TATS)",
            feature=Feature("i3d-copies", "i3d-squash"),
            notes={"source": "TATS, which computes in float32 and prints less; here float64"},
            citation="TATS, Ge et al. 2022, arXiv 2204.03638",
        ),
        _FVD.variant(
            "fvd-junyaohu",
            "FVD (JunyaoHu)",
            feature=Feature("i3d-copies", "i3d-crop", "whole"),
            notes={"source": "common_metrics_on_video_quality, the last of its prefixes"},
            citation="github.com/JunyaoHu/common_metrics_on_video_quality",
        ),
        _FVD.variant(
            "fvd-disco",
            "FVD (DisCo)",
            feature=Feature("i3d", "i3d-disco", "every"),
            notes={"source": "DisCo on PNG frames; its films through GIF give other numbers"},
            citation="DisCo, Wang et al. 2023, arXiv 2307.00040",
        ),
        _FVD.variant(
            "fvd-cdfvd",
            "FVD (cd-fvd)",
            feature=Feature("i3d-copies", "i3d-cdfvd-128"),
            ddof=0,
            notes=_CDFVD_NOTES,
            citation="cd-fvd 0.1.1, Ge et al. 2024, arXiv 2404.12391",
        ),
        _CD_FVD.variant(
            "cd-fvd-cdfvd",
            "CD-FVD (cd-fvd)",
            feature=Feature("videomae", "videomae-cdfvd-128"),
            ddof=0,
            notes=_CDFVD_NOTES,
            citation="cd-fvd 0.1.1, Ge et al. 2024, arXiv 2404.12391",
        ),
        _FID.variant(
            "fid-clean",
            "FID (clean-fid)",
            feature=Feature("inception-clean", "inception-clean", "frames"),
            citation="clean-fid 0.1.35, Parmar et al. 2022, arXiv 2104.11222",
        ),
        _FID.variant(
            "fid-torch-fidelity",
            "FID (torch-fidelity)",
            feature=Feature("inception", "inception-torch-fidelity", "frames"),
            citation="torch-fidelity 0.4.0",
        ),
        _FID.variant(
            "fid-torchmetrics",
            "FID (torchmetrics)",
            feature=Feature("inception", "inception-torchmetrics", "frames"),
            citation="torchmetrics from 1.8",
        ),
        # Options of ours.
        _FVD.variant("fvd-spaced", "FVD (4 clips)", feature=Feature("i3d", "i3d-squash", "spaced")),
        _FVD.variant("fvd-infinity", "FVD (infinity)", infinity=True, citation=_CHONG),
        _FID.variant("fid-infinity", "FID (infinity)", infinity=True, citation=_CHONG),
        # Trained networks that packages bring: real features without a download, no stand-ins.
        SetMetric(
            "fd-lite0",
            "Frechet distance (EfficientNet-Lite0)",
            Feature("efficientnet-lite0", "efficientnet-squash", "frames"),
            status="comparability",
        ),
        SetMetric(
            "fd-transnet",
            "Frechet distance (TransNetV2)",
            Feature("transnet", "transnet-squash"),
            status="comparability",
        ),
    )
}
SET_DEFAULT = tuple(name for name, m in SET_METRICS.items() if m.status == "standard")
# What `mrfashion score --as NAME` measures of sets, beside the metrics of clips of that name.
SET_BUNDLES: dict[str, tuple[str, ...]] = {
    "default": SET_DEFAULT,
    "disco-2024": ("fid", "fid-vid", "fvd-disco"),
    "junyaohu": ("fvd-junyaohu",),
    "styleganv": ("fvd-styleganv",),
    "tats": ("fvd-tats",),
    "cdfvd": ("fvd-cdfvd", "cd-fvd-cdfvd"),
    "clean": ("fid-clean",),
    "torch-fidelity": ("fid-torch-fidelity",),
    "torchmetrics": ("fid-torchmetrics",),
}
