"""The words that tables and plots share: names made safe to show, drops, percentages."""

from __future__ import annotations

from pathlib import Path

from fastprune.errors import printable
from fastprune.results.record import SweepRecord

PRIME = "B\N{PRIME}"
"""The repaired network's symbol."""


def plain(name: object, longest: int = 40) -> str:
    r"""Return a name that neither a terminal nor an XML parser can stumble over.

    Names come from files under test, so they may hold anything.

    Examples
    --------
    >>> plain("bd_net"), plain("a\x1b[2Jb\nc"), plain("x" * 50, longest=8)
    ('bd_net', 'a?[2Jb?c', 'xxxxx...')
    """
    shown = printable(str(name))
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def percent(share: float) -> str:
    """Return a share in percent with 2 decimals.

    Examples
    --------
    >>> percent(1.0), percent(0.98649)
    ('100.00', '98.65')
    """
    return f"{100 * share:.2f}"


CRITERIA = {
    "ascending": "ascending order", "descending": "descending order",
    "mean-abs": "mean |activation| order", "max": "max activation order", "apoz": "APoZ order",
    "l1": "L1 norm order", "l2": "L2 norm order", "fpgm": "FPGM order",
    "clp": "CLP order",
}  # fmt: skip
"""What plots call the criteria that a defender may use."""

SCORES = {
    "mean-abs": "mean |activation|", "max": "largest activation", "apoz": "share of zeros",
    "l1": "L1 norm", "l2": "L2 norm", "fpgm": "distance to the other kernels",
    "clp": "channel Lipschitz bound",
    "oracle": "mean activation, backdoored less clean",
}  # fmt: skip
"""What criteria score channels by, where it is not the mean activation."""


def order_words(order_name: str) -> str:
    """Return what a plot's title calls an order.

    Examples
    --------
    >>> order_words("ascending"), order_words("random:7"), order_words("orders/mine.txt")
    ('ascending order', 'random order, seed 7', 'order of mine.txt')
    >>> order_words("oracle:bd_valid")
    'oracle order that looks at bd_valid, as no defender can'
    """
    if order_name in CRITERIA:
        return CRITERIA[order_name]
    kind, _, rest = order_name.partition(":")
    if kind == "random":
        return f"random order, seed {plain(rest)}"
    if kind == "oracle":
        return f"oracle order that looks at {plain(rest)}, as no defender can"
    return f"order of {plain(Path(order_name).name)}"


INTERVENTIONS = {
    "weights": "weights zeroed", "weights+bn": "weights and batch normalization zeroed",
    "mask": "output masked",
}  # fmt: skip
"""What tables and pages call the interventions."""


def layer_words(result: SweepRecord) -> str:
    """Return what is pruned and how: "60 channels of conv_3 (weights zeroed)"."""
    network = result.network
    how = INTERVENTIONS.get(network.intervention, plain(network.intervention))
    words = f"{result.n_channels} channels of {plain(network.prune_layer)} ({how})"
    if network.behind:
        words += f", {network.behind} convolution{'s' * (network.behind > 1)} behind"
    return words


def branch_lines(result: SweepRecord) -> list[str]:
    """Return a line on the convolutions that feed the same cut in other branches, if any do."""
    names = [plain(name, 40) for name in result.network.branches]
    if not names:
        return []
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [f"in other branches to the same cut: {some}; --mask-layer features prunes all of them"]


def network_words(result: SweepRecord) -> str:
    """Return the network's name and the order in which its channels were pruned."""
    return f"{plain(result.network.name)}, {order_words(result.order_name)}"


def drop_words(result: SweepRecord) -> str:
    """Return what X stands for in this sweep."""
    return drop_words_of(result.valid, result.drop_kind)


def drop_words_of(valid: str, drop_kind: str) -> str:
    """Return what X stands for where it is a drop on one validation set."""
    unit = "percentage points" if drop_kind == "points" else "percent of B's"
    return f"X: drop of clean accuracy on {plain(valid)}, {unit}"


def crossed(result: SweepRecord) -> dict[int, str]:
    """Return the label of each step at which drops are crossed, ``"X=2, 4"``, in step order."""
    drops: dict[int, list[str]] = {}
    for at in sorted(result.at_drops, key=lambda at: at.drop):
        if at.step is not None:
            drops.setdefault(at.step, []).append(at.label)
    return {step: "X=" + ", ".join(drops[step]) for step in sorted(drops)}
