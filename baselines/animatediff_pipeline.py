"""AnimateDiff's pipeline with FreeNoise for prompts that are already encoded.

Imports diffusers, so it is imported only where a pipeline is built.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AnimateDiffControlNetPipeline


class EncodedPromptPipeline(AnimateDiffControlNetPipeline):  # type: ignore[misc]
    """FreeNoise interpolates between texts and refuses embeddings; ours is one for all frames."""

    def _encode_prompt_free_noise(self, **given: Any) -> tuple[torch.Tensor, None]:
        wanted, unwanted = given["prompt_embeds"], given["negative_prompt_embeds"]
        both = torch.cat([unwanted, wanted]) if given["do_classifier_free_guidance"] else wanted
        return both.repeat_interleave(given["num_frames"], dim=0), None
