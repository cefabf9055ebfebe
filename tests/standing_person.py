"""Requests for a small person who stands and shifts, and tokenizers of a few words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mrfashion.generation import Reference, Request

SIZE = (48, 64)
BODY_XY = {
    0: (32, 8), 1: (34, 6), 2: (30, 6), 3: (36, 8), 4: (28, 8), 5: (40, 16), 6: (24, 16),
    7: (44, 24), 8: (20, 24), 9: (46, 30), 10: (18, 30), 11: (37, 28), 12: (27, 28),
    13: (38, 36), 14: (26, 36), 15: (39, 44), 16: (25, 44), 17: (41, 46), 20: (23, 46),
}  # fmt: skip


def pose(shift_px: float = 0.0, face: bool = True) -> np.ndarray:
    """133 keypoints of a body, with or without the face's landmarks."""
    keypoints = np.full((133, 3), np.nan, np.float32)
    keypoints[:, 2] = 0
    for joint, (x, y) in BODY_XY.items():
        keypoints[joint] = (x + shift_px, y, 1)
    if face:
        angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        x, y = 32 + shift_px + 4 * np.cos(angles), 8 + 4 * np.sin(angles)
        keypoints[23:91] = np.stack([x, y, np.ones(68)], 1)
    return keypoints


def reference(number: int = 0) -> Reference:
    image = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)
    return Reference(image, pose(), 0.0, "front")


def request(frames: int = 5, references: int = 1, shift_px: float = 0.0, seed: int = 0) -> Request:
    return Request(
        sample_id="s",
        references=tuple(reference(number) for number in range(references)),
        keypoints=np.stack([pose(shift_px + place) for place in range(frames)]),
        yaw_deg=np.zeros(frames, np.float32),
        frame_size=SIZE,
        fps=12.0,
        size=SIZE,
        seed=seed,
    )


def changed(got: np.ndarray, other: np.ndarray) -> float:
    """Share of the values that differ."""
    assert got.shape == other.shape
    return float((got != other).mean())


def save_tokenizer(folder: Path, max_length: int, start: str | None = None) -> None:
    """A tokenizer of a few words in the files that the published ones have."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *([start] if start else []), "a", "model", "turns", "best"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    single = f"{start} $A </s>" if start else "$A </s>"
    special = [(word, vocabulary[word]) for word in (start, "</s>") if word]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=max_length,
    ).save_pretrained(folder)
