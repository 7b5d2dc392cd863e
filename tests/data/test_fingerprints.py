"""Fingerprints depend on pixels and names, not on how and where they are stored."""

import resource

import cv2
import numpy as np

from jaxseg.data.fingerprints import fingerprint, record_digest

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
LABEL = PIXELS[..., 0] % 3


def png(pixels, level=3):
    options = [cv2.IMWRITE_PNG_COMPRESSION, level]
    return cv2.imencode(".png", pixels, options)[1].tobytes()


def jpeg(pixels):
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def test_how_a_png_is_compressed_does_not_matter():
    assert png(PIXELS, 0) != png(PIXELS, 9)
    one, other = (
        record_digest("a", png(PIXELS, level), png(LABEL, level)) for level in (0, 9)
    )
    assert one == other


def test_a_pixel_a_label_a_shape_or_a_name_matters():
    changed, relabelled = PIXELS.copy(), LABEL.copy()
    changed[-1, -1, 0] ^= 1
    relabelled[0, 0] ^= 1
    digests = {
        record_digest("a", png(PIXELS), png(LABEL)),
        record_digest("b", png(PIXELS), png(LABEL)),
        record_digest("a", png(changed), png(LABEL)),
        record_digest("a", png(PIXELS), png(relabelled)),
        record_digest("a", png(PIXELS.reshape(30, 20, 3)), png(LABEL)),
        record_digest("a", jpeg(PIXELS), png(LABEL)),
        record_digest("a", jpeg(PIXELS)[:-1], png(LABEL)),
        record_digest("a", png(PIXELS)[:-20], png(LABEL)),
        record_digest("a", b"\x89PNG", png(LABEL)),
    }
    assert len(digests) == 9


def test_the_order_of_the_records_does_not_matter_but_their_number_does():
    assert fingerprint([b"x", b"y"], 2) == fingerprint([b"y", b"x"], 2)
    assert fingerprint([b"x", b"y"], 2) != fingerprint([b"x", b"y"], 3)
    assert len(fingerprint([], 0)) == 16


def test_a_chunk_that_claims_4_gb_takes_no_memory():
    content = png(PIXELS)
    place = content.index(b"IDAT") - 4
    content = content[:place] + b"\xff\xff\0\0" + content[place + 4 :]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert record_digest("a", content, content) != record_digest("a", b"", b"")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 1_000_000
