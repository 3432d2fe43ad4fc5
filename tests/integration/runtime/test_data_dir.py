"""The data directory: private, locked, stamped."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.runtime.errors import StartupError

ME = Identity(subnet_id="0x07", role="validator", node_id="validator-1")


def refused(path: Path, identity: Identity = ME) -> tuple[str, str, str]:
    with pytest.raises(StartupError) as caught:
        DataDirectory.open(path, identity=identity)
    (problem,) = caught.value.problems
    return problem.code, problem.message, problem.fix


def test_a_directory_is_created_private_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "data" / "validator-1"
    with DataDirectory.open(path, identity=ME) as directory:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert directory.file("a.db") == path / "a.db"
        space = directory.disk_space()
        assert 0 < space.free_bytes <= space.total_bytes
        assert 0 < space.free_ratio <= 1
        directory.file("a.db").write_text("x")
    with DataDirectory.open(path, identity=ME) as directory:
        assert str(directory.identity) == "validator validator-1 of subnet 0x07"
    directory.close()


def test_the_same_directory_is_not_used_twice(tmp_path: Path) -> None:
    """operators.md row 5."""
    with DataDirectory.open(tmp_path / "d", identity=ME):
        code, message, _ = refused(tmp_path / "d")
        assert code == "SN-H010"
        assert f"in use by process {os.getpid()}" in message
    DataDirectory.open(tmp_path / "d", identity=ME).close()


def test_the_lock_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    """operators.md row 5: a crash needs no hand to remove a lock."""
    script = (
        "import sys, time; from pathlib import Path;"
        "from pinai_subnet.runtime.data_dir import DataDirectory, Identity;"
        "d = DataDirectory.open(Path(sys.argv[1]), identity=Identity("
        "subnet_id='0x07', role='validator', node_id='validator-1'));"
        "print('open', flush=True); time.sleep(60)"
    )
    path = tmp_path / "d"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    assert f"process {process.pid}" in refused(path)[1]
    process.kill()
    process.wait()
    process.stdout.close()
    DataDirectory.open(path, identity=ME).close()


@pytest.mark.parametrize(
    ("other", "seen"),
    [
        (Identity(subnet_id="0x08", role="validator", node_id="validator-1"), "0x07"),
        (Identity(subnet_id="0x07", role="matcher", node_id="validator-1"), "role validator"),
        (Identity(subnet_id="0x07", role="validator", node_id="validator-2"), "validator-1"),
    ],
)
def test_data_of_another_node_or_network_is_refused(
    tmp_path: Path, other: Identity, seen: str
) -> None:
    """operators.md rows 20 and 25."""
    DataDirectory.open(tmp_path / "d", identity=ME).close()
    code, message, _ = refused(tmp_path / "d", other)
    assert code == "SN-H004"
    assert seen in message
    DataDirectory.open(tmp_path / "d", identity=ME).close()


def test_a_directory_with_foreign_files_is_not_taken(tmp_path: Path) -> None:
    """operators.md row 25."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "photo.jpg").write_text("x")
    code, message, _ = refused(tmp_path / "d")
    assert code == "SN-H004"
    assert "photo.jpg" in message


def test_a_fresh_mount_point_is_taken(tmp_path: Path) -> None:
    (tmp_path / "d" / "lost+found").mkdir(parents=True)
    DataDirectory.open(tmp_path / "d", identity=ME).close()


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_a_damaged_stamp_is_refused(tmp_path: Path, text: str) -> None:
    """operators.md row 24."""
    DataDirectory.open(tmp_path / "d", identity=ME).close()
    (tmp_path / "d" / "identity.json").write_text(text)
    assert refused(tmp_path / "d")[0] == "SN-H006"


def test_a_directory_of_another_owner_says_how_to_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """operators.md row 11."""
    path = tmp_path / "d"
    path.mkdir()
    owner = path.stat()
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 1234)
    code, message, fix = refused(path)
    assert code == "SN-H003"
    assert f"is owned by {owner.st_uid}:{owner.st_gid}, this process runs as 1234:1234" in message
    assert fix == f"sudo chown -R 1234:1234 {path}"


def test_a_path_that_cannot_be_a_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """operators.md row 11."""
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file")[0] == "SN-H003"
    assert refused(tmp_path / "file" / "below")[0] == "SN-H003"
    (tmp_path / "ro").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "is not writable" in refused(tmp_path / "ro")[1]
