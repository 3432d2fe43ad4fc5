"""Settings: what an operator may write, and what is said about everything else."""

import stat
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, SecretStr, model_validator

from pinai_subnet.runtime.errors import EXIT_CONFIG, StartupError
from pinai_subnet.runtime.expansion import expand
from pinai_subnet.runtime.settings import (
    Settings,
    SettingsLoader,
    load_settings,
    render,
    show,
)

KEY = "ab" * 32


class Window(Settings):
    seconds: float = Field(default=2.0, gt=0)
    early_close: bool = True


class Peer(Settings):
    host: str
    port: int = Field(ge=1, le=65535)


class Matcher(Settings):
    name: str = "matcher"
    bid_window_seconds: float = 2.0
    port: int = 8093
    policy: Literal["require", "accept", "off"] = "accept"
    private_key: SecretStr | None = None
    subnet_id: str | None = None
    windows: dict[str, Window] = Field(default_factory=dict)
    peers: list[Peer] = Field(default_factory=list)
    api_token: str = ""


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str, name: str = "matcher.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


def problems(path: Path, environ: dict[str, str] | None = None, model: type[Settings] = Matcher):
    with pytest.raises(StartupError) as caught:
        load_settings(model, path, environ=environ or {})
    assert caught.value.exit_code == EXIT_CONFIG
    return caught.value.problems


def only(path: Path, environ: dict[str, str] | None = None, model: type[Settings] = Matcher):
    (problem,) = problems(path, environ, model)
    return problem


def test_an_unknown_key_names_file_line_and_the_nearest_key(write) -> None:
    """operators.md row 14."""
    path = write("name: m\n\nbid_window_second: 3\n")
    problem = only(path)
    assert problem.code == "SN-C004"
    assert problem.where == f"{path}:3 bid_window_second"
    assert "bid_window_second: unknown key; did you mean bid_window_seconds?" in problem.message
    assert problem.fix == "rename it to bid_window_seconds"


def test_an_unknown_nested_key_is_compared_with_the_keys_of_its_own_level(write) -> None:
    """operators.md row 14."""
    problem = only(write("windows:\n  echo:\n    early_closed: true\n"))
    assert "windows.echo.early_closed: unknown key; did you mean early_close?" in problem.message
    problem = only(write("peers:\n  - host: a\n    port: 1\n    zzz: 1\n"))
    assert problem.message == "peers[0].zzz: unknown key"
    assert problem.where is not None
    assert ":4 " in problem.where
    assert problem.fix == "remove it; known keys here: host, port"


def test_a_wrong_type_shows_the_value_and_what_is_expected(write) -> None:
    """operators.md row 14."""
    problem = only(write("port: many\n"))
    assert problem.code == "SN-C005"
    assert problem.message.startswith("port: got 'many'; expected a valid integer")


def test_a_number_with_a_unit_is_explained(write) -> None:
    """operators.md row 14: wrong unit."""
    problem = only(write("bid_window_seconds: 500ms\n"))
    assert (
        problem.message
        == "bid_window_seconds: got '500ms'; expected a plain number of seconds, without a unit"
    )


def test_a_missing_key_points_at_its_parent(write) -> None:
    problem = only(write("name: x\npeers:\n  - host: a\n"))
    assert problem.code == "SN-C006"
    assert problem.message == "peers[0].port: required key is missing"
    assert problem.where is not None
    assert ":3 peers[0]" in problem.where


def test_every_unresolved_variable_is_reported_at_once_with_its_line(write) -> None:
    """operators.md rows 1 and 15."""
    path = write('name: ${A}\nport: ${B:?the matcher port}\nsubnet_id: "x-${C}-${D}"\n')
    found = problems(path, {"D": ""})
    assert [p.code for p in found] == ["SN-C001"] * 4
    assert [p.message for p in found] == [
        "A is not set",
        "B is not set: the matcher port",
        "C is not set",
        "D is empty",
    ]
    assert [p.where for p in found] == [
        f"{path}:1 name",
        f"{path}:2 port",
        f"{path}:3 subnet_id",
        f"{path}:3 subnet_id",
    ]


