"""Which colour a set and an order has: the same in every plot and page, in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from fastprune.orders.order import MEANINGS, oracle_set
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.record import SweepRecord
from fastprune.results.set_pairs import counterpart, of_kind

THEMES = ("light", "dark")
"""Of a page: dark colours on white, light ones on black."""

# A hue for each split, a paler and a deeper shade of it for its clean and its backdoored set. Blue,
# orange and purple are told apart by colour-blind readers, the two shades by everyone, in grey too.
HUES = {
    "light": (
        ("#4BA3E3", "#0B4A84"), ("#F29A2E", "#9C4400"), ("#3DBB88", "#005C43"),
        ("#B98AE3", "#5A2690"), ("#EC82AD", "#9E1753"), ("#BDB23A", "#665F00"),
    ),
    "dark": (
        ("#A9D6FB", "#3D93DD"), ("#FFD093", "#F0872A"), ("#9DEACB", "#26AD7D"),
        ("#DCC6F8", "#A572E0"), ("#FCC3DA", "#E6609C"), ("#EAE4A0", "#B2AA30"),
    ),
}  # fmt: skip
"""The clean and the backdoored shade of every hue, by theme."""

TINTS = {
    "light": (
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#332288", "#882255",
        "#44AA99", "#8A8A8A", "#999933", "#8C564B", "#117733",
    ),
    "dark": (
        "#5AB0F0", "#FF8B45", "#2FCB9C", "#F0A0CC", "#A9DDF8", "#F7C64F", "#A99BF5", "#E377B0",
        "#7FD6C8", "#B8B8B8", "#C9C96A", "#D08C7A", "#6BBF7F",
    ),
}  # fmt: skip
"""Colours of results side by side, by theme, from Okabe and Ito's and P. Tol's palettes."""
INKS = {"light": "#222222", "dark": "#E6E8EB"}
"""Colour of text, and of an order that no defender could make."""
DASHES = ("-", "--", "-.", ":")
"""Lines of results that have an order, and its colour, in common."""
CRITERIA = tuple(name for name in MEANINGS if name != "oracle")


def colours(result: SweepRecord, theme: str = "light") -> dict[str, str]:
    """Return the colour of every set: a hue for each split, paler where the set is clean.

    A backdoored set has the hue of the clean set whose images it shows; the second one of the same
    images, and one that goes with no clean set, has a hue of its own.
    """
    clean = [part.name for part in of_kind(result, "clean")]
    hues = {name: place for place, name in enumerate(clean)}
    taken: set[str] = set()
    free = len(clean)
    shades = HUES[theme]
    found = {name: shades[hue % len(shades)][0] for name, hue in hues.items()}
    for part in of_kind(result, "backdoored"):
        beside = counterpart(part.name, part.paired, clean)
        if beside in hues and beside not in taken:
            taken.add(beside)
            hue = hues[beside]
        else:
            hue, free = free, free + 1
        found[part.name] = shades[hue % len(shades)][1]
    return found


def order_tints(order_names: Sequence[str]) -> dict[str, int | None]:
    """Return the place of every order's colour in :data:`TINTS`; None for one no defender has.

    A criterion has the same in every comparison. Other orders have one of those that are left, by
    their name, and the next where it is taken.

    Examples
    --------
    >>> order_tints(["l1", "ascending"]), order_tints(["ascending"])
    ({'ascending': 0, 'l1': 5}, {'ascending': 0})
    """
    count, found = len(TINTS["light"]), dict[str, int | None]()
    for name in sorted(set(order_names), key=lambda name: (name not in CRITERIA, name)):
        if oracle_set(name) is not None:
            found[name] = None
            continue
        if name in CRITERIA:
            found[name] = CRITERIA.index(name)
            continue
        kind, _, seed = name.partition(":")
        number = int(seed) if kind == "random" and seed.isdecimal() else crc32(name.encode())
        start, others = number % (count - len(CRITERIA)), range(len(CRITERIA), count)
        ways = [*others[start:], *others[:start], *range(len(CRITERIA))]
        found[name] = next((way for way in ways if way not in found.values()), ways[0])
    return found


def result_looks(comparison: ComparisonRecord) -> list[tuple[int | None, str]]:
    """Return the colour's place in :data:`TINTS` (None for ink) and the line of every result.

    Where orders differ a colour is an order, and the line tells the results of one apart; where
    they do not, or an order has more results than there are lines, every result has a colour.
    """
    names = [result.order_name for result in comparison.results]
    again = [names[:place].count(name) for place, name in enumerate(names)]
    by_order = "order" in comparison.differing and max(again) < len(DASHES)
    tints, count = order_tints(names), len(TINTS["light"])
    looks: list[tuple[int | None, str]] = []
    for place, (name, repeat) in enumerate(zip(names, again, strict=True)):
        if by_order:
            plain = "--" if tints[name] is None else ":" if name.startswith("random:") else "-"
            looks.append((tints[name], DASHES[repeat] if repeat else plain))
        else:
            looks.append((place % count, DASHES[place // count % len(DASHES)]))
    return looks


def tint(place: int | None, theme: str = "light") -> str:
    """Return a colour of :data:`TINTS`, or the ink."""
    return INKS[theme] if place is None else TINTS[theme][place]
