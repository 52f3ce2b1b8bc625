"""Looking at sets before they are swept or evaluated, and once all their images were seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastprune.networks.graph import Graph
from fastprune.plausibility.pairs import same_images, shared_doubt
from fastprune.plausibility.trying import try_sets
from fastprune.plausibility.verdicts import doubts
from fastprune.runtime.progress import warn
from fastprune.sets.image_set import ImageSet


class Lookout:
    """Tries B on a few images of every set, and warns of what cannot be what it is called.

    Parameters
    ----------
    graph : Graph
        B, or a saved G.
    sets : mapping of str to ImageSet
        The sets by name, the one that chooses first. Where there are several clean ones, they keep
        a digest of every image that is streamed.
    batch : int
        Images that B takes at a time.
    """

    def __init__(self, graph: Graph, sets: Mapping[str, ImageSet], *, batch: int) -> None:
        images = list(sets.values())
        trials, scales = try_sets(images, graph, batch)
        self._said: list[str] = []
        self._say(doubts(trials, scales))
        told = {name for doubt in same_images(trials) for name in doubt.sets}
        self._clean = [each for each in images if each.kind == "clean" and each.name not in told]
        if len(self._clean) > 1:
            for each in self._clean:
                each.keep_digests()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was warned of so far."""
        return tuple(self._said)

    def finish(self) -> tuple[str, ...]:
        """Warn of clean sets with images of the first one; return all that was warned of.

        All images must have been streamed.
        """
        for other in self._clean[1:]:
            first = self._clean[0]
            if first.digests is not None and other.digests is not None:
                doubt = shared_doubt(first.name, other.name, first.digests, other.digests)
                self._say([] if doubt is None else [doubt.message])
        return self.warnings

    def _say(self, messages: Iterable[str]) -> None:
        for message in messages:
            warn(message)
            self._said.append(message)
