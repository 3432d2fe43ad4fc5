"""A support bundle is closed unless proven harmless: what is taken, what is masked, what makes it be deleted."""

import base64
import json
import tarfile
from pathlib import Path

import pytest

from pinai_subnet.cli.bundle import MAX_PART_BYTES, Bundle, of_member
from pinai_subnet.cli.evidence import only_known
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.known_secrets import KnownSecrets, known_secrets
from pinai_subnet.ports.errors import Refused
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.secret_names import MASK

KEY = bytes(range(7, 39)).hex()
WORD = "correct horse/battery"
SECRETS = KnownSecrets({"A_KEY in .env": KEY, "A_WORD in .env": WORD})
FORMS = [
    KEY,
    KEY.upper(),
    f"0x{KEY}",
    str(int(KEY, 16)),
    base64.b64encode(bytes.fromhex(KEY)).decode(),
    base64.urlsafe_b64encode(bytes.fromhex(KEY)).decode().rstrip("="),
    base64.b64encode(WORD.encode()).decode(),
    WORD,
    "correct%20horse%2Fbattery",
]


def read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found = {one.name: archive.extractfile(one) for one in archive}
        return {name: file.read().decode() for name, file in found.items() if file}


@pytest.mark.parametrize("form", FORMS)
def test_a_known_secret_is_masked_in_every_form(form: str, tmp_path: Path) -> None:
    bundle = Bundle(SECRETS)
    bundle.add_text("members/validator-1/log.txt", f"before {form} after\n")
    bundle.add_json("status.json", {"about": f'quoted "{form}"', form: 1})
    bundle.note(f"nothing of {form}")
    bundle.write(tmp_path / "bundle.tar.gz")
    parts = read(tmp_path / "bundle.tar.gz")
    assert len(parts) == 3
    assert all(form.rstrip("=") not in text for text in parts.values())
    assert MASK in parts["support/members/validator-1/log.txt"]


def test_what_stands_under_the_name_of_a_secret_is_masked_whatever_it_is() -> None:
    bundle = Bundle(KnownSecrets({}))
    document = {"api_token": None, "passwords": ["x", 3], "key_file": "a/b", "public_key": "02ab"}
    bundle.add_json("status.json", document)
    assert json.loads(bundle.parts["status.json"]) == {
        "api_token": MASK,
        "passwords": MASK,
        "key_file": "a/b",
        "public_key": "02ab",
    }


def test_a_secret_nobody_knows_is_masked_beside_a_word_that_says_so() -> None:
    bundle = Bundle(KnownSecrets({}))
    bundle.add_text(
        "members/matcher/log.txt", f"private key {KEY}, password=hunter22, digest {KEY}"
    )
    assert (
        bundle.parts["members/matcher/log.txt"].decode()
        == f"private key {MASK}, password={MASK}, digest {KEY}"
    )


@pytest.mark.parametrize(
    "leak", [KEY, f"0x{KEY.upper()}", WORD, f"token={'q' * 20}", f"secret: {'ab' * 32}"]
)
def test_a_bundle_that_is_not_harmless_is_deleted(
    leak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the masking may miss: the finished file is searched, and nothing of it stays, nor shows in the error."""
    monkeypatch.setattr(Bundle, "_harmless", lambda _, text: text)
    bundle = Bundle(SECRETS)
    bundle.add_text("members/validator-1/log.txt", f"oops {leak}\n")
    with pytest.raises(Refused) as caught:
        bundle.write(tmp_path / "bundle.tar.gz")
    assert caught.value.code == "SN-H090"
    assert leak not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_raw_bytes_of_a_key_are_noticed() -> None:
    assert SECRETS.found_in(b"\0\1" + bytes.fromhex(KEY) + b"\2") == ["A_KEY in .env"]
    assert SECRETS.found_in(bytes.fromhex(KEY)[:-1]) == []


@pytest.mark.parametrize("name", ["../etc/passwd", ".env", "members/../x/log.txt", "data/log", ""])
def test_only_listed_parts_are_taken(name: str) -> None:
    with pytest.raises(ValueError, match="no part"):
        Bundle(SECRETS).add_text(name, "x")


def test_a_strange_id_stays_one_directory() -> None:
    bundle = Bundle(SECRETS)
    bundle.add_text(of_member("../../etc", "log.txt"), "x")
    assert list(bundle.parts) == ["members/______etc/log.txt"]


def test_of_a_text_that_is_too_long_the_end_is_taken(tmp_path: Path) -> None:
    bundle = Bundle(SECRETS)
    bundle.add_text("members/matcher/log.txt", "line\n" * MAX_PART_BYTES)
    data = bundle.parts["members/matcher/log.txt"]
    assert len(data) <= MAX_PART_BYTES
    assert data.startswith(b"line\n")
    assert "members/matcher/log.txt" in bundle.notices[0]


def test_a_bundle_is_private_and_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    Bundle(SECRETS).write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StartupError, match="SN-H092"):
        Bundle(SECRETS).write(path)
    assert list(tmp_path.iterdir()) == [path]


def home(root: Path, env: str, **files: str) -> Home:
    made = Home(root)
    made.config.mkdir()
    made.env_file.write_text(env, encoding="utf-8")
    made.env_file.chmod(0o600)
    for name, text in files.items():
        (made.config / f"{name}.yaml").write_text(text, encoding="utf-8")
    return made


def test_secrets_are_known_from_every_place_where_they_live(tmp_path: Path) -> None:
    """`.env`, the environment, key files, and configuration by the names it uses."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ca.key").write_text("-----BEGIN\nline-of-a-key\n-----END\n")
    (tmp_path / "named").write_text(KEY + "\n")
    (tmp_path / "other").write_text("key-from-yaml\n")
    (tmp_path / ".env.bak").write_text("export OLD_TOKEN='of-a-former-file'\n# TOKEN=x\n")
    made = home(
        tmp_path,
        f"VALIDATOR_KEY_1={KEY}\nDB=postgres://me:pw@host/db\nVALIDATOR_1_HTTP=127.0.0.1:9095\n"
        "LOG_LEVEL=DEBUG\nBACKUP_KEY_FILE=named\nSUBNET_ID=0xabcdef0123456789\n",
        matcher="api_token: ${TOKEN:-from-default}\ntokens: [first-of-two, second-of-two]\n"
        "backup: {key_file: other}\nhost: plain-text\n",
        agent="broken: [\npassword: in-a-broken-file\n",
    )
    known = known_secrets(made, {"CLOUD_SECRET": "of-the-shell", "EDITOR": "some-editor"})
    assert set(known.values.values()) == {
        KEY,
        "postgres://me:pw@host/db",
        "line-of-a-key",
        "key-from-yaml",
        "from-default",
        "first-of-two",
        "second-of-two",
        "in-a-broken-file",
        "of-the-shell",
        "of-a-former-file",
    }


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 2_000_000])
def test_nothing_leaves_where_a_key_file_cannot_be_read(content: bytes, tmp_path: Path) -> None:
    """What is not known cannot be looked for."""
    made = home(tmp_path, "")
    (tmp_path / "matcher.key").write_bytes(content)
    with pytest.raises(StartupError, match="SN-H091"):
        known_secrets(made, {})


def test_configuration_is_shown_only_where_the_shipped_file_has_the_key() -> None:
    shown = {"listen": {"host": "a", "extra": "b"}, "ids": ["x"], "mine": {"deep": 1}}
    template = {"listen": {"host": "${HOST}"}, "ids": ["y"]}
    assert only_known(shown, template) == {
        "listen": {"host": "a", "extra": MASK},
        "ids": ["x"],
        "mine": MASK,
    }
