import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.devices import CPU
from kernel_src.views import MAX_VIEWS, Window, cut, stretch, view_order, windows

FRAMES = st.integers(1, 3000)
COVERING_FRAMES = 244  # 256 / 1.05


@given(FRAMES, st.integers(0, 20))
def test_a_clip_is_covered_end_to_end_before_anything_is_seen_twice(n_frames: int, rank: int) -> None:
    n_cover = -(-n_frames // COVERING_FRAMES)
    if n_cover > MAX_VIEWS:
        return
    seen = np.zeros(n_frames, bool)
    views = windows(n_frames, 256, 128)
    for index in view_order(n_frames, 256, 128, rank)[:n_cover]:
        seen[max(0, views[index].start_frames) : views[index].start_frames + views[index].length_frames] = True
    assert seen.all()


@given(FRAMES)
def test_no_clip_is_given_the_same_window_twice(n_frames: int) -> None:
    found = windows(n_frames, 256, 128)
    assert 1 <= len(found) <= MAX_VIEWS
    assert len(set(found)) == len(found)


@given(FRAMES, st.integers(0, 20))
def test_every_network_looks_at_each_view_once(n_frames: int, rank: int) -> None:
    assert sorted(view_order(n_frames, 256, 128, rank)) == list(range(len(windows(n_frames, 256, 128))))


def test_four_networks_cover_a_clip_of_four_windows_with_one_look_each() -> None:
    views = windows(4 * COVERING_FRAMES, 256, 128)
    firsts = [views[view_order(4 * COVERING_FRAMES, 256, 128, rank)[0]] for rank in range(4)]
    assert sorted(window.start_frames for window in firsts) == [0, 244, 488, 732]


def test_every_second_network_takes_the_other_bands_first() -> None:
    views = windows(100, 256, 128)
    firsts = [views[view_order(100, 256, 128, rank)[1]] for rank in (0, 2, 1, 3)]
    assert firsts[0].first_mel == firsts[1].first_mel
    assert firsts[2].first_mel == firsts[3].first_mel
    assert firsts[0].first_mel == 0


@given(FRAMES)
def test_every_window_shows_some_of_the_clip(n_frames: int) -> None:
    for window in windows(n_frames, 256, 128):
        assert window.start_frames < n_frames
        assert window.start_frames + window.length_frames > 0
        assert 0 <= window.first_mel <= window.first_mel + window.n_mels <= 128


def test_a_short_clip_has_few_views_and_lies_in_the_middle_of_the_first() -> None:
    found = windows(100, 256, 128)
    assert found[0] == Window(start_frames=-72, length_frames=244, first_mel=3, n_mels=122)
    assert len(found) == 5


def test_the_first_views_of_a_long_clip_lie_far_apart() -> None:
    starts = [window.start_frames for window in windows(8 * COVERING_FRAMES, 256, 128)[:3]]
    assert starts == [0, 4 * COVERING_FRAMES, 2 * COVERING_FRAMES]


def test_a_cut_is_padded_with_silence_on_both_sides() -> None:
    spectrogram = np.arange(6, dtype=np.float16).reshape(2, 3)
    part = cut(spectrogram, Window(start_frames=-1, length_frames=5, first_mel=1, n_mels=1), silence=-7.0)
    np.testing.assert_array_equal(part, [[-7, 3, 4, 5, -7]])


def test_a_part_of_the_right_size_is_not_changed_by_stretching() -> None:
    part = np.random.default_rng(0).random((8, 16)).astype(np.float16)
    np.testing.assert_array_equal(stretch([part], 8, 16, CPU)[0, 0].numpy(), part)


def test_a_smaller_part_is_enlarged() -> None:
    part = np.array([[0.0, 1.0]], np.float16)
    assert stretch([part], 1, 4, CPU)[0, 0, 0].tolist() == pytest.approx([0.0, 0.25, 0.75, 1.0])


def test_parts_of_several_sizes_come_out_in_their_order() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.random(shape).astype(np.float16) for shape in ((8, 16), (7, 15), (8, 16), (7, 15), (3, 4))]
    together = stretch(parts, 8, 16, CPU)
    for row, part in zip(together, parts, strict=True):
        np.testing.assert_array_equal(row[None].numpy(), stretch([part], 8, 16, CPU).numpy())
