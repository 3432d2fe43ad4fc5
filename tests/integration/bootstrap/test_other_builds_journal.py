"""A validator whose journal another build wrote says so and touches nothing."""

import zlib
from pathlib import Path

from tests.start_kit import Place, wait_for

from pinai_subnet.consensus.segment import HEADER_BYTES

_FORMAT_AT = 8


def test_journal_of_another_format_is_refused_untouched(tmp_path: Path) -> None:
    """Operators rows 27 and 28: the code, exit 78, one line that says what to do, and the data as it was."""
    place = Place(tmp_path / "home")
    log = place.home.data / "validator-1" / "log"
    with place.running("validator-1"):
        wait_for("the journal", lambda: any(log.glob("*.seg")))
    (segment,) = log.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[_FORMAT_AT : _FORMAT_AT + 4] = (9).to_bytes(4, "little")
    data[HEADER_BYTES - 4 : HEADER_BYTES] = zlib.crc32(data[: HEADER_BYTES - 4]).to_bytes(
        4, "little"
    )
    segment.write_bytes(data)
    said = place.refuse("validator-1", "SN-R016").problem("SN-R016")
    assert "has format 9; this build reads 1" in said.message
    assert "subnetctl explain SN-R016" in said.fix
