"""A size that trains in a second, for tests."""

from dataclasses import replace

from sample_data import SMALL_FRONTEND
from train_offline.recipes import DEMO

TINY = replace(
    DEMO,
    name="tiny",
    frontend=SMALL_FRONTEND,
    crop_frames=16,
    width=4,
    depth=3,
    n_folds=3,
    epochs=15,
    batch_clips=8,
)
