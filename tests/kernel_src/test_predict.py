import io
import queue
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.budget import TimeBudget
from kernel_src.crew import Crew
from kernel_src.errors import NotReadyError, StuckError
from kernel_src.events import EventLog
from kernel_src.predict import BatchResult, Fetch, PassRunner, cut_into_batches, look, look_through
from kernel_src.views import Window
from kernel_src.weights import LoadedMember, load_member
from sample_data import make_weights

LONG_ENOUGH_FRAMES = 40


class Clock:
    """Time that passes only when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def member(tmp_path: Path) -> LoadedMember:
    entry = make_weights(tmp_path, n_members=1).members[0]
    return load_member(tmp_path, entry, 3, torch.device("cpu"), backend="plain")


def clip_spectrogram(clip: int) -> np.ndarray:
    return np.random.default_rng(clip).random((16, LONG_ENOUGH_FRAMES)).astype(np.float16)


def make_runner(fetch: Fetch, clock: Clock, limit_s: float = 100, batch_clips: int = 4) -> PassRunner:
    crew = Crew([torch.device("cpu")], EventLog(None, clock, io.StringIO()))
    return PassRunner(fetch, TimeBudget(limit_s, 1, clock), crew, batch_clips, patience_s=1.0)


def run(runner: PassRunner, member: LoadedMember, clips: Sequence[int]) -> list[BatchResult]:
    results: list[BatchResult] = []
    runner.run(member, clips, lambda *_: 0, results.append)
    return results


def test_a_batch_gives_each_clip_what_it_gets_alone(member: LoadedMember) -> None:
    spectrograms = [clip_spectrogram(clip) for clip in range(5)]
    together = look(member, spectrograms, view=1)
    alone = np.concatenate([look(member, [item], view=1) for item in spectrograms])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_view_is_normalised_as_in_training(member: LoadedMember) -> None:
    image = torch.from_numpy(clip_spectrogram(0)[:, :32].astype(np.float32))[None, None]
    expected = member.model((image - member.mean) / member.std).sigmoid().detach().numpy()
    whole = look_through(member, [clip_spectrogram(0)], [Window(0, 32, 0, 16)])
    np.testing.assert_allclose(whole, expected, atol=1e-6)


def test_a_pass_reaches_every_clip_in_order(member: LoadedMember) -> None:
    results = run(make_runner(lambda clip, *_: clip_spectrogram(clip), Clock()), member, range(10))
    assert [clip for result in results for clip in result.clips] == list(range(10))
    assert {frames for result in results for frames in result.frames} == {LONG_ENOUGH_FRAMES}


@given(n_clips=st.integers(0, 300), size=st.integers(1, 64), last_size=st.integers(1, 64))
def test_batches_have_every_clip_once_in_order_and_shrink_at_the_end(n_clips: int, size: int, last_size: int) -> None:
    batches = cut_into_batches(range(n_clips), size, last_size)
    assert [clip for batch in batches for clip in batch] == list(range(n_clips))
    counts = [len(batch) for batch in batches]
    assert counts == sorted(counts, reverse=True)
    assert all(min(size, last_size) <= count <= size for count in counts[:-1])
    left = n_clips
    for count in counts:
        assert count <= max(min(size, last_size), left // 4)
        left -= count


def test_batches_of_one_size_leave_only_the_last_one_smaller() -> None:
    assert [len(batch) for batch in cut_into_batches(range(21), 8, 8)] == [8, 8, 5]


def test_a_member_that_is_placed_ahead_is_there_when_it_is_to_look(member: LoadedMember) -> None:
    another = replace(member, id="another")
    placed: list[str] = []
    both = threading.Event()

    def place(which: LoadedMember, _: torch.device) -> LoadedMember:
        placed.append(which.id)
        if len(placed) == 2:
            both.set()
        return which

    clock = Clock()
    crew = Crew([torch.device("cpu")] * 2, EventLog(None, clock, io.StringIO()))
    runner = PassRunner(lambda clip, *_: clip_spectrogram(clip), TimeBudget(100, 1, clock), crew, 4, 1.0, placed=place)
    runner.place_ahead(another)
    run(runner, member, range(10))
    assert both.wait(timeout=10)
    run(runner, another, range(10))
    runner.place_ahead(another)
    crew.close(patience_s=10)
    assert sorted(placed) == sorted([member.id, "another"])


def test_a_member_that_cannot_be_placed_says_so_when_it_is_to_look(member: LoadedMember) -> None:
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()

    def place(which: LoadedMember, _: torch.device) -> LoadedMember:
        asked.put(which.id)
        raise RuntimeError("no room")

    clock = Clock()
    crew = Crew([torch.device("cpu")] * 2, EventLog(None, clock, io.StringIO()))
    runner = PassRunner(lambda clip, *_: clip_spectrogram(clip), TimeBudget(100, 1, clock), crew, 4, 1.0, placed=place)
    runner.place_ahead(member)
    asked.get(timeout=10)
    with pytest.raises(RuntimeError, match="no room"):
        run(runner, member, range(10))
    crew.close(patience_s=10)


def test_clips_that_cannot_be_used_are_named(member: LoadedMember) -> None:
    def fetch(clip: int, *_: object) -> np.ndarray | None:
        return clip_spectrogram(clip) if clip % 2 else None

    results = run(make_runner(fetch, Clock()), member, range(6))
    assert [clip for result in results for clip in result.clips] == [1, 3, 5]
    assert [clip for result in results for clip in result.unusable] == [0, 2, 4]


def test_late_clips_are_named_and_a_batch_waits_for_them_no_longer_than_its_patience(member: LoadedMember) -> None:
    clock = Clock()

    def fetch(clip: int, _: LoadedMember, patience_s: float) -> np.ndarray:
        if clip in {1, 3}:
            clock.now_s += patience_s
            raise NotReadyError(str(clip))
        return clip_spectrogram(clip)

    results = run(make_runner(fetch, clock), member, range(6))
    assert [clip for result in results for clip in result.clips] == [0, 2, 4, 5]
    assert [clip for result in results for clip in result.late] == [1, 3]
    assert clock.now_s == 1.0


def test_a_clip_that_is_stuck_costs_the_others_no_patience(member: LoadedMember) -> None:
    clock = Clock()
    patience: dict[int, float] = {}

    def fetch(clip: int, _: LoadedMember, patience_s: float) -> np.ndarray:
        patience[clip] = patience_s
        if clip == 1:
            clock.now_s += 0.5
            raise StuckError(str(clip))
        return clip_spectrogram(clip)

    results = run(make_runner(fetch, clock), member, range(12))
    assert [clip for result in results for clip in result.late] == [1]
    assert len([clip for result in results for clip in result.clips]) == 11
    assert patience[11] == 1.0


def test_a_batch_is_cut_to_what_the_time_that_is_left_allows(member: LoadedMember) -> None:
    clock = Clock()

    def look(_: LoadedMember, spectrograms: Sequence[np.ndarray], __: object) -> np.ndarray:
        clock.now_s += 1.0 * len(spectrograms)
        return np.zeros((len(spectrograms), 3), np.float32)

    crew = Crew([torch.device("cpu")], EventLog(None, clock, io.StringIO()))
    budget = TimeBudget(12.4, 1, clock)
    runner = PassRunner(lambda clip, *_: clip_spectrogram(clip), budget, crew, 4, 1.0, look=look)
    results = run(runner, member, range(20))
    # Eight clips took 8 s; of the 2.4 s before the reserve one more may take 1.5 s.
    assert [len(result.clips) for result in results] == [4, 4, 1, 0, 0]
    assert sum(len(result.skipped) for result in results) == 11


def test_a_batch_that_the_device_cannot_hold_is_halved(member: LoadedMember) -> None:
    sizes: list[int] = []

    def look(_: LoadedMember, spectrograms: Sequence[np.ndarray], __: object) -> np.ndarray:
        if len(spectrograms) > 1:
            raise torch.OutOfMemoryError
        sizes.append(len(spectrograms))
        return np.full((1, 3), spectrograms[0][0, 0], np.float32)

    clock = Clock()
    crew = Crew([torch.device("cpu")], EventLog(None, clock, io.StringIO()))
    budget = TimeBudget(100, 1, clock)
    runner = PassRunner(lambda clip, *_: clip_spectrogram(clip), budget, crew, 4, 1.0, look=look)
    (result,) = run(runner, member, range(4))
    assert result.probabilities is not None
    np.testing.assert_allclose(result.probabilities[:, 0], [clip_spectrogram(clip)[0, 0] for clip in range(4)])
    assert sizes == [1, 1, 1, 1]
