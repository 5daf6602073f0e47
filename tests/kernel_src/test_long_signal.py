"""Clips keep to themselves in a signal that holds many."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.frontend import FrontendConfig, count_frames
from kernel_src.long_signal import LongSignal, samples_of


@given(
    lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=8),
    n_fft=st.integers(16, 1500),
    hop_samples=st.integers(1, 2000),
)
def test_each_frame_hears_its_own_clip_and_silence(lengths: list[int], n_fft: int, hop_samples: int) -> None:
    config = FrontendConfig(n_mels=4, n_fft=n_fft, hop_samples=hop_samples)
    lengths = [max(length, n_fft % 2) for length in lengths]
    signal = LongSignal.of([np.full(length, 1 + n, np.float32) for n, length in enumerate(lengths)], config)
    samples = np.zeros(signal.end_frame * hop_samples + n_fft, np.float32)
    samples[: signal.end_sample] = signal.samples[: signal.end_sample].numpy()
    for clip, (length, frames) in enumerate(zip(lengths, signal.clips, strict=True)):
        assert frames.stop - frames.start == count_frames(length, config)
        heard = samples[frames.start * hop_samples : (frames.stop - 1) * hop_samples + n_fft]
        assert set(np.unique(heard)) <= {0, 1 + clip}
    assert [len(waveform) for waveform in signal.waveforms()] == lengths
    assert all(set(np.unique(waveform)) == {1 + clip} for clip, waveform in enumerate(signal.waveforms()))


@given(st.integers(1, 5000), st.integers(16, 1500), st.integers(1, 2000))
def test_a_clip_has_room_where_it_was_made_for_it(n_samples: int, n_fft: int, hop_samples: int) -> None:
    config = FrontendConfig(n_mels=4, n_fft=n_fft, hop_samples=hop_samples)
    assert LongSignal(config, samples_of(n_samples, config)).reserve(n_samples) is not None


def test_what_finds_no_room_changes_nothing() -> None:
    config = FrontendConfig(n_mels=4, n_fft=64, hop_samples=16)
    signal = LongSignal(config, 500)
    first = signal.reserve(300)
    assert first is not None
    first[:] = 1
    assert signal.reserve(300) is None
    assert (signal.end_sample, len(signal.clips)) == (332, 1)
    assert torch.equal(signal.samples[32:332], torch.ones(300))
    assert signal.reserve(50) is not None
