"""Fixtures that every test folder uses."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference material beside the repository; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "data" / "MANIFEST.tsv").is_file():
        pytest.skip("no ../shared/data beside the repository")
    return folder
