"""Checks of how a loaded generator answers, and of what it does beside."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from benchmark.conformance import probes
from benchmark.conformance.findings import Failed, NotApplicable
from benchmark.conformance.subject import NOT_LOADED, Subject, Take
from benchmark.fitting import fit
from mrfashion.artefacts import canonical_json
from mrfashion.generation import Batched, Result, Unsupported

MANY = 32  # no more references are tried
LONG = 40  # frames of a window; longer ones take too long to exceed


def check_loads(subject: Subject) -> str:
    """It gets ready on the device and in the precision asked."""
    subject.load()
    return f"on {subject.device} in {subject.dtype}"


def check_answers(subject: Subject) -> str:
    """Exactly the asked frames: count, size, uint8, fps; weights of the right shape."""
    takes = subject.ask("first", probes.first), subject.ask("second", probes.second)
    shapes = " and ".join("x".join(map(str, take.result.frames.shape)) for take in takes)
    return f"{shapes}, uint8, {takes[0].seconds:.2f} s and {takes[1].seconds:.2f} s"


def check_odd_requests(subject: Subject) -> str:
    """A single frame, nobody in the poses or the references: a video, or Unsupported."""
    said = []
    for name, request in probes.odd().items():
        try:
            subject.ask(name, lambda request=request: request)  # type: ignore[misc]
            said.append(f"{name}: a video")
        except Unsupported:
            said.append(f"{name}: Unsupported")
        except NotApplicable:
            raise
        except Exception as error:
            raise Failed(f"{name}: {describe(error)}; needed: a video or Unsupported") from error
    return "; ".join(said)


def check_too_many_references(subject: Subject) -> str:
    """Asked for more references than it takes, it says Unsupported, or makes the video."""
    most = subject.info.max_references
    if most >= MANY:
        raise NotApplicable(f"it takes {most}")
    running = subject.running
    if running is None:
        raise NotApplicable(NOT_LOADED)
    fitted = fit(probes.with_references(most + 1), replace(subject.info, max_references=most + 1))
    try:
        subject.traces.watch(lambda: running.generate(fitted.requests[0]))
    except Unsupported:
        return f"{most + 1}: Unsupported"
    except Exception as error:
        raise Failed(f"{most + 1} references: {describe(error)}; needed: Unsupported") from error
    return f"{most + 1}: a video"


def check_long_requests(subject: Subject) -> str:
    """One frame more than it makes at once: in windows, or Unsupported where it has no overlap."""
    window = subject.info.window
    if window is None or window > LONG:
        raise NotApplicable("no limit" if window is None else f"a window is {window} frames")
    asked = window + 1
    try:
        take = subject.ask("long", lambda: probes.with_frames(asked))
    except Unsupported:
        if subject.info.overlap is None:
            return f"{asked} frames: Unsupported"
        raise Failed(f"{asked} frames: Unsupported, though windows overlap") from None
    return f"{asked} frames in {len(take.windows)} windows"


def check_same_seed(subject: Subject) -> str:
    """The same request gives the same video, whatever moved the global random states."""
    if not subject.info.deterministic:
        raise NotApplicable("it says that it is not deterministic")
    return _same(subject.first(), subject.again(), "asked again, with other global random states")


def check_order(subject: Subject) -> str:
    """What it was asked before changes nothing."""
    if not subject.info.deterministic:
        raise NotApplicable("it says that it is not deterministic")
    return _same(subject.first(), subject.after_second(), "asked again after another request")


def check_other_seed(subject: Subject) -> str:
    """Another seed gives another video."""
    if subject.info.kind != "learned":
        raise NotApplicable(f"a {subject.info.kind} may have nothing random")
    other = subject.needed("other-seed", lambda: probes.with_seed(8))
    if np.array_equal(subject.first().result.frames, other.result.frames):
        raise Failed("seeds 7 and 8 give the same video: the request's seed is not used")
    return f"mean change {_change(subject.first(), other):.1f} levels"


def check_uses_inputs(subject: Subject) -> str:
    """The inputs it names change the video."""
    tried = {
        "references": probes.with_other_person,
        "keypoints": probes.with_other_keypoints,
        "yaw": probes.with_other_yaw,
    }
    changes = {}
    for name in [name for name in tried if name in subject.info.inputs]:
        other = subject.needed(f"other {name}", tried[name])
        changes[name] = _change(subject.first(), other)
        if changes[name] == 0 and subject.rehearsed:
            raise NotApplicable(f"other {name} change nothing, but these weights are random")
        if changes[name] == 0:
            raise Failed(f"other {name} give the same video, though inputs names them")
    return ", ".join(f"{name}: {change:.1f} levels" for name, change in changes.items())


def check_batches(subject: Subject) -> str:
    """A batch gives what its requests give alone, in their order."""
    running = subject.running
    if running is None:
        raise NotApplicable(NOT_LOADED)
    if not isinstance(running, Batched):
        raise NotApplicable("it makes one video at a time")
    other = subject.needed("partner", lambda: replace(probes.with_other_person(), seed=8))
    alone = [subject.first(), other]
    windows = [take.windows[0] for take in alone]
    batch = subject.traces.watch_random(lambda: running.generate_batch(windows))
    if len(batch) != len(windows):
        raise Failed(f"{len(batch)} results for {len(windows)} requests")
    for result, window in zip(batch, windows, strict=True):
        result.check(window)
    own = max(_apart(batch[i], alone[i].raw[0]) for i in (0, 1))
    crossed = min(_apart(batch[i], alone[1 - i].raw[0]) for i in (0, 1))
    text = f"in a batch {own:.2f} levels from alone, {crossed:.2f} from each other's"
    if own > crossed / 4:
        raise Failed(text)
    return text


def check_request_untouched(subject: Subject) -> str:
    """It changes no array of its request, and takes read-only ones."""
    touched = subject.first().touched or subject.second().touched
    if touched:
        raise Failed("it wrote into an array of its request; copy first")
    try:
        subject.ask("again", probes.first, frozen=True)
    except ValueError as error:
        if "read-only" in str(error) or "readonly" in str(error):
            raise Failed(f"read-only arrays: {describe(error)}; copy first") from error
        raise NotApplicable("no answer to read-only arrays") from error
    return "equal before and after; read-only arrays are taken"


def check_frames_stay(subject: Subject) -> str:
    """Frames it gave are not changed by what it makes later."""
    takes = [subject.first(), subject.second(), subject.after_second()]
    if any(take.hashes != take.now for take in takes):
        raise Failed("frames of an earlier answer changed later: give out copies of a buffer")
    return "three answers stayed as they were"


def check_reference_weights(subject: Subject) -> str:
    """Rows of the reference weights are shares: none negative, sum 1."""
    takes = [subject.first(), subject.second()]
    given = [w for take in takes if (w := take.result.reference_weights) is not None]
    if not given:
        raise NotApplicable("it gives none")
    lowest = min(float(w.min()) for w in given)
    off = max(float(np.abs(w.sum(axis=1) - 1).max()) for w in given)
    if lowest < 0 or off > 1e-3:
        raise Failed(f"lowest weight {lowest:.3g}, sums off by {off:.3g}; needed: shares of 1")
    return f"sums off by at most {off:.1g}"


def check_effective(subject: Subject) -> str:
    """What it says it did is plain JSON, with the steps and the guidance of the request."""
    take = subject.first()
    try:
        canonical_json(take.result.effective)
    except (TypeError, ValueError) as error:
        raise Failed(f"effective is no plain JSON: {error}") from None
    said = [raw.effective for raw in take.raw]
    if subject.info.kind != "learned":
        return f"plain JSON: {canonical_json(said[0])[:80]}"
    asked = {"steps": take.windows[0].steps, "guidance": take.windows[0].guidance}
    for name, value in asked.items():
        if said[0].get(name) != value:
            raise Failed(f"{name} asked {value}, effective says {said[0].get(name)!r}")
    return "plain JSON with steps and guidance as asked"


def check_random_states(subject: Subject) -> str:
    """Generating moves no global random state."""
    _ran(subject)
    if subject.traces.moved:
        moved = ", ".join(sorted(subject.traces.moved))
        raise Failed(f"it moved the global state of {moved}; use a generator of its own")
    return "none moved"


def check_quiet(subject: Subject) -> str:
    """Nothing is printed: stdout is for data; say it through logging."""
    _ran(subject)
    if subject.traces.printed:
        raise Failed(f"it printed {subject.traces.printed[0][:60]!r}")
    return "nothing on stdout"


def check_offline(subject: Subject) -> str:
    """Nobody is called: weights come by `mrfashion weights`, not on the way."""
    _ran(subject)
    if subject.traces.called:
        raise Failed(f"it asked for {', '.join(sorted(set(subject.traces.called)))}")
    return "no address was asked for"


def check_tidy(subject: Subject) -> str:
    """No file is left in the working folder."""
    _ran(subject)
    if subject.traces.left:
        raise Failed(f"it left {', '.join(sorted(set(subject.traces.left)))}")
    return "the working folder stayed empty"


def describe(error: Exception) -> str:
    """The kind of error, and its text."""
    return f"{type(error).__name__}: {error}"


def _ran(subject: Subject) -> None:
    """Loaded, and asked both requests; what it did beside counts even where it did not answer."""
    if subject.running is None:
        raise NotApplicable(NOT_LOADED)
    for take in (subject.first, subject.second):
        with suppress(NotApplicable):
            take()


def _same(one: Take, other: Take, when: str) -> str:
    if not np.array_equal(one.result.frames, other.result.frames):
        raise Failed(f"{when} it gives another video: mean change {_change(one, other):.2f} levels")
    return "every value the same"


def _change(one: Take, other: Take) -> float:
    return _apart(one.result, other.result)


def _apart(one: Result, other: Result) -> float:
    """Mean difference in levels."""
    return float(np.abs(one.frames.astype(np.int16) - other.frames).mean())
