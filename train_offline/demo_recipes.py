"""What each clip of the demo data holds, drawn before any sound is made.

A recipe is a pure function of seed, sizes, split and index, so that the truth behind wrong labels can be tested
without synthesis and no clip depends on another clip's thread.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kernel_src.errors import KernelError
from train_offline.demo_sounds import FAMILIES, SOUNDS
from train_offline.demo_synthesis import Rng

LABELS: tuple[str, ...] = tuple(sorted(SOUNDS))
FAMILY_OF = {label: family for family in FAMILIES for label in family}
SHORTEST_S, LONGEST_S = 0.3, 15.0
WRONG_RATES = (0.22, 0.48)  # inside the promised 20-50 %, so that rounding to whole clips stays there too
WRONG_WITHIN_FAMILY = 0.6


class Split(StrEnum):
    """The three parts of the data; the values are the folders' names."""

    CURATED = "train_curated"
    NOISY = "train_noisy"
    TEST = "test"


# Shares of clips with 1, 2, 3 and 4 labels. Their means are 1.2, 1.2 and 1.4, as in the competition.
LABEL_COUNT_SHARES = {
    Split.CURATED: (0.84, 0.125, 0.03, 0.005),
    Split.NOISY: (0.84, 0.125, 0.03, 0.005),
    Split.TEST: (0.69, 0.23, 0.06, 0.02),
}


@dataclass(frozen=True)
class DemoSizes:
    """How many clips each split has."""

    curated: int = 400
    """Clips with true labels, to train on."""
    noisy: int = 200
    """Clips from the other microphone, with 20-50 % wrong labels, to train on."""
    test: int = 160
    """Clips whose truth is for scoring only."""

    def of(self, split: Split) -> int:
        """The number of clips in `split`."""
        return {Split.CURATED: self.curated, Split.NOISY: self.noisy, Split.TEST: self.test}[split]

    def __post_init__(self) -> None:
        for name, clips in (("curated", self.curated), ("noisy", self.noisy), ("test", self.test)):
            if clips < (0 if name == "noisy" else 1):
                raise KernelError(f"demo data: {clips} {name} clips; expected at least 1 (noisy: 0)")


@dataclass(frozen=True)
class SoundEvent:
    """One sound in a clip."""

    label: str
    """What it is in truth."""
    start_s: float
    """From the start of the clip."""
    duration_s: float
    """How long it sounds."""
    level_db: float
    """Against the loudest sound of the clip; at most 0."""


@dataclass(frozen=True)
class ClipRecipe:
    """All of a clip but its samples."""

    split: Split
    """Where it belongs; also decides the microphone."""
    fname: str
    """Eight hex digits and `.wav`."""
    seed: tuple[int, ...]
    """Entropy for the clip's own sounds."""
    duration_s: float
    """Length, 0.3-15 s."""
    lead_silence_s: float
    """Digital silence before the recording starts."""
    tail_silence_s: float
    """Digital silence after it ends."""
    events: tuple[SoundEvent, ...]
    """What sounds, in the order of `labels`."""
    labels: tuple[str, ...]
    """What the table says, which the noisy split gets wrong in part."""

    @property
    def true_labels(self) -> tuple[str, ...]:
        """What sounds in truth."""
        return tuple(event.label for event in self.events)


def draw_recipes(split: Split, *, seed: int, sizes: DemoSizes) -> tuple[ClipRecipe, ...]:
    """The recipes of a split's clips, in order of their names."""
    number = list(Split).index(split)
    rng = np.random.default_rng([seed, number])
    written = _draw_label_sets(rng, sizes.of(split), LABEL_COUNT_SHARES[split])
    true = _mislabel(rng, written) if split is Split.NOISY else written
    recipes = [
        _draw_clip(split, (seed, number, index), labels, heard)
        for index, (labels, heard) in enumerate(zip(written, true, strict=True))
    ]
    return tuple(sorted(recipes, key=lambda recipe: recipe.fname))


