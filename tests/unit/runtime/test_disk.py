"""How full a disk is, when it will be full, and when it must not be written any more."""

from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.data_dir import DiskSpace
from pinai_subnet.runtime.disk import DiskLimits, DiskWatch

GIB = 1 << 30
HOUR = 3600.0


class Scene:
    """A file system of 100 GiB whose free space the test sets."""

    def __init__(self, *, floor_bytes: int = GIB, warn_days: float = 7) -> None:
        self.clock = ManualClock()
        self.free = 50 * GIB
        self.watch = DiskWatch(
            space=lambda: DiskSpace(free_bytes=self.free, total_bytes=100 * GIB),
            clock=self.clock,
            limits=DiskLimits(floor_bytes=floor_bytes, warn_free_percent=15, warn_days=warn_days),
        )


def test_a_half_full_disk_that_does_not_fill_is_fine() -> None:
    scene = Scene()
    for _ in range(10):
        look = scene.watch.look()
        scene.clock.advance(HOUR)
    assert look.warning == ""
    assert look.full_in_seconds is None
    assert look.has_room
    assert not look.below_floor


def test_less_free_than_the_wanted_part_is_warned_of_with_both_figures() -> None:
    """operators.md row 10: 15 % free."""
    scene = Scene()
    scene.free = 15 * GIB
    assert scene.watch.look().warning == ""
    scene.free = 15 * GIB - 1
    assert "15.0% free (15359 MiB), at least 15% wanted" in scene.watch.look().warning


def test_a_disk_that_will_be_full_within_the_wanted_days_is_warned_of() -> None:
    """operators.md row 10: a forecast of less than seven days, from the rate of the last day."""
    scene = Scene()
    looks = []
    for _ in range(25):
        looks.append(scene.watch.look())
        scene.clock.advance(HOUR)
        scene.free -= GIB // 2
    assert looks[0].full_in_seconds is None
    assert looks[-1].warning == "full in 3.2 days at the rate of the last day, at least 7 wanted"


def test_a_burst_is_no_forecast_and_yesterdays_rate_is_forgotten() -> None:
    scene = Scene()
    scene.watch.look()
    scene.clock.advance(60)
    scene.free -= 10 * GIB
    assert scene.watch.look().full_in_seconds is None
    for _ in range(26 * 6):
        scene.clock.advance(600)
        look = scene.watch.look()
    assert look.full_in_seconds is None


def test_writing_ends_at_the_floor_and_begins_again_clearly_above_it() -> None:
    scene = Scene()
    scene.free = GIB
    look = scene.watch.look()
    assert (look.below_floor, look.has_room) == (False, False)
    scene.free = GIB - 1
    assert scene.watch.look().below_floor
    scene.free = GIB + GIB // 5
    assert scene.watch.look().has_room


def test_without_a_floor_room_is_at_least_a_mebibyte() -> None:
    scene = Scene(floor_bytes=0)
    scene.free = 1000
    look = scene.watch.look()
    assert (look.below_floor, look.has_room) == (False, False)