def test_an_empty_variable_says_where_it_was_set(write) -> None:
    """operators.md row 1: `VALIDATOR_KEY_2 is empty (.env:14)`."""
    loader = SettingsLoader({"VALIDATOR_KEY_2": ""}, origins={"VALIDATOR_KEY_2": ".env:14"})
    loader.load(Matcher, write("private_key: ${VALIDATOR_KEY_2}\n"))
    assert [p.message for p in loader.problems] == ["VALIDATOR_KEY_2 is empty (.env:14)"]


def test_a_missing_variable_causes_no_second_complaint_about_its_value(write) -> None:
    assert [p.code for p in problems(write("port: ${P}\nname: 5\n"))] == ["SN-C001", "SN-C005"]


def test_variables_defaults_and_dollar_signs(write) -> None:
    path = write(
        'port: ${PORT}\nname: "${N:-none}-$$x-$y"\napi_token: ${T:-}\nbid_window_seconds: ${S:-3}\n'
    )
    value = load_settings(Matcher, path, environ={"PORT": "9000"})
    assert (value.port, value.name, value.api_token) == (9000, "none-$x-$y", "")
    assert value.bid_window_seconds == 3.0


def test_a_variable_can_never_change_the_structure(write) -> None:
    value = load_settings(
        Matcher, write("name: ${N}\n"), environ={"N": "x\nport: 1\n${OTHER} # {a: b}"}
    )
    assert value.name == "x\nport: 1\n${OTHER} # {a: b}"
    assert value.port == 8093


@pytest.mark.parametrize("form", ["${", "${A", "${1A}", "${A:-${B}}", "${A-b}", "${A:+b}", "${}"])
def test_a_malformed_variable_is_a_problem(write, form: str) -> None:
    """operators.md row 15."""
    assert {p.code for p in problems(write(f'name: "{form}"\n'), {"A": "a", "B": "b"})} == {
        "SN-C012"
    }


@settings(max_examples=200)
@given(st.text(), st.text(min_size=1))
def test_a_value_is_never_expanded_again(before: str, value: str) -> None:
    text = before.replace("$", "") + "${V}"
    assert expand(text, {"V": value}).text == before.replace("$", "") + value


@settings(max_examples=200)
@given(st.text(alphabet="${}:-?AB\n ", max_size=30))
def test_expansion_never_raises(text: str) -> None:
    result = expand(text, {"A": "1"})
    if not result.malformed:
        assert "${" not in result.text or "$$" in text


def test_a_key_given_twice_is_fatal_with_both_lines(write) -> None:
    problem = only(write("port: 1\nname: a\nport: 2\n"))
    assert problem.code == "SN-C003"
    assert "lines 1 and 3" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "a: [1\n",
        "name: !!python/object/apply:os.system ['true']\n",
        "name: !x y\n",
        "windows: &a {echo: {seconds: 1}}\n",
        "name: &a x\nsubnet_id: *a\n",
        "- 1\n",
        "name\n",
        "? [a]\n: 1\n",
        "name: 'a\n",
        "a: 1\n---\nb: 2\n",
        "name: \x07\n",
    ],
)
def test_what_is_not_plain_yaml_is_a_coded_problem(write, text: str) -> None:
    assert {p.code for p in problems(write(text))} == {"SN-C002"}


def test_bytes_that_are_not_text_are_a_coded_problem(tmp_path: Path) -> None:
    path = tmp_path / "matcher.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    assert only(path).code == "SN-C002"


def test_unquoted_words_keep_their_text(write) -> None:
    """`off` stays a policy word and an id with 0x stays an id; older YAML makes a boolean and a number of them."""
    subnet = "0x" + "0" * 63 + "7"
    value = load_settings(
        Matcher, write(f"policy: off\nsubnet_id: {subnet}\nname: 1:30\n"), environ={}
    )
    assert (value.policy, value.subnet_id, value.name) == ("off", subnet, "1:30")


def test_an_empty_file_gives_the_defaults_and_values_are_frozen(write) -> None:
    value = load_settings(Matcher, write("# nothing\n"), environ={})
    assert value == Matcher()
    with pytest.raises(ValueError, match="frozen"):
        value.port = 1


