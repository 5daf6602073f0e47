from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_src.frontend import FrontendConfig, decibels, mel_energies, pcen, spectrogram
from kernel_src.long_signal import LongSignal
from kernel_src.torch_frontend import TorchFrontend
from sample_data import tone

Float32 = npt.NDArray[np.float32]
SILVER = FrontendConfig()
CPU = torch.device("cpu")

DEVICES = [
    pytest.param(CPU, id="cpu"),
    pytest.param(
        torch.device("cuda"),
        id="cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")],
    ),
]


def noise(samples: int, level: float = 1.0) -> Float32:
    made: Float32 = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    return made * np.float32(level)


def reference(waveform: Float32, config: FrontendConfig) -> Float32:
    energies = mel_energies(waveform, config)
    return pcen(energies, config) if config.scaling == "pcen" else decibels(energies)


def made_of(waveforms: Sequence[Float32], config: FrontendConfig, device: torch.device) -> list[Float32]:
    signal = LongSignal.of(waveforms, config, pinned=device.type == "cuda")
    return TorchFrontend(config, device).before_rounding(signal)


def assert_equal_to_reference(waveforms: Sequence[Float32], config: FrontendConfig, device: torch.device) -> None:
    for waveform, result in zip(waveforms, made_of(waveforms, config, device), strict=True):
        np.testing.assert_allclose(result, reference(waveform, config), atol=1e-4, rtol=0)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_of_clips_of_any_length_is_what_the_cpu_frontend_makes_of_each(device: torch.device) -> None:
    waveforms = [tone(2.0), noise(1), noise(44_100, 1e-4), np.zeros(30_000, np.float32), noise(689 * 10), tone(0.1)]
    assert_equal_to_reference(waveforms, SILVER, device)


@pytest.mark.parametrize("device", DEVICES)
def test_a_long_clip_is_smoothed_over_all_of_its_frames(device: torch.device) -> None:
    loud_then_still = np.concatenate([noise(44_100, 10.0), np.zeros(44_100 * 35, np.float32), tone(1.0)])
    assert_equal_to_reference([loud_then_still], SILVER, device)


def test_nothing_of_what_memory_held_before_is_heard() -> None:
    """PyTorch fills memory that nobody has written to with NaN while it is asked to be deterministic."""
    torch.use_deterministic_algorithms(True)
    try:
        assert_equal_to_reference([noise(1), tone(1.0), noise(30_000)], SILVER, CPU)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(n_mels=40, n_fft=1001, hop_samples=333, fmin_hz=50, fmax_hz=8000, power=1.0),
        FrontendConfig(n_mels=16, n_fft=512, hop_samples=600),
        FrontendConfig(scaling="db", n_mels=64, n_fft=2048, hop_samples=512),
        FrontendConfig(n_mels=64, n_fft=2048, hop_samples=512, pcen_start="first_frame"),
    ],
    ids=["odd", "frames apart", "decibels", "begun with the first frame"],
)
def test_other_settings_give_the_cpu_frontends_numbers_too(config: FrontendConfig, device: torch.device) -> None:
    waveforms = [tone(1.0), noise(20_000)]
    tolerance = 1e-4 if config.scaling == "pcen" else 1e-3  # decibels: of some tens
    for waveform, result in zip(waveforms, made_of(waveforms, config, device), strict=True):
        np.testing.assert_allclose(result, reference(waveform, config), atol=tolerance, rtol=0)


@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
    hop_samples=st.integers(50, 900),
    level=st.sampled_from([1e-5, 0.1, 3.0]),
)
def test_no_clip_hears_the_one_before_it(lengths: list[int], hop_samples: int, level: float) -> None:
    config = FrontendConfig(n_mels=16, n_fft=1024, hop_samples=hop_samples)
    assert_equal_to_reference([noise(length, level) for length in lengths], config, CPU)


def test_the_result_is_rounded_and_has_the_shape_of_the_cpu_frontends() -> None:
    waveforms = [tone(1.0), tone(0.3)]
    results = TorchFrontend(SILVER, CPU).spectrograms(LongSignal.of(waveforms, SILVER))
    for waveform, result in zip(waveforms, results, strict=True):
        expected = spectrogram(waveform, SILVER)
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        assert result.flags.c_contiguous
        np.testing.assert_allclose(result, expected, atol=2e-3, rtol=0)
