"""What a spectrogram store counts: where the spectrograms are, and where they have been."""

from dataclasses import dataclass, field
from enum import StrEnum


class Tier(StrEnum):
    """Where a spectrogram ended up."""

    MEMORY = "memory"
    DISK = "disk"
    NONE = "none"


@dataclass(frozen=True)
class TierTotals:
    """One tier."""

    items: int
    """Spectrograms there now."""
    item_bytes: int
    """Their bytes."""
    peak_bytes: int
    """The most that it held at any time."""
    puts: int
    """Spectrograms that have ever gone there."""
    gets: int
    """How often one was fetched from there."""


@dataclass(frozen=True)
class StoreTotals:
    """The whole store, at one moment."""

    memory: TierTotals
    disk: TierTotals
    none: TierTotals
    """Puts that found room nowhere, and gets that found nothing; it holds nothing."""
    recomputations: int
    """Spectrograms that came again because they could not be kept or read."""
    disk_claimed_bytes: int
    """Blocks of the spill file."""

    def as_fields(self) -> dict[str, int]:
        """The totals as flat numbers, for an event."""
        return {
            "memory_puts": self.memory.puts,
            "disk_puts": self.disk.puts,
            "not_stored": self.none.puts,
            "memory_gets": self.memory.gets,
            "disk_gets": self.disk.gets,
            "misses": self.none.gets,
            "recomputations": self.recomputations,
            "memory_peak_bytes": self.memory.peak_bytes,
            "disk_peak_bytes": self.disk.peak_bytes,
            "disk_claimed_bytes": self.disk_claimed_bytes,
        }

    def sentence(self) -> str:
        """The totals for people."""
        return (
            f"{self.memory.puts} spectrograms went to memory (at most {self.memory.peak_bytes / 1e6:.0f} MB), "
            f"{self.disk.puts} to disk (at most {self.disk.peak_bytes / 1e6:.0f} MB), {self.none.puts} nowhere; "
            f"{self.recomputations} were computed again"
        )


@dataclass
class TierTally:
    """One tier as it is counted. Its owner has a lock."""

    items: int = 0
    item_bytes: int = 0
    peak_bytes: int = 0
    puts: int = 0
    gets: int = 0

    def add(self, nbytes: int) -> None:
        """One spectrogram more."""
        self.puts += 1
        self.items += 1
        self.item_bytes += nbytes
        self.peak_bytes = max(self.peak_bytes, self.item_bytes)

    def remove(self, nbytes: int) -> None:
        """One spectrogram less."""
        self.items -= 1
        self.item_bytes -= nbytes

    def totals(self) -> TierTotals:
        """The counts as they are now."""
        return TierTotals(self.items, self.item_bytes, self.peak_bytes, self.puts, self.gets)


@dataclass
class StoreTally:
    """The store as it is counted. Its owner has a lock."""

    tiers: dict[Tier, TierTally] = field(default_factory=lambda: {tier: TierTally() for tier in Tier})
    recomputations: int = 0

    def totals(self, disk_claimed_bytes: int) -> StoreTotals:
        """The counts as they are now."""
        memory, disk, none = (self.tiers[tier].totals() for tier in (Tier.MEMORY, Tier.DISK, Tier.NONE))
        return StoreTotals(memory, disk, none, self.recomputations, disk_claimed_bytes)
