"""What the tests of `deploy.sh` share."""

from pathlib import Path

import pytest
from tests.unit.deployment.engine import make_place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A deployment's directory, and an engine that runs nothing beside it."""
    return make_place(tmp_path)
