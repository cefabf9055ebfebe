"""The Croissant file of an export: what it holds, in words that machines read.

Sources: Croissant 1.1 (mlcommons.org/croissant/1.1), its RAI vocabulary 1.0, and PROV-O.
"""

from __future__ import annotations

from typing import Any

from mrfashion.card import weaknesses
from mrfashion.export_facts import NAME, Exported, ExportedFile
from mrfashion.rights import known_licence

Json = dict[str, Any]
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
MIME = {".parquet": "application/x-parquet", ".tar": "application/x-tar"}
SHARDS, MEMBERS = "shards", "members"  # ids of the file sets
SPLIT_NAMES = "split_names"  # no table's name
_CR = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
    "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset",
    "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _CR},
}
CLIP_FIELDS = {  # column => type and what it is
    "clip_id": ("sc:Text", "id of the clip, a hash of where it lies in its source"),
    "source_id": ("sc:Text", "video that it was cut from"),
    "source_url": ("sc:Text", "where that was"),
    "licence": ("sc:Text", "licence of that video"),
    "terms": ("sc:Text", "terms beside the licence"),
    "garment_group": ("sc:Text", "same person and outfit"),
    "split_group": ("sc:Text", "what no two splits share"),
    "fps": ("sc:Float", "frames a second"),
    "frames": ("sc:Integer", "number of frames"),
    "width": ("sc:Integer", "width in pixels"),
    "height": ("sc:Integer", "height in pixels"),
}


def croissant(exported: Exported) -> Json:
    """JSON-LD of an export; paths are relative to it."""
    files = [_file(file) for file in (*exported.shards, *exported.tables)]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": exported.name,
        "description": _description(exported),
        "conformsTo": CONFORMS_TO,
        "version": exported.version,
        "license": [_licence(*key) for key in exported.licences()],
        "url": "./",
        "isLiveDataset": False,
        "distribution": [*files, *_file_sets(exported)],
        "recordSet": [_splits(exported), _clips(exported), *map(_rows, exported.tables)],
        **_responsible(exported),
        **_provenance(exported),
    }


def _description(exported: Exported) -> str:
    return (
        f"{len(exported.clips)} clips of one dressed person each, with whole-body keypoints, the "
        "way the body faces, and reference pictures of several views."
    )


def _licence(licence: str, terms: str) -> str:
    found = known_licence(licence)
    if found:
        return found.url
    return f"{licence}: {terms}" if terms else licence


def _file(file: ExportedFile) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": MIME[file.path[file.path.rindex(".") :]],
        "sha256": file.sha256,
    }


def _file_sets(exported: Exported) -> list[Json]:
    """Shards as one source of records; Parquet ones lie in no archive, so nothing contains them."""
    if exported.format != "webdataset":
        return [_file_set(SHARDS, "data/*.parquet", MIME[".parquet"])]
    inside = {"containedIn": [{"@id": file.path} for file in exported.shards]}
    kinds = (("json", "application/json"), ("mp4", "video/mp4"))
    return [_file_set(f"{MEMBERS}-{end}", f"*.{end}", mime) | inside for end, mime in kinds]


def _file_set(name: str, includes: str, mime: str) -> Json:
    file_set = {"@type": "cr:FileSet", "@id": name, "name": name}
    return file_set | {"encodingFormat": mime, "includes": includes}


def _splits(exported: Exported) -> Json:
    name = _field(f"{SPLIT_NAMES}/name", "sc:Text", "name of the split", None)
    return {
        "@type": "cr:RecordSet",
        "@id": SPLIT_NAMES,
        "name": SPLIT_NAMES,
        "dataType": "cr:Split",
        "key": {"@id": f"{SPLIT_NAMES}/name"},
        "field": [name],
        "data": [{f"{SPLIT_NAMES}/name": split} for split in exported.splits()],
    }


def _clips(exported: Exported) -> Json:
    """A record a clip; its fields come from the shards' columns, or their JSON members."""
    tar = exported.format == "webdataset"
    file_set = f"{MEMBERS}-json" if tar else SHARDS
    how = "jsonPath" if tar else "column"
    fields = [
        _field(
            f"{NAME}/{name}", kind, what, _from_set(file_set, {how: f"$.{name}" if tar else name})
        )
        for name, (kind, what) in (CLIP_FIELDS | {"split": ("sc:Text", "split")}).items()
    ]
    if not tar:  # mlcroissant 1.1 joins no values of JSON files
        fields[-1]["references"] = {"field": {"@id": f"{SPLIT_NAMES}/name"}}
        source = _from_set(SHARDS, {"column": "video"}) | {"transform": {"jsonPath": "bytes"}}
        fields.append(_field(f"{NAME}/video", "sc:VideoObject", "the mp4's bytes", source))
    record_set = {"@type": "cr:RecordSet", "@id": NAME, "name": NAME, "field": fields}
    return record_set | {"key": {"@id": f"{NAME}/clip_id"}}


def _rows(file: ExportedFile) -> Json:
    """A table beside the shards, by the clip that its rows are of."""
    name = file.path.rpartition("/")[2].partition(".")[0]
    source = {"fileObject": {"@id": file.path}, "extract": {"column": "clip_id"}}
    field = _field(f"{name}/clip_id", "sc:Text", "clip that the row is of", source)
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": [field]}


def _from_set(name: str, extract: Json) -> Json:
    return {"fileSet": {"@id": name}, "extract": extract}


def _field(name: str, kind: str, what: str, source: Json | None) -> Json:
    field = {"@type": "cr:Field", "@id": name, "name": name, "description": what, "dataType": kind}
    return field if source is None else field | {"source": source}


def _responsible(exported: Exported) -> Json:
    blurred = "Faces are covered by one colour." if exported.faces_blurred else "Faces are visible."
    dropped = sorted({f"{drop.stage}: {drop.reason} ({drop.count})" for drop in exported.drops})
    return {
        "rai:dataCollection": "Videos named by whoever curated, cut into shots of one person each.",
        "rai:dataPreprocessingProtocol": [
            "Shots, technical measures, person and view filters; what was dropped, and how often:",
            *dropped,
        ],
        "rai:machineAnnotationTools": list(exported.estimators),
        "rai:dataLimitations": weaknesses(exported),
        "rai:dataBiases": "The people, bodies and garments of the sources, in their proportions.",
        "rai:personalSensitiveInformation": [
            f"Videos of people. {blurred} Keypoints tell body shape and movement.",
        ],
        "rai:dataUseCases": "Training and evaluation of pose-guided video of dressed people; not "
        "the identification of anybody.",
        "rai:dataReleaseMaintenancePlan": "What came from a source can be taken down: its curator "
        "removes it, exports anew, and raises the version.",
    }


def _provenance(exported: Exported) -> Json:
    urls = sorted({clip.source_url for clip in exported.clips if clip.source_url})
    return {
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": "curation and export",
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": "mrfashion"},
        },
        "prov:wasDerivedFrom": [{"@type": "prov:Entity", "sc:url": url} for url in urls],
    }
