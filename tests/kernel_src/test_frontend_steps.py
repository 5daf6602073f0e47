"""The frontend's steps in C++ and in numpy do the same."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.polynomial import Chebyshev, Polynomial

from kernel_src import frontend
from kernel_src.frontend_native import NativeSteps
from kernel_src.frontend_numpy import MelTransform, NumpySteps, PcenNumbers
from kernel_src.frontend_source import SOURCE
from kernel_src.native_code import NativeCode

pytestmark = pytest.mark.usefixtures("a_compiler")

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
SILVERS = PcenNumbers(share=0.04, eps=1e-9, gain=0.6, bias=0.1, power=0.2)
BEYOND = 3000  # samples: more than any frame here is away from a clip
LANES = st.sampled_from([8, 16])
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
CODES = {lanes: NativeCode(SOURCE, {"LANE_COUNT": lanes}) for lanes in (8, 16)}


def native(lanes: int) -> NativeSteps:
    return NativeSteps(CODES[lanes])


def random_energies(shape: tuple[int, int], seed: int) -> Float32:
    """Over all magnitudes that a clip may have, with silence in between."""
    rng = np.random.default_rng(seed)
    energies = 10 ** rng.uniform(-12, 6, shape) * (rng.random(shape) < 0.9)
    return energies.astype(np.float32)


def some_filters(mels: int, n_fft: int, rng: np.random.Generator) -> scipy.sparse.csr_array:
    """Rows without gaps, some of them empty."""
    filters = np.zeros((mels, n_fft // 2 + 1), np.float32)
    for row in filters:
        first, count = rng.integers(0, len(row)), rng.integers(0, 20)
        row[first : first + count] = 1 + rng.random(len(row[first : first + count]))
    return scipy.sparse.csr_array(filters)


def exact_mel_energies(waveform: Float32, first_sample: int, transform: MelTransform, frames: int) -> Float64:
    n_fft = len(transform.window)
    padded = np.pad(waveform.astype(np.float64), BEYOND)
    starts = BEYOND + first_sample + transform.hop_samples * np.arange(frames)
    cut = np.stack([padded[start : start + n_fft] for start in starts]) * transform.window
    energies: Float64 = np.abs(np.fft.rfft(cut)) ** transform.power @ transform.bank.toarray().T
    return energies


@given(
    lanes=LANES,
    samples=st.integers(1, 300),
    first_sample=st.integers(-300, 350),
    hop_samples=st.integers(1, 50),
    n_fft=st.integers(1, 150),
    frames=st.integers(1, 40),
    power=st.sampled_from([2.0, 1.0, 1.5]),
    seed=st.integers(0, 99),
)
def test_mel_energies_are_exact_ones_beyond_both_ends_of_a_clip_whatever_the_transform(
    lanes: int, samples: int, first_sample: int, hop_samples: int, *, n_fft: int, frames: int, power: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    waveform, window = (rng.standard_normal(count).astype(np.float32) for count in (samples, n_fft))
    transform = MelTransform(hop_samples, window, some_filters(10, n_fft, rng), power)
    exact = exact_mel_energies(waveform, first_sample, transform, frames)
    for steps in (native(lanes), NumpySteps()):
        out = np.full((frames, 10), np.nan, np.float32)
        steps.mel_energies(waveform, first_sample, transform, out)
        np.testing.assert_allclose(out, exact, rtol=1e-4, atol=1e-5 * max(1, exact.max()))


@pytest.mark.parametrize("n_fft", [2, 64, 1024, 1536, 2000, 2048, 3750, 4096, 5120])
@pytest.mark.parametrize("lanes", [8, 16])
def test_transforms_of_usual_lengths_are_in_cpp(lanes: int, n_fft: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumpySteps, "mel_energies", None)  # whose work is that of other lengths
    rng = np.random.default_rng(n_fft)
    waveform, window = (rng.standard_normal(count).astype(np.float32) for count in (3 * n_fft, n_fft))
    transform = MelTransform(n_fft // 2, window, some_filters(10, n_fft, rng), 2.0)
    out = np.empty((7, 10), np.float32)
    native(lanes).mel_energies(waveform, -(n_fft // 2), transform, out)
    exact = exact_mel_energies(waveform, -(n_fft // 2), transform, len(out))
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-7 * exact.max())


def test_samples_that_are_no_numbers_spoil_only_the_frames_that_they_are_in() -> None:
    waveform, window = np.ones((2, 256), np.float32)
    waveform[100] = np.nan
    transform = MelTransform(32, window[:64], scipy.sparse.csr_array(np.ones((3, 33), np.float32)), 2.0)
    out = np.empty((7, 3), np.float32)
    native(8).mel_energies(waveform, 0, transform, out)
    assert np.isnan(out).all(axis=1).tolist() == [False, False, True, True, False, False, False]


@given(lanes=LANES, shape=SHAPES, seed=st.integers(0, 99))
def test_pcen_and_what_it_remembers_are_numpys(lanes: int, shape: tuple[int, int], seed: int) -> None:
    energies = random_energies(shape, seed)
    results = []
    for steps in (native(lanes), NumpySteps()):
        block, smoothed = energies.copy(), np.ones(shape[1], np.float32)
        steps.pcen(block, smoothed, SILVERS)
        results.append((block, smoothed))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


@given(lanes=LANES, shape=SHAPES, seed=st.integers(0, 99))
def test_decibels_are_numpys(lanes: int, shape: tuple[int, int], seed: int) -> None:
    mine = random_energies(shape, seed)
    numpys = mine.copy()
    native(lanes).decibels(mine)
    NumpySteps().decibels(numpys)
    np.testing.assert_allclose(mine, numpys, atol=3e-5)


@settings(max_examples=300)
@given(lanes=LANES, bits=arrays(np.uint32, SHAPES))
def test_any_float_is_rounded_as_numpy_does_it(lanes: int, bits: npt.NDArray[np.uint32]) -> None:
    block = bits.view(np.float32)
    out = np.empty((block.shape[1], block.shape[0] + 3), np.float16)  # part of a larger array, as a block is
    native(lanes).round_to(block, out[:, : len(block)])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(out[:, : len(block)], block.T.astype(np.float16))


def test_numbers_near_every_float16_are_rounded_to_it_and_halves_to_even() -> None:
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = np.append((halves[:-1] + halves[1:]) / 2, np.float32(65_520))
    block = np.stack([halves, between, np.nextafter(between, np.float32(0)), np.nextafter(between, np.float32(1e6))])
    block = np.concatenate([block, -block])
    out = np.empty(block.shape[::-1], np.float16)
    native(8).round_to(block, out)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(out, block.T.astype(np.float16))


def test_a_band_that_is_no_number_stays_so_and_leaves_its_neighbours_alone() -> None:
    energies = np.ones((3, 20), np.float32)
    energies[1, 4] = np.nan
    native(8).pcen(energies, np.ones(20, np.float32), SILVERS)
    assert np.argwhere(np.isnan(energies)).tolist() == [[1, 4], [2, 4]]
    native(8).decibels(energies)
    assert np.argwhere(np.isnan(energies)).tolist() == [[1, 4], [2, 4]]


@pytest.mark.parametrize(
    ("name", "function", "domain"),
    [
        ("LOG2", lambda x: np.log1p(x) / np.log(2) / x, (2**-0.5 - 1, 2**0.5 - 1)),
        ("EXP2", np.exp2, (-0.5, 0.5)),
    ],
)
def test_polynomials_are_those_of_their_functions(
    name: str, function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], domain: tuple[float, float]
) -> None:
    found = re.search(rf"float {name}\[\] = {{([^}}]*)}};", SOURCE)
    assert found
    coefficients = [float(number.rstrip("f")) for number in re.findall(r"[-\d.e+]+f", found[1])]
    near = Chebyshev.interpolate(function, len(coefficients) - 1, domain).convert(kind=Polynomial)
    np.testing.assert_allclose(coefficients, near.coef, rtol=1e-6)
    points = np.linspace(*domain, 1000)
    np.testing.assert_allclose(Polynomial(coefficients)(points), function(points), rtol=1e-7)


def test_without_a_compiler_the_steps_are_numpys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(frontend, "NativeSteps", lambda: NativeSteps(NativeCode(SOURCE)))
    assert isinstance(frontend.steps.__wrapped__(), NumpySteps)
