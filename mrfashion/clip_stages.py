"""The stages from shots to clips with references: encode, pose, view, judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

from mrfashion import viewing
from mrfashion.config import to_dict
from mrfashion.curation import Run
from mrfashion.poses.sidecar import sidecar_path
from mrfashion.posing import SIDECAR
from mrfashion.shot import KeptShot
from mrfashion.stages import Item, Values
from mrfashion.steps import encode_clips, find_references
from mrfashion.viewing import Posed, posed_clip, view_clip


def posable_all(run: Run, shots: Sequence[KeptShot]) -> list[tuple[KeptShot, str]]:
    """Shots whose keypoints can be had, and from where: asked before any encoding."""
    found = []
    for shot in shots:
        origin = run.poser.origin(shot)
        if origin is None:
            detail = f"{sidecar_path(shot.source.path).name} does not exist"
            run.reject(shot.span.clip_id, shot.source, "poses", "no keypoints", detail=detail)
        else:
            found.append((shot, origin))
    if any(origin != SIDECAR for _, origin in found):
        run.tell(run.poser.require_estimator())
    return found


def encode_all(run: Run, shots: Sequence[KeptShot]) -> dict[str, dict[str, Any]]:
    """Clip id => its file's path, sha256, frames and size."""
    by_source: dict[str, list[KeptShot]] = defaultdict(list)
    for shot in shots:
        by_source[shot.source.source_id].append(shot)
    items = [
        Item(source_id, source_id, [shot.inputs for shot in of_source], of_source)
        for source_id, of_source in by_source.items()
    ]
    work = partial(encode_clips, root=run.root, crf=run.config.crf)
    values = run.stage("clips", 1, run.config.crf, work, items)
    return {clip_id: clip for value in values.values() for clip_id, clip in value["clips"].items()}


def pose_all(
    run: Run, shots: Sequence[tuple[KeptShot, str]], clips: dict[str, dict[str, Any]]
) -> list[tuple[KeptShot, str, dict[str, Any]]]:
    """The shots with keypoints, where these come from, and their file."""
    items = []
    for shot, origin in shots:
        if clip := clips.get(shot.span.clip_id):
            inputs = run.poser.inputs(shot, origin, clip)
            item_id, source_id = shot.span.clip_id, shot.source.source_id
            items.append(Item(item_id, source_id, inputs, (shot, origin)))
    # One copy of shared networks serves all threads, in batches of several clips.
    executor = run.threads if run.poser.shared else None
    values = run.stage("poses", 2, None, run.poser.pose, items, executor)
    return [
        (shot, origin, value) for shot, origin in shots if (value := values.get(shot.span.clip_id))
    ]


def view_all(
    run: Run, posed: Sequence[tuple[KeptShot, str, dict[str, Any]]], clips: dict[str, Any]
) -> list[Posed]:
    """The clips with a person to keep, and which way it faces."""
    items = []
    for shot, _, file in posed:
        inputs = [file["sha256"], shot.info.fps, shot.size, *(shot.source.stills or ())]
        job = (shot, run.root / file["path"])
        items.append(Item(shot.span.clip_id, shot.source.source_id, inputs, job))
    work = partial(view_clip, filters=run.config.filters)
    seen = run.stage("views", 1, viewing.settings(run.config.filters), work, items)
    kept = []
    for shot, origin, file in posed:
        clip_id = shot.span.clip_id
        answer = seen.get(clip_id)
        if answer and answer["dropped"]:
            name, *why = answer["dropped"]
            run.reject(clip_id, shot.source, f"filter.{name}", *why)
        elif answer:
            path, sha256 = run.root / file["path"], file["sha256"]
            kept.append(posed_clip(shot, clips[clip_id], origin, path, sha256, answer))
    return kept


def reference_all(run: Run, posed: Sequence[Posed]) -> Values:
    """Candidates depend on the clip's pixels, its poses (in its pose file) and its yaw."""
    items = []
    for clip in posed:
        inputs = [clip.clip["sha256"], clip.poses_sha256, clip.garment_group, clip.yaw_hash]
        items.append(Item(clip.clip_id, clip.shot.source.source_id, inputs, clip))
    settings = to_dict(run.config.references)
    work = partial(find_references, root=run.root, config=run.config.references)
    return run.stage("references", 3, settings, work, items)
