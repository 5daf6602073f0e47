"""The demo's musical instruments; see `demo_sounds` for what a sound function is."""

import numpy as np

from train_offline.demo_synthesis import (
    Rng,
    Signal,
    band,
    burst,
    decay,
    drift,
    fade,
    harmonics,
    log_uniform,
    place,
    plucked,
    regular_onsets_s,
    resonate,
    samples_in,
    struck,
    times_s,
    wobble,
)

SCALE_SEMITONES = (0, 2, 4, 5, 7, 9, 11, 12)


def accordion(rng: Rng, duration_s: float) -> Signal:
    """Chords on pairs of reeds that beat against each other, bellows that breathe."""
    root_hz, rolloff = log_uniform(rng, 180, 520), rng.uniform(0.6, 1.3)
    note_s, detune = log_uniform(rng, 0.25, 1.5), rng.uniform(0.002, 0.01)
    gains = np.arange(1, 15) ** -rolloff
    chords = []
    for _ in range(3):
        chord = np.zeros(samples_in(note_s))
        for pitch_hz in _scale(rng, root_hz, int(rng.integers(1, 4))):
            for reed in (1 - detune, 1 + detune):
                chord += harmonics(pitch_hz * reed * wobble(rng, note_s, 5.0, 0.001), gains)
        chords.append(chord * fade(note_s, 0.06, 0.05))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, note_s, 0.0), chords) * drift(
        rng, duration_s, 2.0, 0.15
    )


def acoustic_guitar(rng: Rng, duration_s: float) -> Signal:
    """A picked line on plucked strings, with the resonances of a body."""
    root_hz, bright, step_s = log_uniform(rng, 85, 330), rng.uniform(0.2, 0.7), log_uniform(rng, 0.12, 0.7)
    notes = [plucked(rng, hz, rng.uniform(0.6, 1.6), bright) for hz in _scale(rng, root_hz, 5)]
    line = place(rng, duration_s, regular_onsets_s(rng, duration_s, step_s, 0.04), notes)
    return line + 1.5 * resonate(line, (rng.uniform(90, 120), rng.uniform(180, 240)), 0.3)


def bass_drum(rng: Rng, duration_s: float) -> Signal:
    """A pitch that drops under a felt beater."""
    low_hz, length_s = log_uniform(rng, 42, 85), log_uniform(rng, 0.2, 0.7)
    pitch_hz = low_hz * (1 + rng.uniform(0.8, 2.5) * np.exp(-times_s(length_s) / rng.uniform(0.015, 0.04)))
    drum = harmonics(pitch_hz, (1.0, rng.uniform(0, 0.3))) * decay(length_s, length_s)
    beater = burst(rng, 0.02, 300, rng.uniform(1500, 5000))
    drum[: len(beater)] += rng.uniform(0.1, 0.8) * beater
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.25, 1.2), 0.01), [drum])


def bicycle_bell(rng: Rng, duration_s: float) -> Signal:
    """A high bell with two close partials, struck in quick runs."""
    pitch_hz, decay_s = log_uniform(rng, 1500, 3400), log_uniform(rng, 0.4, 1.8)
    ratios = np.array((1.0, 1.006, 1.5, 2.08, 2.9, 3.7)) * rng.uniform(0.99, 1.01, 6)
    ding = struck(rng, pitch_hz * ratios, (1, 0.8, 0.4, 0.6, 0.3, 0.2), decay_s * np.linspace(1, 0.3, 6))
    strikes = regular_onsets_s(rng, rng.uniform(0.03, 0.6), log_uniform(rng, 0.05, 0.12), 0.1)
    ring = place(rng, float(strikes.max()) + decay_s, strikes, [ding])
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.7, 2.5), 0.1), [ring])


