"""Lists of addresses: every format, every fault a row or a file can have."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.errors import InputRefused
from mrfashion.sources.web import rows
from mrfashion.sources.web.rows import BadRow, Columns, Row, read_rows, unique

COLUMNS = Columns(needed=("url",), allowed=("id", "licence"))
GOOD = [{"url": "https://a.example/1", "id": "1"}, {"url": "https://a.example/2", "licence": "MIT"}]


def read(path: Path) -> list[Row | BadRow]:
    return list(read_rows(path, COLUMNS))


def test_the_formats_hold_the_same_rows(tmp_path: Path) -> None:
    pd.DataFrame(GOOD).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(GOOD).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, GOOD)))
    assert read(tmp_path / "a.parquet") == read(tmp_path / "a.jsonl")
    told = [row.cells for row in read(tmp_path / "a.csv") if isinstance(row, Row)]
    assert told == [row.cells for row in read(tmp_path / "a.jsonl") if isinstance(row, Row)] == GOOD


def test_a_bad_line_costs_itself_alone(tmp_path: Path) -> None:
    lines = [
        b"url,id", b"https://a.example/1,1", b"https://a.example/2", b"x,y,z", b"",
        b"https://a.example/\xff,3", b"https://a.example/\x07,4", b'https://a.example/5,"a"b',
        b"https://a.example/6," + b"i" * 201, b"https://a.example/7,7",
    ]  # fmt: skip
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    found = {row.number: row for row in read(tmp_path / "a.csv")}
    assert [number for number, row in found.items() if isinstance(row, Row)] == [2, 10]
    reasons = {number: row.why for number, row in found.items() if isinstance(row, BadRow)}
    assert reasons.pop(8).startswith("no CSV: ")
    assert reasons == {
        3: "1 cells; the header has 2",
        4: "3 cells; the header has 2",
        6: "column url: control characters, or no UTF-8",
        7: "column url: control characters, or no UTF-8",
        9: "column id: 201 characters; allowed: 200",
    }


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "line 1 is no header"),
        ("a.csv", b"url,url\n", "line 1 is no header of different columns"),
        ("a.csv", b"url,licens\nx,y\n", "row 2: unknown column 'licens'; did you mean licence"),
        ("a.parquet", b"PAR1 no", "no whole Parquet file"),
        ("a.txt", b"url", "no list by its name: got '.txt'"),
    ],
)
def test_what_is_no_list_is_refused_whole(
    name: str, data: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputRefused, match=message):
        read(tmp_path / name)


def test_a_list_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_BYTES", 10)
    (tmp_path / "a.csv").write_text("url\nhttps://a.example/1\n")
    with pytest.raises(InputRefused, match="longer than 10 bytes"):
        read(tmp_path / "a.csv")
    with pytest.raises(InputRefused, match="does not exist"):
        read(tmp_path / "b.csv")


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_any_bytes_are_rows_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(data if suffix != ".csv" else b"url,id\n" + data)
    try:
        found = read(path)
    except InputRefused:
        return
    for row in found:
        assert row.why if isinstance(row, BadRow) else row.cells["url"]


@given(st.lists(st.sampled_from("abc")))
def test_unique_keeps_the_first_of_each(values: list[str]) -> None:
    listed = [Row(number, {"url": value}) for number, value in enumerate(values, 1)]
    found = list(unique(listed, "url"))
    kept = [row.cells["url"] for row in found if isinstance(row, Row)]
    assert kept == list(dict.fromkeys(values))
    assert [row.number for row in found] == [row.number for row in listed]
