"""The demo's sounds: one function a kind, each call another individual of that kind.

A sound is made from a random generator and a length in seconds. Pitch, speed, timbre and envelope vary from
call to call; level, room and background are the recording's business. Kinds of one family in `FAMILIES` are alike
on purpose: they are what a tagger confuses.
"""

from collections.abc import Callable

import numpy as np

from train_offline import demo_instruments as instruments
from train_offline.demo_synthesis import (
    Rng,
    Signal,
    band,
    burst,
    coloured_noise,
    decay,
    drift,
    fade,
    harmonics,
    log_uniform,
    place,
    random_onsets_s,
    regular_onsets_s,
    resonate,
    samples_in,
    struck,
    times_s,
    wobble,
)


def _bark(rng: Rng, duration_s: float) -> Signal:
    size = log_uniform(rng, 0.6, 1.8)  # from a terrier to a large dog
    barks = []
    for _ in range(3):
        length_s = rng.uniform(0.1, 0.22) * size**0.5
        contour = np.interp(times_s(length_s) / length_s, (0, 0.3, 1), (0.75, 1.0, rng.uniform(0.5, 0.8)))
        voice = harmonics(rng.uniform(420, 620) / size * contour, np.arange(1, 20) ** -0.7)
        voice += rng.uniform(0.3, 1.5) * rng.standard_normal(len(voice))
        formants_hz = (rng.uniform(700, 950) / size**0.5, rng.uniform(1400, 2000) / size**0.5)
        barks.append(resonate(voice, formants_hz, 0.4) * fade(length_s, 0.012, 0.6 * length_s))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.3, 1.5), 0.15), barks)


def _buzz(rng: Rng, duration_s: float) -> Signal:
    pitch_hz = log_uniform(rng, 90, 300) * drift(rng, duration_s, 4.0, rng.uniform(0.002, 0.06))
    wings = harmonics(pitch_hz, np.arange(1, 30) ** -rng.uniform(0.5, 1.2))
    rough = wings * (1 + rng.uniform(0.1, 0.6) * rng.standard_normal(len(wings)))
    return band(rough, 100, log_uniform(rng, 1500, 7000)) * drift(rng, duration_s, 3.0, rng.uniform(0.05, 0.4))


def _chirp_and_tweet(rng: Rng, duration_s: float) -> Signal:
    centre_hz, syllable_s = log_uniform(rng, 2200, 5500), log_uniform(rng, 0.04, 0.25)
    song = []
    for _ in range(4):
        position = times_s(syllable_s) / syllable_s
        bend = rng.uniform(-0.3, 0.3) * (position - 0.5) + rng.uniform(0, 0.12) * np.sin(
            2 * np.pi * rng.uniform(0.5, 6) * position
        )
        tone = harmonics(centre_hz * rng.uniform(0.8, 1.25) * (1 + bend), (1.0, rng.uniform(0, 0.3)))
        song.append(tone * np.sin(np.pi * position))
    interval_s = syllable_s * log_uniform(rng, 1.2, 4)
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, interval_s, 0.15), song, 4.0)


def _computer_keyboard(rng: Rng, duration_s: float) -> Signal:
    low_hz, travel_s = log_uniform(rng, 1000, 2800), rng.uniform(0.05, 0.12)
    keys = []
    for _ in range(6):
        tone_hz = low_hz * rng.uniform(0.8, 1.3)
        down, up = burst(rng, 0.03, tone_hz, 3 * tone_hz), burst(rng, 0.015, 1.5 * tone_hz, 4 * tone_hz)
        thump = 0.6 * struck(rng, (rng.uniform(180, 420),), (1,), (0.03,))
        keys.append(place(rng, travel_s + 0.03, np.array((0, 0, travel_s)), (down, thump, 0.5 * up), 0.5, turns=True))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.09, 0.3), 0.3), keys)


def _cricket(rng: Rng, duration_s: float) -> Signal:
    carrier_hz, pulse_s = log_uniform(rng, 3000, 6000), log_uniform(rng, 0.012, 0.04)
    pulse = harmonics(carrier_hz * np.linspace(1.01, 0.99, samples_in(pulse_s)), (1.0, 0.1)) * fade(
        pulse_s, 0.005, 0.006
    )
    pulses = int(rng.integers(2, 7)) if rng.random() < 0.7 else 1000  # chirps, or one long trill
    chirp_s = min(pulses * 1.5 * pulse_s, duration_s)
    chirp = place(rng, chirp_s, np.arange(0, chirp_s, 1.5 * pulse_s), [pulse], 1.0)
    interval_s = chirp_s * rng.uniform(1.3, 4) + 0.1
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, interval_s, 0.05), [chirp])


