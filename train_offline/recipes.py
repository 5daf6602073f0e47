"""How to train, by name (recipes), and how much of it, by name (sizes)."""

from dataclasses import dataclass

from kernel_src.frontend import FrontendConfig
from kernel_src.model import ModelConfig


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    name: str

    mixup_alpha: float
    """Two clips are mixed with a weight from Beta(alpha, alpha); 0 for none."""
    max_zoom: float
    """Crops are enlarged by up to this factor, around a random place."""
    max_warp: float
    """Crops are seen in perspective: their corners move by up to this share of the size."""

    peak_learning_rate: float
    """The top of the one-cycle schedule."""
    warm_up_share: float
    """The share of all steps in which the learning rate rises."""
    weight_decay: float
    """AdamW's."""
    averaged_share: float
    """The share of all steps, at the end, whose weights are averaged into the network that is kept."""
    average_decay: float
    """Of the exponential average over these steps."""


@dataclass(frozen=True)
class Size:
    """How much is trained."""

    name: str
    for_whom: str
    """What it is for, for the help text."""

    frontend: FrontendConfig
    crop_frames: int
    """The length of the network's input; 4.0 s in all sizes."""
    width: int
    """The network's `ModelConfig.width`."""
    depth: int
    """The network's `ModelConfig.depth`."""

    n_folds: int
    epochs: int
    batch_clips: int

    def model(self, n_labels: int) -> ModelConfig:
        """The network's settings for a vocabulary."""
        return ModelConfig(
            n_labels=n_labels,
            n_mels=self.frontend.n_mels,
            crop_frames=self.crop_frames,
            width=self.width,
            depth=self.depth,
        )


SILVER = Recipe(
    name="silver",
    mixup_alpha=0.4,
    max_zoom=1.1,
    max_warp=0.05,
    peak_learning_rate=3e-3,
    warm_up_share=0.3,
    weight_decay=0.01,
    averaged_share=0.25,
    average_decay=0.99,
)

RECIPES = {recipe.name: recipe for recipe in (SILVER,)}

DEMO = Size(
    name="demo",
    for_whom="a minute or two on two cores",
    frontend=FrontendConfig(n_mels=64, n_fft=4096, hop_samples=1378),
    crop_frames=128,
    width=8,
    depth=6,
    n_folds=6,
    epochs=26,
    batch_clips=16,
)
SMALL = Size(
    name="small",
    for_whom="some ten minutes a fold of 750 clips on two cores",
    frontend=FrontendConfig(n_mels=128),
    crop_frames=256,
    width=8,
    depth=8,
    n_folds=6,
    epochs=48,
    batch_clips=32,
)
FULL = Size(
    name="full",
    for_whom="the silver solution's size, for a GPU",
    frontend=FrontendConfig(),
    crop_frames=256,
    width=16,
    depth=8,
    n_folds=6,
    epochs=100,
    batch_clips=64,
)

SIZES = {size.name: size for size in (DEMO, SMALL, FULL)}
