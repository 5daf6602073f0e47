from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from kernel_src.budget import TimeBudget
from kernel_src.errors import NotReadyError
from kernel_src.predict import BatchResult, PassRunner, look
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


def run(runner: PassRunner, member: LoadedMember, clips: Sequence[int]) -> tuple[bool, list[BatchResult]]:
    results: list[BatchResult] = []
    return runner.run(member, 0, clips, results.append), results


def test_a_batch_gives_each_clip_what_it_gets_alone(member: LoadedMember) -> None:
    spectrograms = [clip_spectrogram(clip) for clip in range(5)]
    together = look(member, spectrograms, view=1)
    alone = np.concatenate([look(member, [item], view=1) for item in spectrograms])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_view_is_normalised_as_in_training(member: LoadedMember) -> None:
    image = torch.from_numpy(clip_spectrogram(0)[:, :32].astype(np.float32))[None, None]
    expected = member.model((image - member.mean) / member.std).detach().numpy()
    np.testing.assert_allclose(look(member, [clip_spectrogram(0)[:, :32]], view=0), expected, atol=1e-6)


def test_a_pass_reaches_every_clip_in_order(member: LoadedMember) -> None:
    runner = PassRunner(lambda clip, *_: clip_spectrogram(clip), TimeBudget(100, 1, Clock()), 4, 1.0)
    finished, results = run(runner, member, range(10))
    assert finished
    assert [clip for result in results for clip in result.clips] == list(range(10))


def test_clips_that_cannot_be_used_are_left_out(member: LoadedMember) -> None:
    def fetch(clip: int, *_: object) -> np.ndarray | None:
        return clip_spectrogram(clip) if clip % 2 else None

    _, results = run(PassRunner(fetch, TimeBudget(100, 1, Clock()), 4, 1.0), member, range(6))
    assert [clip for result in results for clip in result.clips] == [1, 3, 5]


def test_a_late_clip_is_tried_once_more_at_the_end(member: LoadedMember) -> None:
    asked: list[int] = []

    def fetch(clip: int, *_: object) -> np.ndarray:
        asked.append(clip)
        if clip == 3 or (clip == 1 and asked.count(1) == 1):
            raise NotReadyError(str(clip))
        return clip_spectrogram(clip)

    finished, results = run(PassRunner(fetch, TimeBudget(100, 1, Clock()), 2, 1.0), member, range(6))
    assert finished
    assert [clip for result in results for clip in result.clips] == [0, 2, 4, 5, 1]
    assert asked.count(3) == 2


def test_no_batch_is_begun_that_may_outlast_the_budget(member: LoadedMember) -> None:
    clock = Clock()
    slow = member.model.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        clock.now_s += 10
        return slow(x)

    member.model.forward = forward  # type: ignore[method-assign]
    runner = PassRunner(lambda clip, *_: clip_spectrogram(clip), TimeBudget(50, 5, clock), 2, 1.0)
    finished, results = run(runner, member, range(20))
    assert not finished
    # After three batches 15 s are left; the next may take 1.5 times 10 s.
    assert len(results) == 3
