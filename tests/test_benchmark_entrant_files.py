"""Entrant files: a registered generator under settings and a name of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from baselines.still import Still
from benchmark import entrants
from benchmark.entrants import ENTRANTS, make_entrant, make_entrants, settable
from mrfashion.errors import ConfigError, UnknownNameError
from mrfashion.generation import GeneratorInfo, Request, Result

Write = Callable[..., str]


@dataclass(frozen=True)
class Look:
    mask: Path | None = None


@dataclass(frozen=True)
class ToySettings:
    strength: float = 0.5
    checkpoint: Path | None = None
    layers: tuple[Path, ...] = ()
    look: Look = Look()

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength is {self.strength}; allowed: 0 to 1")


class Toy:
    """Copies, and takes settings."""

    Settings = ToySettings
    INFO: ClassVar[GeneratorInfo] = replace(Still.info, name="toy")

    def __init__(self, settings: ToySettings | None = None, name: str = "toy") -> None:
        self.chosen = settings or ToySettings()
        self.info = replace(self.INFO, name=name)

    def check(self) -> list[str]:
        return [] if self.chosen.checkpoint else ["`checkpoint` is not set: name a file"]

    def settings(self) -> dict[str, Any]:
        return {"strength": self.chosen.strength}

    def load(self, device: str, dtype: str) -> None:
        pass

    def generate(self, request: Request) -> Result:
        return Still().generate(request)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.setitem(ENTRANTS, "toy", Toy)

    def file(text: str, name: str = "mine.toml") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return str(path)

    return file


def made(which: str) -> Toy:
    generator = make_entrant(which)
    assert isinstance(generator, Toy)
    return generator


def test_a_file_configures_and_names(write: Write) -> None:
    toy = made(write('generator = "toy"\nname = "strong-toy"\n[settings]\nstrength = 1'))
    assert toy.info.name == "strong-toy"
    assert toy.settings() == {"strength": 1.0}


def test_the_file_names_the_entrant_where_it_says_nothing(write: Write) -> None:
    toy = made(write('generator = "toy"', "my.second-toy.toml"))
    assert toy.info.name == "my.second-toy"
    assert toy.chosen == ToySettings()


def test_paths_are_relative_to_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
        generator = "toy"
        [settings]
        checkpoint = "weights/a.pth"
        layers = ["b.pth", "/c.pth"]
        look.mask = "../d.png"
    """
    path = Path(write(text, "sub/mine.toml"))
    monkeypatch.chdir(tmp_path)
    chosen = made(str(path.relative_to(tmp_path))).chosen
    assert chosen.checkpoint == tmp_path / "sub" / "weights/a.pth"
    assert chosen.layers == (tmp_path / "sub" / "b.pth", Path("/c.pth"))
    assert chosen.look.mask == tmp_path / "sub" / "../d.png"


def test_a_path_of_home_is_that(write: Write) -> None:
    toy = made(write('generator = "toy"\n[settings]\ncheckpoint = "~/a.pth"'))
    assert toy.chosen.checkpoint == Path.home() / "a.pth"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('generator = "toy"\nseed = 1', "unknown key 'seed'"),
        ('name = "x"', "needed and not given: generator"),
        ('generator = "toy"\n[settings]\nstrenght = 1', "settings: unknown key 'strenght'; did"),
        ('generator = "toy"\n[settings]\nstrength = 2', "strength is 2.0; allowed: 0 to 1"),
        ('generator = "toy"\n[settings]\nstrength = "1"', "settings: strength: got '1' (str)"),
        ('generator = "toy"\n[settings]\ncheckpoint = 1', "checkpoint: got 1 (int); a Path"),
        ('generator = "toy"\nsettings = 3', "settings: got 3"),
        ('generator = "toy"\nname = "a/b"', "'a/b' calls itself 'a/b'; needed: one name"),
        ('generator = "toy"\nname = ".."', "needed: one name of letters"),
        ('generator = "toy"\nname = "nearest"', "'nearest' is another generator"),
        ('generator = "still"', "generator 'still' has no settings; name it alone"),
        ("generator = ", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_entrant(write(text))
    assert message in str(caught.value)


def test_a_file_of_an_unknown_generator_lists_near_names(write: Write) -> None:
    with pytest.raises(UnknownNameError, match="did you mean toy"):
        make_entrant(write('generator = "toyy"'))


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        make_entrant(str(tmp_path / "none.toml"))


def test_a_file_of_another_packages_generator(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [entrants.EntryPoint("other", "mine:Other", entrants.ENTRY_POINTS)]
    monkeypatch.setattr(entrants, "entry_points", lambda group: points)
    monkeypatch.setattr(entrants, "_loaded", lambda point: Toy)
    assert made(write('generator = "other"\n[settings]\nstrength = 0')).chosen.strength == 0.0


def test_two_entrants_of_one_name_are_refused(write: Write) -> None:
    first = write('generator = "toy"\nname = "same"', "a.toml")
    second = write('generator = "toy"\nname = "same"\n[settings]\nstrength = 1', "b.toml")
    with pytest.raises(ConfigError, match=r"a\.toml and .*b\.toml are both named 'same'"):
        make_entrants([first, second])


def test_an_entrant_named_twice_comes_once(write: Write) -> None:
    file = write('generator = "toy"')
    assert [g.info.name for g in make_entrants(["warp", file, "warp", file])] == ["warp", "mine"]


def test_what_a_file_may_set_is_told(write: Write) -> None:
    told = settable("toy")
    assert told["strength"] == "float = 0.5"
    assert told["checkpoint"] == "Path | None = None"
    assert settable(write('generator = "toy"')) == told
    assert settable("still") == {}


class Unsettable(Toy):
    Settings = dict  # type: ignore[assignment]


def test_settings_that_are_no_dataclass_are_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENTRANTS, "odd", Unsettable)
    with pytest.raises(ConfigError, match="its Settings is no dataclass"):
        make_entrant(write('generator = "odd"'))
