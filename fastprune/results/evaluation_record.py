"""What a saved network does on one clean and one backdoored set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationRecord:
    """Counts of one clean and one backdoored set; rates are fractions.

    Attributes
    ----------
    clean_images, clean_hits : int
        Images of the clean set, and those predicted as their label.
    backdoored_images, backdoored_hits : int
        Images of the backdoored set, and those predicted as its label, the attacker's target.
    clean_flagged, backdoored_flagged : int or None
        Images put in class N by a G made of two networks; None for a single network.
    """

    clean_images: int
    clean_hits: int
    backdoored_images: int
    backdoored_hits: int
    clean_flagged: int | None = None
    backdoored_flagged: int | None = None

    @property
    def clean_accuracy(self) -> float:
        """Share of the clean set predicted as its label."""
        return self.clean_hits / self.clean_images

    @property
    def attack_success_rate(self) -> float:
        """Share of the backdoored set predicted as its label."""
        return self.backdoored_hits / self.backdoored_images
