"""What is drawn: every number of a face, from its identity and the image's number.

A random number is a hash of (seed, identity, image index, its place), so that an image depends on
nothing but those, whatever is drawn before, after or beside it, and whatever NumPy's generators do
in their next release.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Keys: TypeAlias = NDArray[np.uint64]

POPULATION = 7
"""Seed of the identities. Fixed: the shipped network knows these people and no others."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# Lengths in half-widths of an average face (16.5 pixels); y grows downwards, 0 lies between eyes
# and mouth. (lowest, highest) of a uniform distribution.
_TRAITS = {
    "width": (0.84, 1.08), "top": (1.3, 1.55), "chin": (1.2, 1.52), "taper": (0.0, 0.36),
    "square": (-0.1, 0.75), "ears": (0.08, 0.24),
    "hair_top": (0.0, 0.32), "hair_side": (0.02, 0.3), "hairline": (-1.15, -0.72),
    "hair_drop": (0.1, 0.75), "fringe": (-0.45, 0.45), "hair_wave": (4.0, 22.0),
    "eye_x": (0.34, 0.48), "eye_y": (-0.38, -0.22), "eye_w": (0.17, 0.26), "eye_h": (0.075, 0.15),
    "slant": (-0.22, 0.28),
    "brow_lift": (0.17, 0.31), "brow_w": (0.22, 0.34), "brow_t": (0.02, 0.075),
    "brow_angle": (-0.09, 0.1), "brow_arch": (0.0, 0.1),
    "nose_y": (0.2, 0.42), "nose_w": (0.13, 0.27), "bridge": (0.2, 0.8),
    "mouth_drop": (0.29, 0.44), "mouth_w": (0.26, 0.47), "lip_up": (0.03, 0.1),
    "lip_low": (0.05, 0.15), "folds": (-0.5, 0.5), "blush": (0.0, 0.5), "skin": (0.0, 1.0),
    "skin_hue": (-0.04, 0.04), "hair": (0.0, 1.0), "hair_tone": (0.75, 1.25), "iris": (0.0, 1.0),
    "style": (0.0, 1.0), "length": (0.0, 1.0), "bald": (0.0, 1.0), "beard": (0.0, 1.0),
    "moustache": (0.0, 1.0), "glasses": (0.0, 1.0), "lip_red": (0.0, 1.0),
}  # fmt: skip

_VARIATION = {
    "shift_x": (-2.2, 2.2), "shift_y": (-2.2, 2.2), "scale": (0.9, 1.1), "roll": (-0.17, 0.17),
    "yaw": (-0.3, 0.3), "pitch": (-0.14, 0.14), "gaze": (-0.05, 0.05), "lids": (0.6, 1.15),
    "brows": (-0.03, 0.05), "smile": (-0.4, 1.0), "open": (-0.15, 0.17),
    "light_x": (-0.75, 0.75), "light_y": (-0.6, 0.15), "ambient": (0.35, 0.75),
    "gain": (0.6, 1.2), "warmth": (-0.16, 0.16), "tint": (-0.06, 0.06),
    "back_light": (0.08, 0.75), "back_hue": (0.0, 1.0), "back_colour": (0.0, 0.25),
    "back_turn": (0.0, 6.28), "back_step": (-0.35, 0.35), "back_edge": (-1.2, 1.2),
    "cloth_light": (0.05, 0.8), "cloth_hue": (0.0, 1.0), "cloth_colour": (0.0, 0.45),
    "collar": (0.0, 0.35), "blur": (0.02, 0.2), "noise": (1.0, 7.0),
}  # fmt: skip

_COLOURS = ("skin_rgb", "hair_rgb", "iris_rgb", "lip_rgb", "back_rgb", "cloth_rgb", "balance")
_DERIVED = ("hair_end", "recede", "beard_share", "moustache_share", "glasses_share", "mouth_y")

FACE = np.dtype(
    [(name, "f8") for name in (*_TRAITS, *_VARIATION, *_DERIVED)]
    + [(name, "f8", 3) for name in _COLOURS]
    + [("key", "u8")]
)
"""One face as it is drawn: traits of the identity, variation of the image, colours (RGB, 0-1)."""

_SKINS = np.array([[0.96, 0.80, 0.71], [0.87, 0.66, 0.53], [0.70, 0.48, 0.35], [0.40, 0.26, 0.19]])
_HAIRS = np.array(
    [[0.08, 0.07, 0.07], [0.16, 0.10, 0.07], [0.34, 0.21, 0.12], [0.47, 0.21, 0.10],
     [0.83, 0.65, 0.38], [0.62, 0.60, 0.58]]
)  # fmt: skip
_IRISES = np.array([[0.16, 0.09, 0.05], [0.33, 0.19, 0.08], [0.22, 0.42, 0.62], [0.30, 0.42, 0.24]])


