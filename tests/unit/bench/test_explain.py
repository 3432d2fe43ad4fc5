"""The bench of stories asks real routes and tells every story whole."""

from pathlib import Path

from tests.bench.explain import measure


async def test_every_story_is_told_whole(tmp_path: Path) -> None:
    taken = await measure(250, 5, tmp_path)
    assert len(taken) == 5
    assert all(seconds > 0 for seconds in taken)
