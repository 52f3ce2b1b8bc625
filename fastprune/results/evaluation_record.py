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
        Images put in class N by a G, saved as one network or made of two; None without a G.
    warnings : tuple of str
        What a reader should know first: sets that cannot be what they are called, a pixel scale
        that does not suit the network. Mostly there is none.
    """

    clean_images: int
    clean_hits: int
    backdoored_images: int
    backdoored_hits: int
    clean_flagged: int | None = None
    backdoored_flagged: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def clean_accuracy(self) -> float:
        """Share of the clean set predicted as its label."""
        return self.clean_hits / self.clean_images

    @property
    def attack_success_rate(self) -> float:
        """Share of the backdoored set predicted as its label."""
        return self.backdoored_hits / self.backdoored_images

    @property
    def false_alarm_rate(self) -> float | None:
        """Share of the clean set that G flags; None without a G."""
        return None if self.clean_flagged is None else self.clean_flagged / self.clean_images

    @property
    def detection_rate(self) -> float | None:
        """Share of the backdoored set that G flags; None without a G."""
        flagged = self.backdoored_flagged
        return None if flagged is None else flagged / self.backdoored_images
