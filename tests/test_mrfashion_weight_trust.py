"""Model files that the user vouches for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mrfashion import weights
from mrfashion.errors import ConfigError, HashMismatch, InputRefused, MissingRequirement
from mrfashion.weight_fetching import fetch
from mrfashion.weights import missing_weights, path_of, recorded, weights_path
from tests.toy_weights import NET, OWN, UNPINNED, Toys, digest, toy_shop


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    with toy_shop(monkeypatch, tmp_path) as shop:
        yield shop


def test_another_file_is_taken_on_the_users_word_only(toys: Toys) -> None:
    own = toys.own()
    with pytest.raises(HashMismatch, match="weights fetch hub-net --from FILE --trust"):
        fetch("hub-net", given=own)
    assert toys.state("hub-net") == "missing"
    fetch("hub-net")
    fetch("hub-net", given=own, trust=True)  # also in the place of the published one
    assert toys.state("hub-net") == "trusted"
    assert weights_path("hub-net").read_bytes() == OWN
    assert missing_weights("hub-net") is None
    assert json.loads((toys.cache / "weights" / "trusted.json").read_text()) == {
        "version": 1,
        "files": {"hub-net": {"bytes": len(OWN), "sha256": digest(OWN)}},
    }


def test_a_trusted_file_is_pinned_to_what_it_was(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(), trust=True)
    path_of(toys.rows["hub-net"]).write_bytes(OWN[::-1])
    assert toys.state("hub-net") == "wrong"
    with pytest.raises(MissingRequirement, match="does not hold the promised bytes"):
        weights_path("hub-net")


def test_the_published_file_ends_the_trust(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(), trust=True)
    assert fetch("hub-net")[0].read_bytes() == OWN  # what is pinned and right stays
    assert not toys.server.requests
    path_of(toys.rows["hub-net"]).unlink()
    assert fetch("hub-net")[0].read_bytes() == NET
    assert toys.state("hub-net") == "present"
    fetch("hub-net", given=toys.own(), trust=True)
    fetch("hub-net", given=toys.own(NET))
    assert toys.state("hub-net") == "present"


def test_vouching_for_the_published_file_is_no_custom_file(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(NET), trust=True)
    assert toys.state("hub-net") == "present"
    assert "weights_custom" not in recorded(["hub-net"])


def test_a_file_without_a_known_hash_needs_the_users_word(toys: Toys) -> None:
    with pytest.raises(MissingRequirement, match="weights fetch loose --trust"):
        fetch("loose")
    assert "weights fetch loose --trust" in str(missing_weights("loose-net"))
    assert not toys.server.requests
    assert fetch("loose", trust=True)[0].read_bytes() == UNPINNED
    assert toys.state("loose-net") == "trusted"


def test_a_file_without_a_known_hash_comes_back_as_it_was(toys: Toys) -> None:
    path = fetch("loose", trust=True)[0]
    path.unlink()
    assert fetch("loose")[0].read_bytes() == UNPINNED
    path.unlink()
    toys.server.put("/nets/loose.bin", UNPINNED[::-1])
    with pytest.raises(HashMismatch):
        fetch("loose")
    fetch("loose", trust=True)
    assert path.read_bytes() == UNPINNED[::-1]


def test_a_file_put_there_by_hand_is_not_trusted_by_lying_there(toys: Toys) -> None:
    fetch("toy")
    path_of(toys.rows["loose-net"]).write_bytes(UNPINNED)
    assert toys.state("loose-net") == "wrong"
    assert fetch("loose", given=toys.own(UNPINNED), trust=True)
    assert toys.state("loose-net") == "trusted"


def test_the_network_is_not_trusted_over_a_known_hash(toys: Toys) -> None:
    with pytest.raises(ConfigError, match="--from FILE"):
        fetch("hub-net", trust=True)
    assert not toys.server.requests


def test_trusting_a_model_trusts_only_its_unknown_files(toys: Toys) -> None:
    row = replace(toys.rows["loose-net"], name="loose-known", file="known.bin")
    toys.rows["loose-known"] = replace(row, bytes=len(UNPINNED), sha256=digest(OWN))
    with pytest.raises(HashMismatch):
        fetch("loose", trust=True)
    assert toys.state("loose-net") == "trusted"
    assert toys.state("loose-known") == "missing"


def test_one_file_is_not_taken_for_several(toys: Toys) -> None:
    toys.rows["hub-other"] = replace(toys.rows["hub-net"], name="hub-other", file="other.onnx")
    with pytest.raises(ConfigError, match="name hub-net or hub-other"):
        fetch("hub", given=toys.own(NET))


def test_an_empty_file_is_never_trusted(toys: Toys) -> None:
    with pytest.raises(HashMismatch):
        fetch("hub-net", given=toys.own(b""), trust=True)


def test_a_result_tells_custom_weights_from_published_ones(toys: Toys) -> None:
    names = ["toy-one", "hub-net"]
    published = {name: toys.rows[name].sha256 for name in names}
    assert recorded(names) == {"weights_sha256": published}
    fetch("hub-net", given=toys.own(), trust=True)
    assert recorded(names) == {
        "weights_sha256": published | {"hub-net": digest(OWN)},
        "weights_custom": ["hub-net"],
    }


BROKEN = {
    "no JSON": "{",
    "no object": "[]",
    "other version": '{"version": 2, "files": {}}',
    "no files": '{"version": 1}',
    "no pin": '{"version": 1, "files": {"hub-net": 1}}',
    "no digest": '{"version": 1, "files": {"hub-net": {"bytes": 1, "sha256": "0"}}}',
    "no size": f'{{"version": 1, "files": {{"hub-net": {{"sha256": "{"0" * 64}"}}}}}}',
    "too long": '{"version": 1, "files": {}}' + " " * 2_000_000,
    "too deep": "[" * 200_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_list_of_trusted_files_is_refused(kind: str, toys: Toys) -> None:
    folder = weights.weights_folder()
    folder.mkdir(parents=True)
    (folder / "trusted.json").write_text(BROKEN[kind])
    with pytest.raises(InputRefused, match=r"trusted\.json.*restore it"):
        weights_path("hub-net")


def test_the_list_of_trusted_files_survives_rows_that_are_gone(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(), trust=True)
    row = toys.rows.pop("hub-net")
    fetch("loose", trust=True)
    toys.rows["hub-net"] = row
    assert toys.state("hub-net") == "trusted"
