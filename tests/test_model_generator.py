"""The networks of model/ behind the generation interface."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.entrants import entrant_identity, make_entrant
from benchmark.fitting import fit, unfit
from model import network_source
from model.checkpoint import save_network
from model.config import NetworkConfig, load_network_config
from model.generator import NetworkGenerator
from model.generators import (
    GENERATORS,
    ConcatGenerator,
    MooreGenerator,
    NearestGenerator,
    ProFashionGenerator,
    ProFashionSettings,
    PublishedSettings,
)
from model.network_source import Rehearsed
from model.sampling_settings import Memory, SamplingChoices, SamplingSettings
from mrfashion.artefacts import canonical_json
from mrfashion.errors import ConfigError, InputRefused, MissingRequirement
from mrfashion.generation import Batched, Explaining, Reference, Rehearsable, Request, Unsupported
from tests.published_weights import TWIN, write_checkpoint, write_pipeline
from tests.tiny_networks import network, tiny

H, W = 32, 24
QUICK = SamplingChoices(steps=2)


def keypoints(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Any:
    """f 133 3: all seen, within the frame."""
    xy = random.random((frames, 133, 2)) * (size[1] - 1, size[0] - 1)
    return np.concatenate([xy, np.ones((frames, 133, 1))], axis=-1).astype(np.float32)


def request(
    references: int = 3, frames: int = 3, seed: int = 0, size: tuple[int, int] = (H, W), of: int = 0
) -> Request:
    """Random pictures and poses, other ones for another `of`."""
    random = np.random.default_rng(of)
    driving = keypoints(random, frames, size)
    shown = tuple(
        Reference(
            random.integers(0, 256, (*size, 3), np.uint8),
            keypoints(random, 1, size)[0],
            float(90 * i),
            "front",
        )
        for i in range(references)
    )
    yaw = np.zeros(frames, np.float32)
    return Request(f"sample-{of}", shown, driving, yaw, size, 12.0, size, seed)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "network.safetensors"
    save_network(network(), path)
    return path


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> ProFashionGenerator:
    generator = ProFashionGenerator(ProFashionSettings(checkpoint, sampling=QUICK))
    assert generator.check() == []
    generator.load("cpu", "float32")
    return generator


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    write_pipeline(root)
    write_checkpoint(root)
    return root


def settings(root: Path, **changes: Any) -> PublishedSettings:
    return PublishedSettings(root, root, root, sampling=QUICK, **changes)


@pytest.fixture
def small_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published networks with the shapes of the files the tests write."""
    monkeypatch.setattr("model.generators.load_network_config", lambda _: TWIN)


@pytest.mark.parametrize("name", list(GENERATORS))
def test_each_says_what_it_is_and_rehearses(name: str) -> None:
    generator = make_entrant(name)
    for protocol in (Rehearsable, Batched, Explaining):
        assert isinstance(generator, protocol)
    assert generator.info.name == name
    assert generator.info.kind == "learned"
    rehearsal = generator.rehearsal()
    assert rehearsal.info.name == name
    assert rehearsal.check() == []
    assert canonical_json(entrant_identity(rehearsal)) != canonical_json(
        entrant_identity(generator)
    )
    rehearsal.load("cpu", "float32")
    asked = replace(request(references=1, frames=2), steps=1, guidance=1.0)
    result = rehearsal.generate(asked)
    result.check(asked)
    assert result.effective["aggregation"] == generator.source.config.aggregation


def test_real_size_is_the_true_architecture(checkpoint: Path) -> None:
    real = make_entrant("animate-anyone-moore").rehearsal(real_size=True)
    assert isinstance(real, NetworkGenerator)
    assert real.source.config == load_network_config("moore")
    assert real.sampling.steps == 30
    own = ProFashionGenerator(ProFashionSettings(checkpoint)).rehearsal(real_size=True)
    assert own.source.config == tiny()


