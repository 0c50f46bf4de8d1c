import jax.random as jr
import numpy as np
import pytest

from engrax.tasks import GLYPH_STYLES, GlyphStyle, glyphs

KEY = jr.key(3)


def test_classes_do_not_depend_on_their_number_and_keys_give_other_letters():
    few, many = glyphs(KEY, 2, 3), glyphs(KEY, 4, 3)
    assert few.x.shape == (6, 20, 20)
    assert few.x.dtype == np.uint8
    np.testing.assert_array_equal(many.x[:6], few.x)
    np.testing.assert_array_equal(many.y, np.repeat(np.arange(4), 3))
    assert (glyphs(jr.key(4), 2, 3).x != few.x).any()


def test_without_jitter_a_class_is_one_drawing():
    still = GlyphStyle(control_noise=0.0, rotation=0.0, scale=0.0, shear=0.0, shift=0.0)
    x = glyphs(KEY, 3, 8, style=still).x.reshape(3, 8, -1) / 255
    # What remains are noise of .05 a pixel and the width of the pen, at most .04 in its mean.
    within = np.abs(x - x.mean(1, keepdims=True)).mean()
    between = np.abs(x.mean(1)[0] - x.mean(1)[1]).mean()
    assert within < 0.07 < between


def test_ink_falls_off_as_a_gaussian_of_the_distance():
    """One stroke on a fine grid: inked area of a pen of width w, and the noise beside it."""
    style = GlyphStyle(0.0, 0.0, 0.0, 0.0, 0.0, strokes=(1, 1))
    x = glyphs(KEY, 1, 4, style=style, size=60).x / 255
    # At half height a Gaussian is 2.355 w wide: of .028 to .045 that is .066 to .106 of the side,
    # and no stroke between points .12 and .88 is longer than twice the square's diagonal.
    inked = (x > 0.5).mean((1, 2))
    assert (inked > 0.066 * 0.1).all()
    assert (inked < 0.106 * 2.15 + 0.03).all()
    # Noise of .05, cut at 0: mean .05 / sqrt(2 pi) = .020 where there is no ink.
    corner = x[:, :4, :4].mean()
    assert abs(corner - 0.0199) < 0.01


def test_harder_styles_are_farther_from_their_means():
    spread = []
    for style in ("easy", "middle", "hard"):
        x = glyphs(KEY, 5, 20, style=style).x.reshape(5, 20, -1).astype(float)
        spread.append(np.square(x - x.mean(1, keepdims=True)).mean())
    assert spread == sorted(spread)
    assert set(GLYPH_STYLES) == {"easy", "middle", "hard"}


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        glyphs(KEY, 0, 3)
    with pytest.raises(ValueError, match="No style of glyphs is called 'odd'"):
        glyphs(KEY, 1, 1, style="odd")
