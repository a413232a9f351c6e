"""The task and the nets of the training tests."""

from tests.training.conftest import bars_task, make_net

__all__ = ["bars_task", "make_net"]
