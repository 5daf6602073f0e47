"""The size of the network, and what follows from it; known without torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelConfig:
    """The size of the network. The defaults are the silver solution's: 20.9 M parameters with 80 labels."""

    n_labels: int
    """Outputs."""
    n_mels: int = 256
    """Bands of the input."""
    crop_frames: int = 256
    """Frames of the input in training and in the views; the network itself takes any longer input."""
    width: int = 16
    """Channels that enter the first block; a block adds as many as enter it, up to 32 times this."""
    depth: int = 8
    """Dense blocks."""
    squeeze: int = 2
    """Squeeze-excitation passes through 1/squeeze of the channels."""
    n_heads: int = 8
    """Linear heads, averaged; each sees its own dropout in training."""
    dropout: float = 0.0
    """Share of the last features that a head does not see in training."""
    padding: Literal["silence", "repeat"] = "silence"
    """What fills the input beyond the ends of a clip that is shorter: silence, or the clip again and again."""

    def __post_init__(self) -> None:
        """Refuses sizes that no network can be built with."""
        for name in ("n_labels", "n_mels", "crop_frames", "width", "depth", "squeeze", "n_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.padding not in ("silence", "repeat"):
            raise ValueError(f"padding is {self.padding!r}, expected 'silence' or 'repeat'")
        if self.width < 2:
            raise ValueError("width is 1, expected at least 2: the input itself is the first channel")

    @property
    def mel_poolings(self) -> int:
        """How many blocks halve the bands: all of them, while there is more than one band left."""
        return min(self.depth, self.n_mels.bit_length() - 1)

    @property
    def frame_poolings(self) -> int:
        """How many blocks halve the frames."""
        return min(self.depth, self.crop_frames.bit_length() - 1)

    @property
    def grid_frames(self) -> int:
        """Frames of the shortest input that the poolings leave something of."""
        return 1 << self.frame_poolings