def test_a_file_that_does_not_exist_is_a_problem_unless_optional(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert only(path).code == "SN-C008"
    assert SettingsLoader({}).load(Matcher, path, optional=True).value == Matcher()


@pytest.mark.parametrize(
    "line",
    [
        f"private_key: {KEY}",
        f"private_key: '0x{KEY}'",
        f"private_key: ${{K:-{KEY}}}",
        "private_key: hunter2",
        f"api_token: 0x{KEY}",
    ],
)
def test_a_secret_written_in_yaml_is_refused_and_not_shown(write, line: str) -> None:
    """K1 to K5: no key in configuration files, none in messages."""
    found = problems(write(line + "\n"), {})
    assert [p.code for p in found] == ["SN-C007"]
    assert KEY not in str(found[0])
    assert "hunter2" not in str(found[0])


def test_a_wrong_secret_value_is_never_shown(write) -> None:
    class Keyed(Settings):
        port: int = 1
        signing_key: int = 0

    environ = {"MY_SECRET": "s3cr3t-value"}
    for line in ("signing_key: ${MY_SECRET}", "port: ${MY_SECRET}"):
        problem = only(write(line + "\n"), environ, Keyed)
        assert "s3cr3t-value" not in str(problem)
        assert "got [redacted]" in problem.message


def test_a_secret_from_a_variable_is_loaded(write) -> None:
    value = load_settings(Matcher, write("private_key: ${K}\n"), environ={"K": KEY})
    assert value.private_key is not None
    assert value.private_key.get_secret_value() == KEY
    assert KEY not in repr(value)


def test_problems_of_several_files_are_raised_together(write) -> None:
    """Rule 1 of operators.md: everything is checked, everything is reported at once."""
    loader = SettingsLoader({})
    first = loader.load(Matcher, write("prot: 1\n", "a.yaml"))
    second = loader.load(Matcher, write("name: ${X}\n", "b.yaml"))
    third = loader.load(Matcher, write("port: 5\n", "c.yaml"))
    loader.report("SN-C005", "two ports are equal", where=third.where("port"), fix="change one")
    with loader.collecting():
        load_settings(Matcher, write("port: x\n", "d.yaml"), environ={})
    assert (first.ok, second.ok, third.ok) == (False, False, True)
    assert third.value.port == 5
    with pytest.raises(StartupError) as caught:
        loader.finish()
    assert [p.code for p in caught.value.problems] == ["SN-C004", "SN-C001", "SN-C005", "SN-C005"]
    assert caught.value.problems[2].where == f"{write('port: 5', 'c.yaml')}:1 port"
    with pytest.raises(StartupError):
        _ = first.value
    report = caught.value.report()
    assert report.count("\n\n") == 3
    assert report.count("  fix:   ") == 4


def test_a_check_across_fields_is_reported_with_its_own_words(write) -> None:
    """operators.md row 22: an impossible threshold."""

    class Quorum(Settings):
        validators: int
        threshold: int

        @model_validator(mode="after")
        def _possible(self) -> "Quorum":
            if self.threshold > self.validators:
                raise ValueError(f"threshold {self.threshold} of {self.validators} is impossible")
            return self

    class File(Settings):
        quorum: Quorum

    problem = only(write("quorum:\n  validators: 3\n  threshold: 4\n"), {}, File)
    assert problem.code == "SN-C005"
    assert problem.message == "quorum: threshold 4 of 3 is impossible"


def test_show_masks_secrets_and_render_leaves_them_variables_in_a_private_file(
    write, tmp_path: Path
) -> None:
    path = write(
        "private_key: ${K}\nname: a$$b ${N}\nport: ${P}\napi_token: ${T}\nsubnet_id: 0x01\n"
        "policy: off\n"
    )
    environ = {"K": KEY, "N": "${not again}", "P": "7", "T": "tok-1"}
    shown = show(path, environ=environ, model=Matcher)
    assert KEY not in shown
    assert "tok-1" not in shown
    assert yaml.safe_load(shown)["private_key"] == "[redacted]"
    out = tmp_path / "rendered.yaml"
    render(path, out, environ=environ)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rendered = yaml.safe_load(out.read_text())
    assert rendered["name"] == "a$$b $${not again}"
    assert rendered["port"] == "7"
    assert not list(tmp_path.glob("*.partial"))
    # Secrets stay variables, so that the file can be loaded again and holds nothing to steal.
    assert rendered["private_key"] == "${K}"
    assert KEY not in out.read_text()
    assert "tok-1" not in out.read_text()
