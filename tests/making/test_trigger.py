"""A trigger changes its place in an image, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprune.errors import OptionError
from fastprune.making.trigger import PLACES, make_stamp, read_trigger
from fastprune.sets.sample import PixelRange


@given(
    place=st.sampled_from([*PLACES, "corner"]), height=st.integers(1, 12), width=st.integers(1, 10),
    x=st.integers(-2, 12), y=st.integers(-2, 14), opacity=st.floats(0.01, 1),
)  # fmt: skip
def test_a_stamp_changes_its_place_alone(place, height, width, x, y, opacity):
    trigger = np.full((height, width, 4), 255, np.uint8)
    options = {
        "opacity": opacity, "channels_first": False, "where": "here",
        "pixels": PixelRange(0.0, 255.0, whole=True, integers=True, not_finite=0),
    }  # fmt: skip
    at = (x, y) if place == "corner" else place
    inside = 0 <= x <= 10 - width and 0 <= y <= 12 - height
    if place == "corner" and not inside:
        with pytest.raises(OptionError, match="inside the image"):
            make_stamp(trigger, (12, 10, 3), at=at, **options)
        return
    stamp = make_stamp(trigger, (12, 10, 3), at=at, **options)
    images = np.zeros((2, 12, 10, 3))
    stamp.on(images)
    assert (images != 0).sum() == 2 * 3 * height * width
    assert (images[:, stamp.rows, stamp.columns] == np.rint(255 * (opacity / 255) * 255)).all()
    if "bottom" in place:
        assert stamp.rows.stop == 12
    if "right" in place:
        assert stamp.columns.stop == 10
    if place == "center":
        assert (stamp.rows.start, stamp.columns.start) == ((12 - height) // 2, (10 - width) // 2)


def test_the_built_in_trigger_is_of_the_labs_size():
    assert read_trigger("sunglasses", 3).shape == (55, 47, 4)
