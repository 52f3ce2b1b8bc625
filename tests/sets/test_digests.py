"""Digests of images: the same for the same pixels, whatever else; other ones for others."""

from __future__ import annotations

import numpy as np

from fastprune.sets.digests import digest_into, digest_keys
from fastprune.sets.image_set import ImageSet


def digests(images):
    out = np.empty(len(images), np.uint64)
    digest_into(images, digest_keys(images[0].size), out)
    return out


def test_a_digest_is_a_weighted_sum_of_bits():
    images = np.random.default_rng(0).random((3, 4, 5, 2), np.float32)
    bits = images.reshape(3, -1).view(np.uint32).astype(object)
    keys = digest_keys(40).astype(object)
    expected = [int(sum(row * keys)) % 2**64 for row in bits]
    assert digests(images).tolist() == expected


def test_images_of_one_byte_more_have_another():
    base = np.random.default_rng(0).integers(0, 255, (1, 6, 5, 3)).astype(np.float32)
    changed = np.repeat(base, base.size, axis=0)
    changed.reshape(base.size, -1)[np.arange(base.size), np.arange(base.size)] += 1
    assert len(np.unique(digests(np.concatenate([base, changed])))) == base.size + 1
    assert len(np.unique(digests(np.repeat(base, 4, axis=0)))) == 1


def test_a_set_keeps_them_while_it_is_streamed(make_images):
    images, labels = make_images(70)
    whole = digests(images.astype(np.float32))
    for size in (1, 33, 70):
        with ImageSet("set", (images, labels), input_shape=(12, 10, 3), n_classes=7) as found:
            assert found.digests is None
            found.keep_digests()
            for _ in found.chunks(size):
                pass
            np.testing.assert_array_equal(found.digests, whole)
            assert found.digests.nbytes == 8 * 70
