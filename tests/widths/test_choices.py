import pytest

from kdsearch.widths.choices import PAPER_SCALES, choices, scaled_widths


def test_the_papers_widths_are_31_scales_of_the_base():
    assert PAPER_SCALES[0] == 0.10
    assert PAPER_SCALES[-1] == 1.0
    assert len(choices(100, divisor=1)) == 31
    assert choices(100, divisor=1)[:3] == (10, 13, 16)


def test_equal_widths_are_one_choice():
    """MobileNetV2's base 22 has 21 distinct widths, MobileNetV1's base 32 has 30."""
    assert len(choices(22, divisor=1)) == 21
    assert len(choices(32, divisor=1)) == 30


def test_a_scale_is_not_lost_to_floating_point():
    assert 29 in choices(100, divisor=1, scales=(0.29,))  # 100 * 0.29 is 28.999999999999996


@pytest.mark.parametrize(("full", "divisor"), [(64, 16), (132, 16), (63, 8), (44, 8)])
def test_auto_takes_16_from_64_channels_on_and_8_below(full, divisor):
    assert all(width % divisor == 0 for width in choices(full)[:-1])
    assert choices(full)[0] == divisor
    assert choices(full)[-1] == full


def test_fine_takes_every_multiple():
    assert choices(40, divisor=8, scales="fine") == (8, 16, 24, 32, 40)


def test_channels_that_go_together_stay_together():
    assert all(width % 24 == 0 for width in choices(24 * 8, divisor=8, multiplicity=24))
    assert choices(32, divisor=16, scales="fine", multiplicity=12) == (12, 24, 32)


def test_a_group_narrower_than_the_divisor_still_has_choices():
    assert choices(6, divisor=16, scales="fine") == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(("full", "divisor"), [(64, "auto"), (6, 8), (100, 16), (7, 1), (250, 1)])
def test_every_scale_has_its_width_and_choices_are_these_without_repeats(full, divisor):
    scaled = scaled_widths(full, divisor)
    assert len(scaled) == 31
    assert scaled[-1] == full
    assert tuple(sorted(set(scaled))) == choices(full, divisor)
