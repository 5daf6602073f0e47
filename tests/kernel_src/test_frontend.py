from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_src import frontend
from kernel_src.frontend import FrontendConfig, PcenStart, decibels, mel_energies, pcen, smoothing_share, spectrogram
from kernel_src.frontend_native import NativeSteps
from kernel_src.frontend_numpy import NumpySteps
from sample_data import tone

Float32 = npt.NDArray[np.float32]
SILVER = FrontendConfig()


@pytest.fixture(scope="module", autouse=True, params=["native", "numpy"])
def steps(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything below holds with C++ and without."""
    if request.param == "native":
        request.getfixturevalue("a_compiler")
    steps = NativeSteps() if request.param == "native" else NumpySteps()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontend, "steps", lambda: steps)
        yield


def librosa_mel(waveform: Float32, config: FrontendConfig) -> Float32:
    mel: Float32 = librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sample_rate_hz,
        n_mels=config.n_mels,
        n_fft=config.n_fft,
        hop_length=config.hop_samples,
        fmin=config.fmin_hz,
        fmax=config.fmax_hz,
        power=config.power,
    )
    return mel


def librosa_pcen(waveform: Float32, config: FrontendConfig) -> Float32:
    mel = librosa_mel(waveform, config)
    before = (1 - smoothing_share(config)) * mel[:, :1] if config.pcen_start == "first_frame" else None
    result: Float32 = librosa.pcen(
        mel,
        zi=before,
        sr=config.sample_rate_hz,
        hop_length=config.hop_samples,
        gain=config.pcen_gain,
        bias=config.pcen_bias,
        power=config.pcen_power,
        time_constant=config.pcen_time_constant_s,
        eps=config.pcen_eps,
    )
    return result


def chirp_and_clicks() -> Float32:
    waveform: Float32 = librosa.chirp(fmin=50, fmax=20_000, sr=44_100, duration=3).astype(np.float32)
    waveform[::11_025] += 1
    return waveform


MADE_UP = {
    "tone": tone(2.0),
    "noise": np.random.default_rng(0).standard_normal(100_000).astype(np.float32),
    "chirp and clicks": chirp_and_clicks(),
    "silence, then a sound": np.concatenate([np.zeros(44_100, np.float32), tone(1.0)]),
    "silence": np.zeros(20_000, np.float32),
    "exactly a hop": tone(1.0)[: 689 * 10],
    "one sample": np.ones(1, np.float32),
}


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large:UserWarning")
@pytest.mark.parametrize("name", MADE_UP)
def test_pcen_of_made_up_signals_is_librosas(name: str) -> None:
    mine = pcen(mel_energies(MADE_UP[name], SILVER), SILVER)
    np.testing.assert_allclose(mine, librosa_pcen(MADE_UP[name], SILVER), atol=1e-4, rtol=0)


def test_pcen_of_real_recordings_is_librosas(recordings: Path) -> None:
    clips = sorted(path for kind in ("wav", "ogg", "flac") for path in recordings.glob(f"test/*.{kind}"))[:20]
    assert clips
    for path in clips:
        waveform = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
        mine = pcen(mel_energies(waveform, SILVER), SILVER)
        np.testing.assert_allclose(mine, librosa_pcen(waveform, SILVER), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(n_mels=64, n_fft=2048, hop_samples=512),
        FrontendConfig(n_mels=40, n_fft=1001, hop_samples=333, fmin_hz=50, fmax_hz=8000, power=1.0),
        FrontendConfig(sample_rate_hz=16_000, n_mels=32, n_fft=512, hop_samples=160, fmax_hz=8000),
        FrontendConfig(n_mels=64, n_fft=2048, hop_samples=512, pcen_start="first_frame"),
    ],
    ids=["small", "odd", "16 kHz", "begun with the first frame"],
)
def test_other_settings_are_librosas_too(config: FrontendConfig) -> None:
    waveform = chirp_and_clicks()
    energies = mel_energies(waveform, config)
    np.testing.assert_allclose(energies, librosa_mel(waveform, config), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pcen(energies, config), librosa_pcen(waveform, config), atol=1e-4, rtol=0)


CONFIGS = st.builds(
    FrontendConfig,
    n_fft=st.integers(64, 4096),
    hop_samples=st.integers(40, 1500),
    n_mels=st.integers(1, 24),
    power=st.sampled_from([1.0, 2.0, 1.5]),
    pcen_gain=st.floats(0, 1),
    pcen_bias=st.floats(0.01, 10),
    pcen_power=st.floats(0.1, 1),
    pcen_time_constant_s=st.floats(0.01, 2),
    pcen_start=st.sampled_from(get_args(PcenStart)),
)


@settings(max_examples=40)
@given(config=CONFIGS, samples=st.integers(1, 60_000), level=st.sampled_from([1e-4, 0.1, 1.0]))
@pytest.mark.filterwarnings("ignore:n_fft=.* is too large:UserWarning")
@pytest.mark.filterwarnings("ignore:Empty filters detected:UserWarning")
@pytest.mark.filterwarnings("ignore:some of .* mel filters:UserWarning")
def test_any_length_and_any_settings_are_librosas(config: FrontendConfig, samples: int, level: float) -> None:
    waveform = np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * np.float32(level)
    mine = pcen(mel_energies(waveform, config), config)
    np.testing.assert_allclose(mine, librosa_pcen(waveform, config), atol=1e-4, rtol=1e-4)


@settings(max_examples=20)
@given(samples=st.integers(1, 12 * 44_100), start=st.sampled_from(get_args(PcenStart)))
def test_block_by_block_gives_the_bytes_of_the_whole(samples: int, start: PcenStart) -> None:
    waveform = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    config = FrontendConfig(n_mels=16, n_fft=512, hop_samples=500, pcen_start=start)
    whole = pcen(mel_energies(waveform, config), config)
    np.testing.assert_array_equal(spectrogram(waveform, config), whole.astype(np.float16))


def test_decibels_are_librosas() -> None:
    energies = librosa_mel(MADE_UP["noise"], SILVER)
    np.testing.assert_allclose(decibels(energies), librosa.power_to_db(energies, top_db=None), atol=1e-4, rtol=0)


def test_the_first_frame_of_pcen_starts_from_an_energy_of_one() -> None:
    """A band whose energy is 1 from the first frame on is in balance at once: the smoothed energy stays 1."""
    steady = np.ones((4, 20), np.float32)
    result = pcen(steady, SILVER)
    expected = (1 / (SILVER.pcen_eps + 1) ** 0.6 + 0.1) ** 0.2 - 0.1**0.2
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_pcen_that_begins_with_the_first_frame_is_in_balance_at_any_steady_level() -> None:
    config = replace(SILVER, pcen_start="first_frame")
    for level in (1e-4, 3.0):
        result = pcen(np.full((4, 20), level, np.float32), config)
        np.testing.assert_allclose(result, np.broadcast_to(result[:, :1], result.shape), atol=1e-6)


def test_a_spectrogram_is_float16_with_a_frame_for_each_hop() -> None:
    result = spectrogram(tone(1.0), SILVER)
    assert result.dtype == np.float16
    assert result.shape == (256, 1 + 44_100 // 689)


def test_rounding_to_float16_costs_at_most_two_thousandths() -> None:
    waveform = MADE_UP["chirp and clicks"]
    exact = pcen(mel_energies(waveform, SILVER), SILVER)
    assert np.abs(spectrogram(waveform, SILVER) - exact).max() <= 2e-3


def test_silence_has_the_value_that_padding_has() -> None:
    for config in (SILVER, FrontendConfig(pcen_start="first_frame"), FrontendConfig(scaling="db")):
        result = spectrogram(np.zeros(44_100, np.float32), config)
        assert (result == config.silence).all()


def test_settings_differ_in_their_fingerprint() -> None:
    assert SILVER.fingerprint == FrontendConfig().fingerprint
    assert SILVER.fingerprint != FrontendConfig(pcen_gain=0.7).fingerprint
