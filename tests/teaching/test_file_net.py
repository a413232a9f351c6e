from __future__ import annotations

import torch

from kdsearch.teaching.file_net import FileNet, Reading


class Doubling:
    """A runtime that takes so many images at once and gives twice their pixels, and remembers what it was given."""

    held = frozen = None

    def __init__(self, batch=None) -> None:
        self.batch, self.given, self.devices = batch, [], []

    def run(self, image_BCHW):
        self.given.append(len(image_BCHW))
        return {"other": image_BCHW, "logits": [2 * image_BCHW.flatten(1)]}

    def move(self, device):
        self.devices.append(device.type)
        return self


PLACE = ("logits", 0)


def test_a_fixed_batch_is_filled_and_what_filled_it_is_dropped():
    runner, image = Doubling(4), torch.rand(9, 1, 1, 3)
    net = FileNet(runner, Reading(4, PLACE))
    assert torch.equal(net(image), 2 * image.flatten(1))
    assert runner.given == [4, 4, 4]
    assert net.queries == 9


def test_any_number_goes_at_once():
    runner = Doubling()
    FileNet(runner, Reading(None, PLACE))(torch.rand(9, 1, 1, 3))
    assert runner.given == [9]


def test_probabilities_become_logits_that_a_softmax_turns_back_and_none_is_infinite():
    chances = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    net = FileNet(Doubling(), Reading(None, PLACE, "probabilities"))
    logits = net(chances.reshape(2, 1, 1, 3) / 2)
    assert logits.isfinite().all()
    torch.testing.assert_close(logits.softmax(1), chances)


def test_where_it_is_moved_the_file_is_moved_too():
    runner = Doubling()
    net = FileNet(runner, Reading(None, PLACE)).to("meta")
    assert runner.devices == ["meta"]
    assert net.here.device.type == "meta"