def _finger_snapping(rng: Rng, duration_s: float) -> Signal:
    tone_hz = log_uniform(rng, 1100, 3300)
    snaps = []
    for _ in range(2):
        snap_s = rng.uniform(0.03, 0.09)
        snap = resonate(burst(rng, snap_s, 400, 9000), (tone_hz, 2.1 * tone_hz), 0.25)
        slide = 0.15 * burst(rng, 0.02, 2000, 9000)[::-1]
        snaps.append(np.concatenate((slide, snap)))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.35, 1.3), 0.04), snaps)


def _frying(rng: Rng, duration_s: float) -> Signal:
    sizzle = coloured_noise(rng, duration_s, low_hz=log_uniform(rng, 1500, 5000), high_hz=rng.uniform(9000, 18000))
    spits = [burst(rng, rng.uniform(0.004, 0.02), rng.uniform(800, 3000), rng.uniform(5000, 15000)) for _ in range(6)]
    onsets_s = random_onsets_s(rng, duration_s, log_uniform(rng, 15, 90))
    return 0.25 * sizzle * drift(rng, duration_s, 3.0, 0.15) + rng.uniform(1, 3) * place(
        rng, duration_s, onsets_s, spits, 6.0
    )


def _hiss(rng: Rng, duration_s: float) -> Signal:
    noise = coloured_noise(rng, duration_s, tilt_db=rng.uniform(-3, 3), low_hz=log_uniform(rng, 700, 6000))
    return noise * drift(rng, duration_s, 2.0, rng.uniform(0.02, 0.2))


def _knock(rng: Rng, duration_s: float) -> Signal:
    wood_hz = log_uniform(rng, 110, 420)
    modes_hz = wood_hz * np.array((1.0, 1.58, 2.24, 2.92)) * rng.uniform(0.95, 1.05, 4)
    panel = struck(rng, modes_hz, (1, 0.8, 0.6, 0.5), rng.uniform(0.05, 0.2, 4))
    knuckle = burst(rng, 0.02, 400, rng.uniform(2000, 5000))
    panel[: len(knuckle)] += rng.uniform(0.2, 1.0) * knuckle[: len(panel)]
    step_s, knocks = log_uniform(rng, 0.12, 0.35), rng.integers(2, 6)
    group = place(rng, step_s * knocks + 0.2, regular_onsets_s(rng, step_s * knocks, step_s, 0.04), [panel], 2.0)
    return place(
        rng, duration_s, regular_onsets_s(rng, duration_s, step_s * knocks + rng.uniform(0.3, 1.5), 0.05), [group]
    )


def _purr(rng: Rng, duration_s: float) -> Signal:
    rate_hz, breath_hz = log_uniform(rng, 18, 34), rng.uniform(0.4, 0.9)
    pulses = [burst(rng, rng.uniform(0.02, 0.06), 50, log_uniform(rng, 250, 900)) for _ in range(5)]
    throat = place(rng, duration_s, regular_onsets_s(rng, duration_s, 1 / rate_hz, 0.06), pulses, 2.0)
    air = coloured_noise(rng, duration_s, tilt_db=6.0, low_hz=200, high_hz=3000)
    return (throat + rng.uniform(0.01, 0.08) * air) * wobble(rng, duration_s, breath_hz, rng.uniform(0.2, 0.7))


def _raindrop(rng: Rng, duration_s: float) -> Signal:
    drops = []
    for _ in range(8):
        tone_hz, length_s = log_uniform(rng, 600, 4000), log_uniform(rng, 0.01, 0.04)
        bubble = harmonics(tone_hz * np.linspace(1, rng.uniform(1, 1.6), samples_in(length_s)), (1.0,))
        splash = burst(rng, length_s, 1500, 9000)
        drops.append((rng.uniform(0, 0.7) * bubble + splash) * decay(length_s, length_s))
    rain = place(rng, duration_s, random_onsets_s(rng, duration_s, log_uniform(rng, 6, 70)), drops, 6.0)
    return rain + rng.uniform(0, 0.05) * coloured_noise(rng, duration_s, tilt_db=2.0, low_hz=500)


