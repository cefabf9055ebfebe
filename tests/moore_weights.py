"""Narrow random weights in the layout of Moore-AnimateAnyone's README, written by its own classes.

Runs in that repository's environment: `python moore_weights.py WORKERS CHECKOUT OUT`.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(workers: str, checkout: str, out: str) -> None:
    sys.path[:0] = [workers, checkout]
    import torch
    from moore_animate_anyone import _inference_config, _random

    torch.set_grad_enabled(False)
    networks, folder = _random(_inference_config(Path(checkout)), tiny=True), Path(out)
    networks["vae"].save_pretrained(str(folder / "sd-vae-ft-mse"))
    networks["image_encoder"].save_pretrained(str(folder / "image_encoder"))
    networks["reference_unet"].save_pretrained(
        str(folder / "stable-diffusion-v1-5" / "unet"), safe_serialization=False
    )
    torch.save(networks["reference_unet"].state_dict(), str(folder / "reference_unet.pth"))
    torch.save(networks["pose_guider"].state_dict(), str(folder / "pose_guider.pth"))
    denoiser = networks["denoising_unet"].state_dict()
    moving = {name: value for name, value in denoiser.items() if "motion_modules" in name}
    still = {name: value for name, value in denoiser.items() if name not in moving}
    torch.save(moving, str(folder / "motion_module.pth"))
    torch.save(still, str(folder / "denoising_unet.pth"))


if __name__ == "__main__":
    main(*sys.argv[1:])
