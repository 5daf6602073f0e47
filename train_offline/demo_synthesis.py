"""Building blocks of the demo's sounds: tones, plucks, noise, filters and placing sounds in time.

All signals are [samples] float64 at `SAMPLE_RATE_HZ`, of no particular level.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, signal

SAMPLE_RATE_HZ = 44_100

Rng = np.random.Generator
Signal = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.floating[Any]]


def samples_in(duration_s: float) -> int:
    """The number of samples in `duration_s`, at least one."""
    return max(1, round(duration_s * SAMPLE_RATE_HZ))


def times_s(duration_s: float) -> Signal:
    """[samples] the time of each sample, from zero."""
    return np.arange(samples_in(duration_s)) / SAMPLE_RATE_HZ


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number between `low` and `high`, each octave equally likely: pitches, rates and decays."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def fade(duration_s: float, attack_s: float, release_s: float) -> Signal:
    """[samples] an envelope that rises in `attack_s`, holds 1 and falls over the last `release_s`."""
    time = times_s(duration_s)
    envelope: Signal = np.minimum(time / attack_s, (time[-1] - time) / release_s)
    return np.clip(envelope, 0.0, 1.0)


def decay(duration_s: float, decay_s: float) -> Signal:
    """[samples] an envelope that falls by 60 dB in `decay_s`."""
    return np.exp(-6.9 * times_s(duration_s) / decay_s)


def wobble(rng: Rng, duration_s: float, rate_hz: float, depth: float) -> Signal:
    """[samples] a factor around 1 that swings by `depth`, `rate_hz` times a second."""
    phase = rng.uniform(0, 2 * np.pi)
    return 1 + depth * np.sin(2 * np.pi * rate_hz * times_s(duration_s) + phase)


def drift(rng: Rng, duration_s: float, rate_hz: float, depth: float) -> Signal:
    """[samples] a factor around 1 that wanders by about `depth`, with a new aim `rate_hz` times a second."""
    aims = 1 + depth * rng.standard_normal(int(duration_s * rate_hz) + 3)
    return np.interp(times_s(duration_s) * rate_hz, np.arange(len(aims)), aims)


def harmonics(frequency_hz: Signal, gains: Numbers) -> Signal:
    """A tone of gliding pitch.

    Args:
        frequency_hz: [samples] pitch of the fundamental.
        gains: [harmonics] amplitude of the fundamental and of each harmonic above it; those that would
            alias are left out.
    """
    phase = 2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE_HZ
    audible = int(0.45 * SAMPLE_RATE_HZ / max(1.0, float(frequency_hz.max())))
    before, sine, twice_cosine = np.zeros_like(phase), np.sin(phase), 2 * np.cos(phase)
    tone = np.zeros_like(phase)
    for gain in gains[:audible]:
        tone += gain * sine
        before, sine = sine, twice_cosine * sine - before  # sin((k + 1) x) from the two before it
    return tone


def struck(rng: Rng, frequencies_hz: Numbers, gains: Numbers, decays_s: Numbers) -> Signal:
    """A struck body: partials that each fade by 60 dB in their own time; as long as the longest."""
    duration_s = max(decays_s)
    time = times_s(duration_s)
    tone = np.zeros_like(time)
    for frequency_hz, gain, decay_s in zip(frequencies_hz, gains, decays_s, strict=True):
        if frequency_hz < 0.45 * SAMPLE_RATE_HZ:
            part = time[: samples_in(decay_s)]
            wave = np.sin(2 * np.pi * frequency_hz * part + rng.uniform(0, 2 * np.pi))
            tone[: len(part)] += gain * wave * np.exp(-6.9 * part / decay_s)
    return tone


def plucked(rng: Rng, frequency_hz: float, duration_s: float, brightness: float) -> Signal:
    """A plucked string: noise that circles through a slight low-pass once a period (Karplus and Strong, 1983).

    Args:
        rng: source of the pluck.
        frequency_hz: pitch, rounded to a whole number of samples a period.
        duration_s: length, after which the string is damped.
        brightness: 0 for a soft pluck with the thumb, 1 for a hard plectrum.
    """
    period = max(2, round(SAMPLE_RATE_HZ / frequency_hz))
    string = signal.lfilter([brightness], [1, brightness - 1], rng.standard_normal(period))
    rounds = []
    for _ in range(samples_in(duration_s) // period + 1):
        rounds.append(string)
        string = 0.997 * (0.5 * string + 0.5 * np.concatenate((string[-1:], string[:-1])))
    return np.concatenate(rounds)[: samples_in(duration_s)] * fade(duration_s, 1e-3, 0.03)


def coloured_noise(
    rng: Rng, duration_s: float, *, tilt_db: float = 0.0, low_hz: float = 0.0, high_hz: float = 22_050.0
) -> Signal:
    """Steady noise of unit power whose spectrum falls by `tilt_db` an octave between soft edges."""
    size = samples_in(duration_s)
    padded = fft.next_fast_len(size, real=True)
    hz = (fft.rfftfreq(padded, 1 / SAMPLE_RATE_HZ) + 20.0).astype(np.float32)
    gain = (hz / 1000) ** (-tilt_db / 6.02)
    gain /= 1 + np.square(np.square(hz / high_hz))
    gain *= 1 - 1 / (1 + np.square(np.square(hz / (low_hz + 1))))
    parts = rng.standard_normal((len(hz), 2), dtype=np.float32) * gain[:, None]
    noise: Signal = fft.irfft(parts.view(np.complex64)[:, 0], padded)[:size].astype(np.float64)
    return noise / max(float(noise.std()), 1e-12)


def burst(rng: Rng, decay_s: float, low_hz: float, high_hz: float) -> Signal:
    """A short knock of noise in a band, gone by 60 dB after `decay_s`."""
    return band(rng.standard_normal(samples_in(decay_s)), low_hz, high_hz) * decay(decay_s, decay_s)


def band(wave: Signal, low_hz: float, high_hz: float, order: int = 2) -> Signal:
    """`wave` between two corner frequencies."""
    corners = [max(low_hz, 10.0), min(high_hz, 0.49 * SAMPLE_RATE_HZ)]
    sections = signal.butter(order, corners, "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sections, wave), dtype=np.float64)


def resonate(wave: Signal, frequencies_hz: Numbers, width: float) -> Signal:
    """The sum of resonances, each `width` times its frequency wide: the formants of a voice, a body, a box."""
    bands = [band(wave, hz * (1 - width / 2), hz * (1 + width / 2), order=1) for hz in frequencies_hz]
    return np.asarray(np.sum(bands, axis=0), dtype=np.float64)


def regular_onsets_s(rng: Rng, duration_s: float, interval_s: float, jitter: float) -> Signal:
    """[onsets] times about `interval_s` apart, each off by about `jitter` intervals; at least one."""
    first_s = rng.uniform(0, min(0.3 * interval_s, 0.3 * duration_s))
    onsets_s = np.arange(first_s, duration_s, interval_s)
    return np.clip(onsets_s + interval_s * jitter * rng.standard_normal(len(onsets_s)), 0.0, duration_s)


def random_onsets_s(rng: Rng, duration_s: float, rate_hz: float) -> Signal:
    """[onsets] times that know nothing of each other, `rate_hz` a second on average; at least one."""
    return rng.uniform(0, duration_s, max(1, rng.poisson(rate_hz * duration_s)))


def place(
    rng: Rng,
    duration_s: float,
    onsets_s: Signal,
    grains: Sequence[Signal],
    spread_db: float = 3.0,
    *,
    turns: bool = False,
) -> Signal:
    """Puts a sound at every onset.

    Args:
        rng: chooses sounds and levels.
        duration_s: length of the result; what rings on after it is cut.
        onsets_s: [onsets] where sounds start.
        grains: the sounds to choose from.
        spread_db: standard deviation of their levels.
        turns: take the sounds in turn rather than at random.
    """
    mix = np.zeros(samples_in(duration_s))
    for number, onset_s in enumerate(onsets_s):
        grain = grains[number % len(grains) if turns else int(rng.integers(len(grains)))]
        start = min(int(onset_s * SAMPLE_RATE_HZ), len(mix) - 1)
        part = grain[: len(mix) - start]
        mix[start : start + len(part)] += part * 10 ** (rng.normal(0, spread_db) / 20)
    return mix