def test_the_rehearsed_weights_are_always_the_same() -> None:
    before = torch.random.get_rng_state()
    first, again = (Rehearsed(tiny()).load()[0].state_dict() for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_video_answers_its_request(loaded: ProFashionGenerator) -> None:
    asked = request(frames=4)
    result = loaded.generate(asked)
    result.check(asked)
    weights = result.reference_weights
    assert weights is not None
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert result.frames.std() > 1
    assert result.warnings == ()
    assert np.array_equal(loaded.generate(asked).frames, result.frames)
    other = loaded.generate(replace(asked, seed=1))
    assert not np.array_equal(other.frames, result.frames)
    assert np.array_equal(other.reference_weights, weights)  # no noise has a part in them


def test_what_was_asked_is_recorded(loaded: ProFashionGenerator) -> None:
    assert loaded.generate(request()).effective["steps"] == 2
    effective = loaded.generate(replace(request(), steps=3, guidance=1.0)).effective
    assert (effective["steps"], effective["guidance"]) == (3, 1.0)
    assert effective["beta_schedule"] == "squaredcos_cap_v2"
    assert effective["dtype"] == "float32"
    canonical_json(effective)
    for asked, told in (({"steps": 1001}, "1000"), ({"guidance": -1.0}, "guidance")):
        with pytest.raises(Unsupported, match=told):
            loaded.generate(replace(request(), **asked))


def test_a_batch_equals_single_calls(loaded: ProFashionGenerator) -> None:
    asked = [request(r, seed=s, of=s) for r, s in ((3, 0), (1, 1), (2, 2))]
    together = loaded.generate_batch(asked)
    for one, result in zip(asked, together, strict=True):
        alone = loaded.generate(one)
        result.check(one)
        np.testing.assert_allclose(result.frames.astype(int), alone.frames.astype(int), atol=1)
        np.testing.assert_allclose(result.reference_weights, alone.reference_weights, atol=1e-5)
    with pytest.raises(ValueError, match="one size, length"):
        loaded.generate_batch([request(frames=2), request(frames=3)])


def test_the_order_of_references_changes_no_frame(loaded: ProFashionGenerator) -> None:
    asked, order = request(), [2, 0, 1]
    turned = replace(asked, references=tuple(asked.references[i] for i in order))
    first, second = loaded.generate(asked), loaded.generate(turned)
    np.testing.assert_allclose(first.frames.astype(int), second.frames.astype(int), atol=1)
    assert first.reference_weights is not None
    np.testing.assert_allclose(
        first.reference_weights[:, order], second.reference_weights, atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_precision_changes_little(
    dtype: str, checkpoint: Path, loaded: ProFashionGenerator
) -> None:
    half = ProFashionGenerator(ProFashionSettings(checkpoint, sampling=QUICK))
    half.load("cpu", dtype)
    result = half.generate(request())
    assert result.effective["dtype"] == dtype
    error = np.abs(result.frames.astype(int) - loaded.generate(request()).frames.astype(int))
    assert error.mean() < 4


def test_a_request_is_fitted_to_the_networks_multiple(loaded: ProFashionGenerator) -> None:
    assert loaded.info.size_multiple == tiny().size_multiple == 4
    odd = request(size=(30, 22))
    with pytest.raises(Unsupported, match="multiples of 4"):
        loaded.generate(odd)
    fitted = fit(odd, loaded.info)
    answer = unfit(loaded.generate_batch(fitted.requests), fitted)
    assert answer.frames.shape == (3, 30, 22, 3)
    assert answer.effective["fit"]["work_size"] == [32, 24]
    larger = replace(request(), references=request(size=(64, 48)).references)
    with pytest.raises(Unsupported, match="Fit the request first"):
        loaded.generate(larger)
    with pytest.raises(Unsupported, match="at most 8"):
        loaded.generate(request(9))


def test_unseen_poses_are_told(loaded: ProFashionGenerator) -> None:
    asked = request()
    unseen = asked.keypoints.copy()
    unseen[1] = (np.nan, np.nan, 0)
    blank = replace(asked.references[0], keypoints=unseen[1])
    result = loaded.generate(
        replace(asked, keypoints=unseen, references=(blank, *asked.references[1:]))
    )
    assert result.warnings == (
        "no pose in 1 of 3 frames: drawn black",
        "no pose in 1 of 3 references: drawn black",
    )


def test_an_explanation_is_of_the_weights_used(loaded: ProFashionGenerator) -> None:
    asked = request(2, frames=3)
    told, made = loaded.explain(asked), loaded.generate(asked)
    np.testing.assert_allclose(told.reference_weights, made.reference_weights, atol=1e-6)
    assert {stride: m.shape for stride, m in told.maps.items()} == {
        2: (3, 2, 16, 12),
        4: (3, 2, 8, 6),
    }
    for weights in told.maps.values():
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    means = [weights.mean(axis=(2, 3)) for weights in told.maps.values()]
    np.testing.assert_allclose(np.mean(means, axis=0), told.reference_weights, atol=1e-5)


def test_what_weighs_nothing_explains_nothing(tmp_path: Path) -> None:
    concat = ConcatGenerator().rehearsal()
    concat.load("cpu", "float32")
    assert concat.generate(replace(request(), steps=1)).reference_weights is None
    with pytest.raises(Unsupported, match="none has a weight"):
        concat.explain(request())


def test_other_weights_or_sampling_are_another_entrant(checkpoint: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_network(network(seed=1), other)

    def identity(path: Path, **changes: Any) -> str:
        generator = ProFashionGenerator(ProFashionSettings(path, **changes), name="same")
        return canonical_json(entrant_identity(generator))

    own = identity(checkpoint)
    assert own == identity(checkpoint, memory=Memory(chunk=1, offload=True))
    assert own != identity(other)
    assert own != identity(checkpoint, sampling=SamplingChoices(steps=34))
    assert own != identity(checkpoint, sampling=SamplingChoices(overlap=3))
    assert own == identity(checkpoint, sampling=SamplingChoices(steps=35))


def test_an_entrant_file_names_a_checkpoint_beside_it(checkpoint: Path) -> None:
    file = checkpoint.with_name("mine.toml")
    file.write_text(
        'generator = "profashion"\n[settings]\ncheckpoint = "network.safetensors"\n'
        "[settings.sampling]\nsteps = 3\n[settings.memory]\noffload = true\n"
    )
    generator: Any = make_entrant(str(file))
    assert generator.info.name == "mine"
    assert generator.check() == []
    assert generator.sampling == SamplingSettings(steps=3, offload=True)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"window": 17}, "window is 17; this network's motion sees 16"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1001}, "trained on 1000"),
        ({"overlap": 16}, "overlap is 16"),
        ({"guidance": float("nan")}, "guidance"),
    ],
)
def test_a_sampling_that_cannot_be_is_refused(
    checkpoint: Path, choices: dict[str, Any], told: str
) -> None:
    chosen = ProFashionSettings(checkpoint, sampling=SamplingChoices(**choices))
    with pytest.raises(ConfigError, match=told):
        ProFashionGenerator(chosen)


