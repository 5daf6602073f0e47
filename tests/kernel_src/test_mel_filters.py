"""The mel filters are librosa's, and a kernel has them without librosa."""

import subprocess
import sys
import textwrap
import warnings

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.mel_filters import mel_filters, mel_frequencies_hz


@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning", "ignore:some of .* mel filters:UserWarning")
@given(
    rate_hz=st.sampled_from([16_000, 22_050, 44_100, 48_000]),
    n_fft=st.integers(128, 6000),
    n_mels=st.integers(1, 256),
    fmin_hz=st.sampled_from([0.0, 20.0, 999.0, 1000.0, 2500.0]),
    fmax_share=st.floats(0.5, 1.0),
)
def test_the_filters_are_librosas(rate_hz: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_share: float) -> None:
    fmax_hz = rate_hz / 2 * fmax_share
    theirs = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=fmin_hz, fmax=fmax_hz)
    mine = mel_filters(rate_hz, n_fft, n_mels, fmin_hz, fmax_hz).toarray()
    assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


@given(st.integers(2, 300), st.floats(0, 3000), st.floats(3001, 24_000))
def test_frequencies_lie_on_the_scale_as_librosas_do(count: int, lowest_hz: float, highest_hz: float) -> None:
    np.testing.assert_allclose(
        mel_frequencies_hz(count, lowest_hz, highest_hz),
        librosa.mel_frequencies(count, fmin=lowest_hz, fmax=highest_hz),
        rtol=1e-9,
        atol=1e-9,
    )


def test_filters_that_no_bin_falls_into_are_told_of() -> None:
    with pytest.warns(UserWarning, match="some of 256 mel filters lie between two bins of 512 samples"):
        mel_filters(44_100, 512, 256, 0.0, 22_050.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mel_filters(44_100, 5120, 256, 0.0, 22_050.0)


def test_a_kernel_loads_neither_librosa_nor_a_compiler() -> None:
    program = """
        import sys
        import kernel_src.extractors, kernel_src.tagging
        print(*({"librosa", "numba", "llvmlite", "scipy.signal", "scipy.stats"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
