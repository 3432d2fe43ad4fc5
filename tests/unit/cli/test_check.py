"""`subnetctl check` and `doctor` without a network: all problems in one pass, what is safe put right and taken back."""

import json
import socket
import stat
from pathlib import Path

import pytest
from tests.start_kit import Place

from pinai_subnet.cli.check import all_checks
from pinai_subnet.cli.main import main
from pinai_subnet.cli.mending import JOURNAL, wanted_mends
from pinai_subnet.cli.network_checks import root_layer_check
from pinai_subnet.cli.port_holder import holder_of
from pinai_subnet.insight.checks import Verdict

CONFIGURATION = 78


def run(place: Place, *words: str) -> int:
    return main([*words, "--home", str(place.home.root)])


def test_a_new_home_passes_everything_local_and_skips_peers(tmp_path: Path) -> None:
    place = Place(tmp_path / "home")
    found = all_checks(place.home)
    assert [check for check in found if check.verdict is Verdict.FAIL] == []
    waiting = {check.test for check in found if check.measured == "not started"}
    assert waiting == {"rootlayer", "validators"}


def test_every_problem_is_told_in_one_pass_and_no_network_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path / "home")
    place.set(VALIDATOR_KEY_1="x", THRESHOLD_NUM="9")
    place.edit("registry.yaml", "sweep_seconds:", "sweep_second:")
    assert run(place, "check", "--json") == CONFIGURATION
    told = json.loads(capsys.readouterr().out)
    codes = {check["code"] for check in told["checks"] if check["verdict"] == "FAIL"}
    assert {"SN-C004", "SN-C120", "SN-K002"} <= codes
    assert told["ok"] is False
    assert told["score"] in "CDF"
    assert told["checks"][-1]["verdict"] == "Skip"
    assert not any(check["category"] == "chain" for check in told["checks"])
    (report,) = place.home.logs.glob("check-*.json")
    assert json.loads(report.read_text())["score"] == told["score"]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


def test_a_taken_port_names_who_has_it(tmp_path: Path) -> None:
    """Operators row 7."""
    place = Place(tmp_path / "home")
    port = int(place.environment["VALIDATOR_1_HTTP"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        assert "pid " in holder_of(port)
        found = [check for check in all_checks(place.home) if check.code == "SN-H001"]
    assert [check.test for check in found] == [f"port {port}"]
    assert ", by pid " in found[0].measured
    assert holder_of(port) == ""


def test_doctor_fixes_modes_directories_and_notes_and_takes_them_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Operators row 12: an open .env is refused, mended on request, and the journal undoes it."""
    place = Place(tmp_path / "home")
    home = place.home
    secret = place.environment["VALIDATOR_KEY_1"]
    home.env_file.chmod(0o644)
    note = home.run / "validator-1.json"
    note.write_text('{"name": "validator-1", "pid": 1, "started": 1}')
    home.logs.rmdir()
    assert {mend.kind for mend in wanted_mends(home)} == {"mode", "directory", "stale"}
    assert run(place, "doctor") == CONFIGURATION
    said = capsys.readouterr()
    assert "SN-C011" in said.out
    assert secret not in said.out + said.err
    assert home.env_file.stat().st_mode & 0o077, "without --fix nothing changes"

    run(place, "doctor", "--fix")
    assert stat.S_IMODE(home.env_file.stat().st_mode) == 0o600
    assert home.logs.is_dir()
    assert not note.exists()
    assert wanted_mends(home) == []

    for report in home.logs.iterdir():
        report.unlink()
    run(place, "doctor", "--undo", "--report", str(tmp_path / "report.json"))
    assert stat.S_IMODE(home.env_file.stat().st_mode) == 0o644
    assert not home.logs.exists()
    assert json.loads(note.read_text())["pid"] == 1
    assert not (home.root / JOURNAL).exists()
    home.env_file.chmod(0o600)
    capsys.readouterr()
    assert run(place, "doctor", "--undo") == CONFIGURATION
    assert "SN-H068" in capsys.readouterr().err


def test_without_a_home_there_is_nothing_to_check(tmp_path: Path) -> None:
    assert main(["check", "--home", str(tmp_path / "none")]) == CONFIGURATION


def test_a_root_layer_that_is_away_or_slow_is_told_with_a_code_and_what_to_do() -> None:
    """Operators row 31."""
    away = root_layer_check("127.0.0.1:9001", None, 0.0, failure="ConnectError")
    assert (away.verdict, away.code) == (Verdict.FAIL, "SN-N401")
    assert away.measured == "127.0.0.1:9001 does not answer: ConnectError"
    assert "ROOTLAYER_HTTP" in away.suggestion
    slow = root_layer_check("127.0.0.1:9001", 200, 2.5)
    assert (slow.verdict, slow.code) == (Verdict.WARN, "SN-N427")
    assert slow.measured == "HTTP 200 after 2500 ms"
    limited = root_layer_check("127.0.0.1:9001", 429, 0.01)
    assert (limited.verdict, limited.code) == (Verdict.WARN, "SN-N427")
    assert "limits" in limited.suggestion
    assert root_layer_check("127.0.0.1:9001", 200, 0.01).verdict is Verdict.GOOD


@pytest.mark.parametrize(("profiles", "code"), [("dev", ""), ("", "SN-N401")])
def test_in_containers_ports_are_the_engines_and_only_a_root_layer_of_its_own_may_be_away(
    tmp_path: Path, profiles: str, code: str
) -> None:
    place = Place(tmp_path / "home")
    (place.home.root / "docker").mkdir()
    (place.home.root / "docker" / "docker-compose.yml").write_text("services: {}\n")
    if place.home.run.is_dir():
        place.home.run.rmdir()
    place.set(COMPOSE_PROFILES=profiles)
    port = int(place.environment["VALIDATOR_1_HTTP"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        found = {check.test: check for check in all_checks(place.home)}
    assert found["ports"].verdict is Verdict.SKIP
    assert found["rootlayer"].code == code
    failed = [check.test for check in found.values() if check.verdict is Verdict.FAIL]
    assert failed == (["rootlayer"] if code else [])
