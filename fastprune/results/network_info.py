"""What results say of the network under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkInfo(Mapping[str, Any]):
    """The network under test, as a sweep found it.

    It can be read as the mapping that ``sweep.json`` holds as well: ``info["name"]``,
    ``dict(info)``.

    Attributes
    ----------
    path : str or None
        Its file; None for a model in memory.
    name : str
        Its own name.
    n_classes : int
        Number of classes N.
    n_channels : int
        Channels of the prune layer.
    prune_layer, cut_layer : str
        Names of the layers; the first is the masked one of a mask.
    input_shape : tuple of int
        Height, width and channels of an image.
    parameters : int
        Number of weights.
    fingerprint : str
        Digest of the file, or of the weights of a model in memory.
    written_by : str
        What wrote the file.
    intervention : {"weights", "weights+bn", "mask"}
        How a channel is pruned: kernel and bias zeroed, the BatchNormalization behind them zeroed
        too, or the layer's output masked. Results that do not say it zeroed the weights.
    behind : int
        How many convolutions the prune layer's channels reach.
    branches : tuple of str
        Convolutions that feed the same cut in branches of their own.

    Examples
    --------
    >>> info = NetworkInfo(
    ...     path=None, name="bd_net", n_classes=1283, n_channels=60, prune_layer="conv_3",
    ...     cut_layer="pool_3", input_shape=(55, 47, 3), parameters=601_643, fingerprint="-",
    ...     written_by="a Keras model in memory",
    ... )
    >>> info.input_shape, info["input_shape"], NetworkInfo.from_json(dict(info)) == info
    ((55, 47, 3), [55, 47, 3], True)
    """

    path: str | None
    name: str
    n_classes: int
    n_channels: int
    prune_layer: str
    cut_layer: str
    input_shape: tuple[int, ...]
    parameters: int
    fingerprint: str
    written_by: str
    intervention: str = "weights"
    behind: int = 0
    branches: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NetworkInfo:
        """Return what :meth:`as_json` gave; further keys are passed over."""
        values = {
            item.name: content[item.name]
            for item in fields(cls)
            if item.name in content or item.default is MISSING
        }
        for name in ("input_shape", "branches"):
            values[name] = tuple(content.get(name, ()))
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON knows, in the order of ``sweep.json``."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**values, "input_shape": list(self.input_shape), "branches": list(self.branches)}

    def __getitem__(self, name: str) -> Any:
        return self.as_json()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_json())

    def __len__(self) -> int:
        return len(fields(self))
