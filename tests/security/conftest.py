"""The stack in one process, as the tests of the workflows use it."""

from tests.workflows.conftest import bench, corpus, settled

__all__ = ["bench", "corpus", "settled"]