def test_a_checkpoint_runs_under_the_name_it_was_trained_for(
    checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="trained with aggregation 'pose-aware'"):
        NearestGenerator(ProFashionSettings(checkpoint))
    path = tmp_path / "nearest.safetensors"
    save_network(network(aggregation="nearest"), path)
    assert NearestGenerator(ProFashionSettings(path)).check() == []


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (none,) = ProFashionGenerator().check()
    assert none.startswith("checkpoint: no file is given. `mrfashion train` writes one")
    away = ProFashionGenerator(ProFashionSettings(tmp_path / "away.safetensors"))
    assert away.check()[0].startswith(f"checkpoint: {tmp_path / 'away.safetensors'} is not a file")
    assert away.settings()["weights_sha256"]["checkpoint"] is None
    with pytest.raises(MissingRequirement, match="is not a file"):
        away.load("cpu", "float32")
    monkeypatch.setattr(network_source.importlib.util, "find_spec", lambda _: None)
    (packages,) = away.check()
    assert "pip install 'mrfashion[train]'" in packages


def test_an_autoencoder_is_asked_for_where_the_network_needs_one(
    tmp_path: Path, published: Path
) -> None:
    path = tmp_path / "latent.safetensors"
    torch.manual_seed(0)
    config = replace(TWIN, aggregation="pose-aware", flow="on")
    save_network(network_source.Rehearsed(config).load()[0], path)
    lacking = ProFashionGenerator(ProFashionSettings(path, tmp_path))
    (told,) = lacking.check()
    assert told.startswith(f"autoencoder: {tmp_path} has none of vae/config.json")
    assert "as `autoencoder` under [settings]" in told
    whole = ProFashionGenerator(ProFashionSettings(path, published, sampling=QUICK))
    assert whole.check() == []
    assert all(whole.settings()["weights_sha256"].values())
    whole.load("cpu", "float32")
    asked = request()
    whole.generate(asked).check(asked)