def _tick_tock(rng: Rng, duration_s: float) -> Signal:
    tone_hz, length_s = log_uniform(rng, 1200, 5000), log_uniform(rng, 0.02, 0.06)
    tick, tock = (
        resonate(burst(rng, length_s, 500, 12000), (hz, 1.7 * hz), 0.12)
        for hz in (tone_hz, tone_hz * rng.uniform(0.6, 0.9))
    )
    onsets_s = regular_onsets_s(rng, duration_s, log_uniform(rng, 0.18, 0.9), 0.003)
    return place(rng, duration_s, onsets_s, (tick, tock), 0.5, turns=True)


def _walk_and_footsteps(rng: Rng, duration_s: float) -> Signal:
    ground_hz, scuff_s = log_uniform(rng, 800, 5000), log_uniform(rng, 0.05, 0.2)
    feet = []
    for _ in range(2):
        heel = struck(rng, rng.uniform(60, 180, 2), (1, 0.7), rng.uniform(0.05, 0.12, 2))
        scuff = rng.uniform(0.3, 1.2) * band(rng.standard_normal(samples_in(scuff_s)), 200, ground_hz)
        scuff *= fade(scuff_s, 0.02, 0.7 * scuff_s)
        feet.append(place(rng, 0.3, np.array((0.0, rng.uniform(0.02, 0.08))), (heel, scuff), 2.0, turns=True))
    onsets_s = regular_onsets_s(rng, duration_s, log_uniform(rng, 0.3, 0.75), 0.05)
    return place(rng, duration_s, onsets_s, feet, turns=True)


def _waves_and_surf(rng: Rng, duration_s: float) -> Signal:
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * times_s(duration_s) / rng.uniform(2.5, 8) + rng.uniform(0, 2 * np.pi))
    sea = coloured_noise(rng, duration_s, tilt_db=rng.uniform(2, 6), low_hz=60)
    foam = coloured_noise(rng, duration_s, tilt_db=rng.uniform(0, 2), low_hz=log_uniform(rng, 500, 2500))
    return sea * (0.25 + swell) + rng.uniform(0.2, 1.0) * foam * swell ** rng.uniform(2, 4)


def _whispering(rng: Rng, duration_s: float) -> Signal:
    voice = rng.uniform(0.85, 1.2)
    syllables = []
    for _ in range(6):
        length_s = rng.uniform(0.08, 0.22)
        formants_hz = voice * np.array((rng.uniform(300, 900), rng.uniform(900, 2300), rng.uniform(2400, 3300)))
        vowel = resonate(rng.standard_normal(samples_in(length_s)), formants_hz, 0.2) * fade(length_s, 0.03, 0.05)
        consonant = burst(rng, rng.uniform(0.03, 0.12), rng.uniform(2000, 5000), rng.uniform(7000, 12000))
        syllables.append(np.concatenate((rng.uniform(0, 0.6) * consonant, vowel)))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.15, 0.35), 0.15), syllables, 4.0)


SOUNDS: dict[str, Callable[[Rng, float], Signal]] = {
    "Accordion": instruments.accordion,
    "Acoustic_guitar": instruments.acoustic_guitar,
    "Bark": _bark,
    "Bass_drum": instruments.bass_drum,
    "Bicycle_bell": instruments.bicycle_bell,
    "Buzz": _buzz,
    "Chirp_and_tweet": _chirp_and_tweet,
    "Church_bell": instruments.church_bell,
    "Computer_keyboard": _computer_keyboard,
    "Cricket": _cricket,
    "Electric_guitar": instruments.electric_guitar,
    "Finger_snapping": _finger_snapping,
    "Frying_(food)": _frying,
    "Glockenspiel": instruments.glockenspiel,
    "Hi-hat": instruments.hi_hat,
    "Hiss": _hiss,
    "Knock": _knock,
    "Marimba_and_xylophone": instruments.marimba_and_xylophone,
    "Purr": _purr,
    "Raindrop": _raindrop,
    "Tick-tock": _tick_tock,
    "Walk_and_footsteps": _walk_and_footsteps,
    "Waves_and_surf": _waves_and_surf,
    "Whispering": _whispering,
}

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("Accordion", "Buzz", "Purr"),
    ("Acoustic_guitar", "Electric_guitar"),
    ("Bark", "Chirp_and_tweet", "Cricket"),
    ("Bass_drum", "Knock", "Walk_and_footsteps"),
    ("Bicycle_bell", "Church_bell", "Glockenspiel", "Marimba_and_xylophone"),
    ("Computer_keyboard", "Finger_snapping", "Tick-tock"),
    ("Frying_(food)", "Hi-hat", "Hiss", "Raindrop", "Waves_and_surf", "Whispering"),
)
