"""From a recipe to a recording: sounds mixed in a room with a background, taken by one of two microphones."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from train_offline.demo_recipes import ClipRecipe, SoundEvent, Split
from train_offline.demo_sounds import SOUNDS
from train_offline.demo_synthesis import (
    SAMPLE_RATE_HZ,
    Rng,
    Signal,
    band,
    coloured_noise,
    decay,
    harmonics,
    log_uniform,
    samples_in,
)


def record(recipe: ClipRecipe) -> npt.NDArray[np.int16]:
    """[samples] the clip at `SAMPLE_RATE_HZ`, 16 bits a sample; depends on the recipe alone."""
    rng = np.random.default_rng(recipe.seed)
    scene = _mix(rng, recipe)
    scene = _in_room(rng, scene)
    scene += _background(rng, scene)
    if recipe.split is Split.NOISY:
        scene = _cheap_microphone(rng, scene)
    peak = 10 ** (rng.uniform(-24, -0.5) / 20)
    scene *= peak / max(float(np.abs(scene).max()), 1e-9)
    samples = np.round(_with_silences(recipe, scene) * 32767)
    return np.clip(samples, -32768, 32767).astype(np.int16)


def _mix(rng: Rng, recipe: ClipRecipe) -> Signal:
    """[samples] all sounds, without the silent ends."""
    mix = np.zeros(samples_in(recipe.duration_s - recipe.lead_silence_s - recipe.tail_silence_s))
    for event in recipe.events:
        start = min(int((event.start_s - recipe.lead_silence_s) * SAMPLE_RATE_HZ), len(mix) - 1)
        sound = _sound(rng, event)[: len(mix) - start]
        mix[start : start + len(sound)] += sound
    return mix


def _sound(rng: Rng, event: SoundEvent) -> Signal:
    """[samples] one sound, its loudest tenth of a second at the event's level."""
    sound = SOUNDS[event.label](rng, event.duration_s)
    window = min(len(sound), samples_in(0.1))
    power = np.square(sound)[: len(sound) // window * window].reshape(-1, window).mean(axis=1)
    return sound * 10 ** (event.level_db / 20) / max(float(np.sqrt(power.max())), 1e-9)


def _in_room(rng: Rng, scene: Signal) -> Signal:
    """Adds echoes that die away, and tilts the spectrum: the room, the distance and the recorder's tone."""
    decay_s, wet = log_uniform(rng, 0.08, 1.2), rng.uniform(0, 0.5)
    echoes = rng.standard_normal(samples_in(decay_s)) * decay(decay_s, decay_s)
    echoes *= wet / np.sqrt(np.square(echoes).sum())
    echoes[0] += 1.0
    size = fft.next_fast_len(len(scene) + len(echoes), real=True)
    hz = fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ) + 50.0
    tilt_db = rng.uniform(-2.5, 2.5)
    spectrum = fft.rfft(scene, size) * fft.rfft(echoes, size) * (hz / 1000.0) ** (-tilt_db / 6.02)
    heard: Signal = fft.irfft(spectrum, size)[: len(scene)]
    return heard


def _background(rng: Rng, scene: Signal) -> Signal:
    """[samples] steady noise, 12-45 dB under the scene."""
    noise = coloured_noise(rng, len(scene) / SAMPLE_RATE_HZ, tilt_db=rng.uniform(0, 6), low_hz=30)
    level = _loudness(scene) * 10 ** (-rng.uniform(12, 45) / 20)
    return noise * level


def _cheap_microphone(rng: Rng, scene: Signal) -> Signal:
    """The noisy split's recorder: a narrow band, mains hum, hiss, and overdriven at times."""
    level = _loudness(scene)
    scene = band(scene, log_uniform(rng, 80, 350), log_uniform(rng, 4000, 9000))
    hum = harmonics(np.full(len(scene), rng.choice((50.0, 60.0))), (1.0, 0.5, 0.7, 0.2, 0.3))
    scene += level * 10 ** (-rng.uniform(15, 40) / 20) * hum
    scene += level * 10 ** (-rng.uniform(12, 35) / 20) * rng.standard_normal(len(scene))
    if rng.random() < 0.4:
        ceiling = float(np.abs(scene).max()) * rng.uniform(0.15, 0.6)
        scene = np.clip(scene, -ceiling, ceiling)
    return scene


def _loudness(scene: Signal) -> float:
    """Root mean square of the samples."""
    return float(np.sqrt(np.square(scene).mean()))


def _with_silences(recipe: ClipRecipe, scene: Signal) -> Signal:
    clip = np.zeros(samples_in(recipe.duration_s))
    start = min(round(recipe.lead_silence_s * SAMPLE_RATE_HZ), len(clip) - len(scene))
    clip[start : start + len(scene)] = scene
    return clip
