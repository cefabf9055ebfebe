from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mrfashion.config import from_dict, load_config, to_dict
from mrfashion.errors import ConfigError, UnknownNameError
from mrfashion.pipeline import CurateConfig


@dataclass(frozen=True)
class Inner:
    threshold: float = 0.5
    names: tuple[str, ...] = ("a",)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    count: int = 1
    kind: Literal["x", "y"] = "x"
    limit: int | None = None
    flag: bool = False


def test_nested_tables_become_dataclasses(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        'count = 3\nkind = "y"\nlimit = 4\n[inner]\nthreshold = 1\nnames = ["b", "c"]\n'
    )
    assert load_config(Outer, path) == Outer(Inner(1.0, ("b", "c")), 3, "y", 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cuont = 1", "unknown key 'cuont'; did you mean count"),
        ("count = 1.5", "count: got 1.5"),
        ("count = true", "count: got True"),
        ("flag = 1", "flag: got 1"),
        ('kind = "z"', "allowed: 'x', 'y'"),
        ("inner = 3", "a table of keys is needed"),
        ("[inner]\nthreshold = 'high'", "inner: threshold: got 'high'"),
        ("[inner]\nnames = [1]", "names: got 1"),
        ("count = ", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(Outer, path)
    assert message in str(error.value)


def test_what_a_dataclass_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="groups is 0"):
        from_dict(CurateConfig, {"turntable": {"groups": 0}})
    with pytest.raises(ConfigError, match="must sum to 1"):
        from_dict(CurateConfig, {"splits": {"train": 0.9}})


def test_unknown_presets_suggest_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean demo"):
        load_config(CurateConfig, "dmeo")
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(CurateConfig, "missing.toml")


@pytest.mark.parametrize("preset", ["demo", "smoke"])
def test_presets_load_and_survive_a_round_trip(preset: str) -> None:
    config = load_config(CurateConfig, preset)
    assert config != CurateConfig()
    assert from_dict(CurateConfig, to_dict(config)) == config


def test_a_config_becomes_plain_json() -> None:
    @dataclass(frozen=True)
    class Places:
        root: Path
        sizes: tuple[tuple[int, int], ...]

    values = to_dict(Places(Path("a") / "b", ((1, 2), (3, 4))))
    assert values == {"root": "a/b", "sizes": [[1, 2], [3, 4]]}