def church_bell(rng: Rng, duration_s: float) -> Signal:
    """A large bell with its minor third, in slow strokes."""
    pitch_hz, decay_s = log_uniform(rng, 160, 700), log_uniform(rng, 2.0, 7.0)
    ratios = np.array((0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17)) * rng.uniform(0.985, 1.015, 9)
    gains = (0.7, 0.8, 0.7, 0.3, 1.0, 0.4, 0.4, 0.5, 0.3) * rng.uniform(0.5, 1.5, 9)
    strike = struck(rng, pitch_hz * ratios, gains, decay_s * np.linspace(1, 0.2, 9))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.8, 3.5), 0.03), [strike])


def electric_guitar(rng: Rng, duration_s: float) -> Signal:
    """Plucked strings, alone or as power chords, through an overdriven amplifier."""
    root_hz, bright, step_s = log_uniform(rng, 80, 330), rng.uniform(0.3, 0.9), log_uniform(rng, 0.15, 1.2)
    intervals = (1.0,) if rng.random() < 0.4 else (1.0, 1.5, 2.0)
    pitches_hz = _scale(rng, root_hz, 4)
    notes = [np.sum([plucked(rng, hz * ratio, 1.8, bright) for ratio in intervals], axis=0) for hz in pitches_hz]
    line = place(rng, duration_s, regular_onsets_s(rng, duration_s, step_s, 0.03), notes)
    return band(np.tanh(log_uniform(rng, 1.5, 30) * line), 90, rng.uniform(3500, 6000))


def glockenspiel(rng: Rng, duration_s: float) -> Signal:
    """Steel bars: high, long ringing, with the overtones of a free bar."""
    return _bars(rng, duration_s, log_uniform(rng, 800, 2200), (1.0, 2.756, 5.404), log_uniform(rng, 0.5, 1.8))


def hi_hat(rng: Rng, duration_s: float) -> Signal:
    """Two cymbals in a steady rhythm, closed or now and then open."""
    low_hz, closed_s, open_s = log_uniform(rng, 4000, 8500), log_uniform(rng, 0.04, 0.15), rng.uniform(0.3, 0.9)
    metal_hz = rng.uniform(0.9, 1.1) * np.array((3170, 4160, 5400, 6260, 8020, 9700))
    hats = []
    for length_s in (closed_s, closed_s, closed_s, open_s if rng.random() < 0.5 else closed_s):
        noise = rng.standard_normal(samples_in(length_s))
        ring = struck(rng, metal_hz, (0.3,) * 6, (length_s,) * 6)
        hats.append(band(noise * decay(length_s, length_s) + ring, low_hz, 18000))
    return place(
        rng, duration_s, regular_onsets_s(rng, duration_s, log_uniform(rng, 0.12, 0.5), 0.01), hats, turns=True
    )


def marimba_and_xylophone(rng: Rng, duration_s: float) -> Signal:
    """Wooden bars: lower, short, with tuned overtones."""
    upper = rng.choice((3.0, 4.0))  # xylophones are tuned to the twelfth, marimbas to the double octave
    return _bars(rng, duration_s, log_uniform(rng, 170, 1100), (1.0, upper, 2.4 * upper), log_uniform(rng, 0.15, 0.7))


def _bars(rng: Rng, duration_s: float, root_hz: float, ratios: tuple[float, ...], decay_s: float) -> Signal:
    """A melody on tuned bars, struck with a softer or harder mallet."""
    hardness, step_s = rng.uniform(0.2, 0.9), log_uniform(rng, 0.12, 0.6)
    notes = []
    for hz in _scale(rng, root_hz, 5):
        gains = [hardness**number for number in range(len(ratios))]
        decays_s = [decay_s / (1 + number) for number in range(len(ratios))]
        notes.append(struck(rng, [hz * ratio for ratio in ratios], gains, decays_s))
    return place(rng, duration_s, regular_onsets_s(rng, duration_s, step_s, 0.02), notes)


def _scale(rng: Rng, root_hz: float, notes: int) -> list[float]:
    """Pitches of the major scale on `root_hz`, no two alike."""
    semitones = rng.choice(SCALE_SEMITONES, notes, replace=False)
    return [root_hz * 2 ** (float(semitone) / 12) for semitone in semitones]