def _draw_label_sets(rng: Rng, clips: int, count_shares: tuple[float, ...]) -> list[tuple[str, ...]]:
    """One set of labels a clip; first labels go round the vocabulary, so that classes are balanced."""
    turns = [rng.permutation(LABELS) for _ in range(clips // len(LABELS) + 1)]
    firsts = np.concatenate(turns)[:clips]
    counts = rng.choice(np.arange(1, len(count_shares) + 1), size=clips, p=count_shares)
    sets = []
    for first, count in zip(firsts, counts, strict=True):
        others = [label for label in LABELS if label != first]
        sets.append((str(first), *(str(label) for label in rng.choice(others, count - 1, replace=False))))
    return sets


def _mislabel(rng: Rng, written: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What truly sounds where the tables say `written`: per class an own share, 20-50 %, of its labels is wrong."""
    true = [list(labels) for labels in written]
    for label, rate in zip(LABELS, rng.uniform(*WRONG_RATES, len(LABELS)), strict=True):
        places = [(clip, labels.index(label)) for clip, labels in enumerate(written) if label in labels]
        lowest, highest = -(-len(places) // 5), len(places) // 2  # 20 and 50 %, in whole labels
        wrong = min(max(round(rate * len(places)), lowest), highest)
        for place in rng.choice(len(places), wrong, replace=False) if places else ():
            clip, position = places[place]
            true[clip][position] = _draw_instead(rng, label, {*written[clip], *true[clip]})
    return [tuple(labels) for labels in true]


def _draw_instead(rng: Rng, label: str, taken: set[str]) -> str:
    """What sounds in place of `label`: mostly something alike."""
    alike = [other for other in FAMILY_OF[label] if other not in taken]
    others = [other for other in LABELS if other not in taken]
    return str(rng.choice(alike if alike and rng.random() < WRONG_WITHIN_FAMILY else others))


def _draw_clip(split: Split, seed: tuple[int, int, int], labels: tuple[str, ...], true: tuple[str, ...]) -> ClipRecipe:
    rng = np.random.default_rng([*seed, 0])
    duration_s = _draw_duration_s(rng, len(true))
    lead_s, tail_s = (rng.uniform(0, 0.15 * duration_s) if rng.random() < 0.3 else 0.0 for _ in range(2))
    return ClipRecipe(
        split=split,
        fname=_name(*seed),
        seed=(*seed, 1),
        duration_s=duration_s,
        lead_silence_s=lead_s,
        tail_silence_s=tail_s,
        events=_draw_events(rng, true, duration_s - lead_s - tail_s, lead_s),
        labels=labels,
    )


def _draw_duration_s(rng: Rng, sounds: int) -> float:
    """About 4 s on average with a long tail; clips of several sounds are not among the shortest."""
    duration_s = float(np.exp(rng.normal(np.log(2.9 + 0.5 * sounds), 0.75)))
    return float(np.clip(duration_s, SHORTEST_S if sounds == 1 else 1.0 * sounds, LONGEST_S))


def _draw_events(rng: Rng, labels: tuple[str, ...], duration_s: float, start_s: float) -> tuple[SoundEvent, ...]:
    """Places sounds in `duration_s` seconds: one fills it; several overlap, or follow each other."""
    levels_db = rng.uniform(-9, 0, len(labels))
    levels_db -= levels_db.max()
    slot_s = duration_s / len(labels)
    in_sequence = rng.random() < 0.4
    events = []
    for turn, label, level_db in zip(rng.permutation(len(labels)), labels, levels_db, strict=True):
        if len(labels) == 1 or in_sequence:
            begin_s, length_s = slot_s * turn, slot_s
        else:
            length_s = duration_s * rng.uniform(0.5, 1.0)
            begin_s = rng.uniform(0, duration_s - length_s)
        events.append(SoundEvent(label, float(start_s + begin_s), float(length_s), float(level_db)))
    return tuple(events)


def _name(seed: int, number: int, index: int) -> str:
    """Eight hex digits that no other clip of this seed has: odd multiples differ up to 2^32 clips."""
    offset = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4])
    clip = index * len(Split) + number
    return f"{(offset + clip * 2_654_435_761) % 2**32:08x}.wav"
