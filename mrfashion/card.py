"""The card of an export: README.md, as the Hugging Face Hub and people read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mrfashion.export_facts import NAME, Exported
from mrfashion.export_webdataset import MEMBERS
from mrfashion.funnel import Drop
from mrfashion.rights import known_licence

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TASKS = ("image-to-video",)
TAGS = ("video", "fashion", "human-pose", "multi-reference", "mrfashion")
WEAKNESSES = (
    "Keypoints, views and garment groups are estimates of programs, not of people; where the yaw "
    "could not be told it is missing.",
    "One person a clip, most often full-body and indoors: what the filters keep. It says nothing "
    "of how well a method works elsewhere, and the people, bodies and garments are those of the "
    "sources, in their proportions.",
    "Splits share no source, product, split group or garment group that is known of; an estimate "
    "of likeness can miss a garment that appears twice.",
    "Videos were cut and encoded anew (H.264), and so are not their sources' bytes.",
    "A licence is what its source stated. It is about copyright: whether the people shown agree to "
    "a use is a question of its own.",
)
BLUR_WEAKNESSES = (
    "Faces are covered by one colour where keypoints lead; a person whom no keypoint follows "
    "(a bystander, a mirror, a print) is not covered. Keypoints themselves stay, and body shape, "
    "gait and clothing may tell who somebody is.",
)


def card(exported: Exported) -> str:
    """Markdown with YAML before it. Texts of sources are escaped: they may hold anything."""
    yaml = _front_matter(exported)
    return "---\n" + "\n".join(yaml) + "\n---\n\n" + "\n".join(_body(exported)) + "\n"


def _front_matter(exported: Exported) -> Iterator[str]:
    spdx = sorted({_spdx(clip.licence) for clip in exported.clips})
    single = len(spdx) == 1 and known_licence(spdx[0]) is not None
    yield f"pretty_name: {json.dumps(exported.name)}"
    yield f"license: {spdx[0].casefold() if single else 'other'}"
    if not single:
        yield "license_name: licence-of-each-source"
    yield from _yaml_list("task_categories", TASKS)
    yield from _yaml_list("tags", (*TAGS, exported.format))
    size = next((name for most, name in SIZES if len(exported.clips) < most), "n>1M")
    yield from _yaml_list("size_categories", (size,))
    yield "configs:"
    yield from _config(NAME, [(split, f"data/{split}-*") for split in exported.splits()], True)
    for table in exported.tables:
        name = table.path.rpartition("/")[2].partition(".")[0]
        yield from _config(name, [("rows", table.path)], False)


def _config(name: str, files: Sequence[tuple[str, str]], default: bool) -> Iterator[str]:
    yield f"- config_name: {name}"
    if default:
        yield "  default: true"
    yield "  data_files:"
    for split, path in files:
        yield f"  - split: {split}"
        yield f"    path: {json.dumps(path)}"


def _yaml_list(key: str, values: Iterable[str]) -> Iterator[str]:
    yield f"{key}:"
    yield from (f"- {json.dumps(value)}" for value in values)


def _body(exported: Exported) -> Iterator[str]:
    clips = exported.clips
    yield f"# {escaped(exported.name)}\n"
    yield (
        f"{len(clips)} clips of one dressed person each ({exported.seconds():.0f} s in all) from "
        f"{len({clip.source_id for clip in clips})} sources, in "
        f"{len({clip.garment_group for clip in clips})} garment groups, with whole-body keypoints, "
        "the way the body faces, and reference pictures of several views. Curated by mrfashion.\n"
    )
    yield "## Files\n"
    yield from _files(exported)
    yield "\n## Splits\n"
    yield from _table(("split", "clips"), exported.splits().items())
    yield "\nNo source, product, garment group or split group is in two splits.\n"
    yield "## Licences\n"
    yield from _licences(exported)
    yield "\n## What was dropped\n"
    yield from _dropped(exported)
    yield "\n## Faces\n"
    yield _faces(exported)
    yield "\n## Known weaknesses\n"
    yield from (f"- {text}" for text in weaknesses(exported))


def weaknesses(exported: Exported) -> list[str]:
    """What somebody who uses the data should know, the measured ones first."""
    views = [clip.view_fraction.get("undetermined", 0.0) for clip in exported.clips]
    unknown = sum(views) / max(1, len(views))
    origins = ", ".join(exported.estimators) or "unknown"
    measured = (
        f"Keypoints come from: {origins}. The yaw is not known in {unknown:.0%} of the frames."
    )
    return [measured, *WEAKNESSES, *(BLUR_WEAKNESSES if exported.faces_blurred else ())]


def _files(exported: Exported) -> Iterator[str]:
    if exported.format == "webdataset":
        yield "`data/SPLIT-*.tar`, for WebDataset. Members of a clip, after its id and a dot:\n"
        yield from (f"- `{name}`: {what}" for name, what in MEMBERS.items())
    else:
        yield "`data/SPLIT-*.parquet`, a row a clip: `load_dataset(FOLDER)`. `video` holds the"
        yield "mp4's bytes, `references` pictures by rank, `keypoints` frames x 133 x (x, y in"
        yield "pixels, score), `yaw_deg` a value a frame (0 faces the camera, +90 the right edge)."
    yield "\n`tables/NAME.parquet`, what else is known of these clips:\n"
    yield from _table(("table", "rows"), ((file.path, file.rows) for file in exported.tables))
    yield "\n`croissant.json` and `export.json` hold the sha256 of every file."


def _licences(exported: Exported) -> Iterator[str]:
    rows = []
    for (licence, terms), (sources, clips) in exported.licences().items():
        found = known_licence(licence)
        asks = ", ".join(found.asks) or "nothing" if found else "see its terms"
        rows.append((escaped(licence), escaped(terms), asks, sources, clips))
    yield from _table(("licence", "terms", "asks", "sources", "clips"), rows)
    yield "\nThe `licence`, `terms` and `source_url` of its row hold for a clip."
    if not exported.publishable:
        yield "\n**Rights were not checked in this export: do not publish it.**"


def _dropped(exported: Exported) -> Iterator[str]:
    rows = [
        (escaped(drop.stage), escaped(drop.reason), _needed(drop), drop.count)
        for drop in exported.drops
    ]
    yield from _table(("stage", "reason", "needed", "how many"), rows)
    if exported.left_out:
        yield f"\nLeft out of the export: {len(exported.left_out)} clips, whose faces could not be"
        yield "covered (`left_out` in `export.json`)."


def _needed(drop: Drop) -> str:
    return "" if drop.threshold is None else f"{drop.threshold:g}"


def _faces(exported: Exported) -> str:
    if not exported.faces_blurred:
        return "Faces are as in the sources."
    return (
        "Faces are covered by one colour in videos and pictures, found from the keypoints, held "
        "over gaps; `face_blurred_frames` says in how many frames of a clip. Keypoints are as "
        "before."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    if not body:
        yield "Nothing."
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from body


def escaped(text: str) -> str:
    """A text of a source as Markdown shows it, on one line: no tag, link or column of its own."""
    line = " ".join(text.split())
    return "".join(f"&#{ord(sign)};" if sign in "<>&|[]()*_`\\!#\"'" else sign for sign in line)


def _spdx(licence: str) -> str:
    found = known_licence(licence)
    return found.spdx if found else licence
