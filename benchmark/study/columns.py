"""The columns of a sheet, shared by its writers and by `ingest`."""

from __future__ import annotations

from benchmark.study.criteria import CRITERIA

SHEET_VERSION = 1
RATINGS_TITLE, INSTRUCTIONS_TITLE, META_TITLE = "Ratings", "Instructions", "_meta"
ROW_ID, BLOCK, REFERENCE, CLIP = "row_id", "block", "reference", "clip"
CANNOT_PLAY, COMMENT = "cannot_play", "comment"
STUDY_ID, SHEET_ID = "study_id", "sheet_id"
RATER, VERSION, ROWS, ROWS_HASH = "rater", "schema_version", "rows", "rows_hash"
RATING_COLUMNS = tuple(criterion.column for criterion in CRITERIA)
COLUMNS = (ROW_ID, BLOCK, REFERENCE, CLIP, *RATING_COLUMNS, CANNOT_PLAY, COMMENT)
# A CSV file has no hidden sheet: every row says where it belongs.
CSV_META = (STUDY_ID, SHEET_ID, ROWS_HASH)
CSV_COLUMNS = (*COLUMNS, *CSV_META)
# What `ingest` needs; pictures and blocks may be gone.
NEEDED = (ROW_ID, CLIP, *RATING_COLUMNS, CANNOT_PLAY, COMMENT)