def _mix(keys: Keys) -> Keys:
    """Scramble 64-bit keys (the finisher of SplitMix64)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def keys_of(*numbers: Any) -> Keys:
    """Hash whole numbers into one 64-bit key each.

    Parameters
    ----------
    *numbers : int or array of int, shape (n,)
        What the key depends on; broadcast together.

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    flat = (np.atleast_1d(np.asarray(number, np.uint64)) for number in numbers)
    arrays = np.broadcast_arrays(*flat)
    state = np.zeros(arrays[0].shape, np.uint64)
    for array in arrays:
        state = _mix((state ^ array) * _GOLDEN + _GOLDEN)
    return state


def _draw(keys: Keys, ranges: dict[str, tuple[float, float]]) -> dict[str, Floats]:
    """Draw every named range once for every key."""
    places = np.arange(1, len(ranges) + 1, dtype=np.uint64) * _GOLDEN
    uniform: Floats = (_mix(keys[:, None] + places) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return {
        name: low + (high - low) * uniform[:, place]
        for place, (name, (low, high)) in enumerate(ranges.items())
    }


def _ramp(stops: Floats, where: Floats) -> Floats:
    """Interpolate between colours; `where` is 0 at the first of `stops` and 1 at the last."""
    axis = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(where, axis, stops[:, band]) for band in range(3)], axis=1)


def _tone(light: Floats, hue: Floats, colour: Floats) -> Floats:
    """Make a colour of a lightness, a hue (0-1 around the circle) and a colourfulness (0-1)."""
    angles = 2 * np.pi * (hue[:, None] + np.array([0.0, 1 / 3, 2 / 3]))
    tone: Floats = light[:, None] * (1 + colour[:, None] * np.cos(angles))
    return tone.clip(0.0, 1.0)


def _colour(face: Any) -> None:
    """Fill the colours of faces in place."""
    face["skin_rgb"] = _ramp(_SKINS, face["skin"]) + face["skin_hue"][:, None] * [0.3, 0.0, -1.0]
    # Fair hair and blue eyes come with fair skin.
    dark = face["skin"] > 0.55
    shade = np.where(dark, face["hair"] * 2.2, face["hair"] * 6).astype(int)
    face["hair_rgb"] = np.clip(_HAIRS[shade] * face["hair_tone"][:, None], 0.0, 1.0)
    face["iris_rgb"] = _IRISES[(face["iris"] * np.where(dark, 2, 4)).astype(int)]
    red = np.array([0.72, 0.10, 0.16])
    share = (0.22 + 0.55 * face["lip_red"] * (face["style"] > 0.5))[:, None]
    face["lip_rgb"] = (1 - share) * face["skin_rgb"] * [0.86, 0.62, 0.6] + share * red
    face["back_rgb"] = _tone(face["back_light"], face["back_hue"], face["back_colour"])
    face["cloth_rgb"] = _tone(face["cloth_light"], face["cloth_hue"], face["cloth_colour"])
    warmth, tint = face["warmth"], face["tint"]
    balance = np.stack([1 + warmth, 1 + tint, 1 - warmth], axis=1)
    face["balance"] = balance * face["gain"][:, None]


def describe(identities: Any, indices: Any, *, seed: int) -> NDArray[np.void]:
    """Describe images: everything the painter needs, one record per image.

    Parameters
    ----------
    identities : array of int, shape (n,)
        Who is on the image.
    indices : array of int, shape (n,)
        Which image of that person.
    seed : int
        Varies the images, not the people.

    Returns
    -------
    ndarray of FACE, shape (n,)
    """
    keys = keys_of(seed, identities, indices)
    face: Any = np.zeros(len(keys), FACE)
    people = np.broadcast_to(keys_of(POPULATION, identities), keys.shape)
    drawn = _draw(people, _TRAITS) | _draw(keys, _VARIATION)
    for name, values in drawn.items():
        face[name] = values
    face["key"] = keys
    soft = face["style"] > 0.5
    bald = ~soft & (face["bald"] < 0.2)
    face["recede"] = bald
    face["hair_end"] = np.where(soft, -0.2 + 2.2 * face["length"], -0.55 + 0.5 * face["length"])
    face["hair_top"] = np.where(bald, 0.0, face["hair_top"] + 0.05)
    face["hair_side"] = np.where(bald, 0.04, face["hair_side"] * np.where(soft, 1.0, 0.45))
    face["beard_share"] = ~soft * np.clip(face["beard"] * 2.2 - 1.25, 0.0, 0.85)
    face["moustache_share"] = ~soft * np.maximum(
        face["beard_share"], np.clip(face["moustache"] * 4.0 - 3.2, 0.0, 0.85)
    )
    face["glasses_share"] = 0.8 * (face["glasses"] < 0.1)
    face["brow_t"] *= np.where(soft, 0.7, 1.0)
    face["folds"] = np.maximum(face["folds"] * np.where(soft, 0.6, 1.0), 0.0)
    face["blush"] *= soft
    face["mouth_y"] = face["nose_y"] + face["mouth_drop"]
    face["eye_h"] *= face["lids"]
    face["open"] = np.maximum(face["open"], 0.0)
    _colour(face)
    return face  # type: ignore[no-any-return]