def test_a_hostile_checkpoint_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    pickled = tmp_path / "pickled.safetensors"
    pickled.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(InputRefused, match="cannot be read"):
        ProFashionGenerator(ProFashionSettings(pickled))
    foreign = tmp_path / "foreign.safetensors"
    save_file(load_file(checkpoint), foreign)
    with pytest.raises(InputRefused, match="format"):
        ProFashionGenerator(ProFashionSettings(foreign))


def test_it_is_loaded_before_it_is_asked(checkpoint: Path) -> None:
    with pytest.raises(RuntimeError, match="before load"):
        ProFashionGenerator(ProFashionSettings(checkpoint)).generate(request())


@pytest.mark.usefixtures("small_twins")
@pytest.mark.parametrize("name", ["animate-anyone-moore", "musepose"])
def test_published_files_make_a_video(name: str, published: Path) -> None:
    generator: Any = GENERATORS[name](settings(published))
    assert generator.check() == []
    assert generator.info.max_references == 1
    hashes = generator.settings()["weights_sha256"]
    parts = ["autoencoder", "denoiser", "guider", "image_encoder", "motion", "reference"]
    assert sorted(hashes) == parts
    assert all(hashes.values())
    generator.load("cpu", "float32")
    asked = request(1)
    result = generator.generate(asked)
    result.check(asked)
    assert result.frames.std() > 1
    assert result.effective["windows"] == "triangular weights, the last clamped to the end"
    with pytest.raises(Unsupported, match="at most 1"):
        generator.generate(request(2))


def test_published_networks_sample_as_their_authors_do() -> None:
    moore, musepose = (make_entrant(name) for name in ("animate-anyone-moore", "musepose"))
    shown = {
        g.info.name: (g.sampling.steps, g.sampling.guidance, g.sampling.window)
        for g in (moore, musepose)
    }
    assert shown == {"animate-anyone-moore": (30, 3.5, 24), "musepose": (20, 3.5, 48)}
    own: NetworkConfig = moore.source.config
    assert own.diffusion.beta_schedule == "linear"
    trained = MooreGenerator(PublishedSettings(beta_schedule="scaled_linear"))
    assert trained.source.config.diffusion.beta_schedule == "scaled_linear"
    assert trained.settings()["network"] != moore.settings()["network"]


@pytest.mark.usefixtures("small_twins")
def test_a_published_file_that_is_missing_is_named(published: Path, tmp_path: Path) -> None:
    (published / "keep").mkdir(exist_ok=True)
    moved = published / "keep" / "motion_module.pth"
    (published / "motion_module.pth").rename(moved)
    try:
        (told,) = MooreGenerator(settings(published)).check()
    finally:
        moved.rename(published / "motion_module.pth")
    assert told.startswith("motion: ")
    assert "motion_module.pth" in told
    assert "hf download patrolli/AnimateAnyone" in told
    away = MooreGenerator(PublishedSettings(*[tmp_path / "a" / "b"] * 3)).check()
    assert len(away) == 3
    assert all("neither a folder nor a hub id" in text for text in away)


def test_describing_generators_imports_no_torch() -> None:
    code = (
        "import sys; from benchmark.entrants import make_entrant; from model.generators import "
        "GENERATORS\nfor name in GENERATORS:\n    g = make_entrant(name); g.check(); g.settings()\n"
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
