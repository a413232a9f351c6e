from __future__ import annotations

import pytest
import torch

from kdsearch.data.augment import apply_views, draw_views
from kdsearch.data.mixing import Mixing, draw_mixing, mix_images, mix_labels
from kdsearch.spec.sections import Augmentation

SIZE = (10, 16)


def mixing(count=500, seed=0, **options):
    return draw_mixing(count, Augmentation(**options), SIZE, torch.Generator().manual_seed(seed))


def area(box_B4):
    return (box_B4[:, 2] - box_B4[:, 0]) * (box_B4[:, 3] - box_B4[:, 1])


def grey(*values):
    """One image of 10 x 16 for each value, which all its pixels have."""
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 1, *SIZE)


def test_nothing_asked_nothing_mixed():
    assert mixing() is None


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}])
def test_every_partner_is_another_image_and_every_share_is_a_share(options):
    drawn = mixing(**options)
    assert not bool((drawn.partner_B == torch.arange(500)).any())
    assert len(drawn.partner_B.unique()) > 250  # of 500 that draw with replacement: 1 - 1/e
    assert bool(((drawn.own_share_B >= 0) & (drawn.own_share_B <= 1)).all())


def test_the_same_seed_draws_the_same_and_another_does_not():
    first, again, other = (mixing(seed=seed, mixup=1.0, cutmix=1.0) for seed in (3, 3, 4))
    assert torch.equal(first.own_share_B, again.own_share_B)
    assert torch.equal(first.box_B4, again.box_B4)
    assert not torch.equal(first.own_share_B, other.own_share_B)


def test_shares_of_mixup_have_mean_and_spread_of_their_beta_distribution():
    drawn = mixing(4000, mixup=0.5)
    assert int(area(drawn.box_B4).sum()) == 0
    assert float(drawn.own_share_B.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(drawn.own_share_B.var()) == pytest.approx(1 / (4 * (2 * 0.5 + 1)), rel=0.05)


def test_the_own_share_of_cutmix_is_what_its_box_leaves():
    drawn = mixing(cutmix=1.0)
    assert torch.allclose(drawn.own_share_B, 1 - area(drawn.box_B4) / 160)
    assert bool((drawn.box_B4 >= 0).all())
    assert bool((drawn.box_B4[:, 2:] <= torch.tensor(SIZE)).all())
    assert float(drawn.own_share_B.std()) > 0.15


def test_with_both_about_half_the_images_get_a_box():
    assert 1800 < int((area(mixing(4000, mixup=1.0, cutmix=1.0).box_B4) > 0).sum()) < 2050


def test_a_box_shows_the_partner_and_the_rest_the_image():
    given = Mixing(torch.tensor([1, 0]), torch.tensor([1 - 6 / 160, 1.0]), torch.tensor([[1, 4, 3, 7], [0, 0, 0, 0]]))
    mixed = mix_images(grey(10, 50), grey(50, 10), given)
    expected = torch.full(SIZE, 10.0)
    expected[1:3, 4:7] = 50
    assert torch.equal(mixed[0, 0], expected)
    assert torch.equal(mixed[1], grey(50)[0].float())


def test_without_a_box_an_image_is_blended_by_its_share():
    given = Mixing(torch.tensor([1, 0]), torch.tensor([0.75, 0.5]), torch.zeros(2, 4, dtype=torch.int64))
    mixed = mix_images(grey(10, 50), grey(50, 10), given)
    assert mixed.dtype == torch.float32
    assert mixed[:, 0, 0, 0].tolist() == pytest.approx([0.75 * 10 + 0.25 * 50, 30])


def test_targets_hold_the_own_share_at_the_class_and_the_rest_at_the_partners():
    targets = mix_labels(torch.tensor([0, 2]), torch.tensor([1, 2]), torch.tensor([0.75, 0.3]), 3)
    assert torch.allclose(targets, torch.tensor([[0.75, 0.25, 0], [0, 0, 1]]))


def test_the_partner_is_mixed_in_as_it_looks_after_its_own_changes():
    pixels = torch.arange(6, dtype=torch.uint8).view(2, 1, 1, 3) * 10
    options = Augmentation(crop=0, flip=True, mixup=1.0)
    for seed in range(8):
        views = draw_views(2, options, (1, 3), torch.Generator().manual_seed(seed))
        alone = [image.flip(2) if turn else image for image, turn in zip(pixels, views.mirror_B, strict=True)]
        share = views.mixing.own_share_B.view(2, 1, 1, 1)
        expected = share * torch.stack(alone) + (1 - share) * torch.stack(alone[::-1])
        assert torch.allclose(apply_views(pixels, views), expected, atol=1e-3)


def test_mixing_leaves_the_other_draws_as_they_are():
    plain, mixed = (
        draw_views(9, options, SIZE, torch.Generator().manual_seed(1))
        for options in (Augmentation(crop=2, cutout=0.3), Augmentation(crop=2, cutout=0.3, cutmix=1.0))
    )
    assert torch.equal(plain.mirror_B, mixed.mirror_B)
    assert torch.equal(plain.hole_B2[1], mixed.hole_B2[1])


def test_one_image_alone_is_its_own_partner():
    assert mixing(1, mixup=1.0).partner_B.tolist() == [0]


def test_targets_are_mixed_as_labels_are():
    own_BC, other_BC = torch.tensor([[0.7, 0.3]]), torch.tensor([[0.1, 0.9]])
    mixed_BC = mix_labels(own_BC, other_BC, torch.tensor([0.25]), 2)
    torch.testing.assert_close(mixed_BC, torch.tensor([[0.25, 0.75]]))  # 0.25 * 0.7 + 0.75 * 0.1
