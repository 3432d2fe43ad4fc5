"""Logs: one JSON object per line, no key and no token in any of them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from pinai_subnet.runtime.logs import configure_logging, get_logger, redact_text

KEY = "0x" + "c4" * 32


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("matcher", environ={"LOG_LEVEL": "DEBUG"}, stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_has_time_level_process_and_fields(out: io.StringIO) -> None:
    get_logger(loop="expire").info("lease_expired", intent_id=KEY)
    (line,) = lines(out)
    assert line["event"] == "lease_expired"
    assert line["level"] == "info"
    assert line["process"] == "matcher"
    assert line["loop"] == "expire"
    assert line["intent_id"] == KEY
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "fields",
    [
        {"private_key": KEY},
        {"api_token": "t0k3n" + KEY},
        {"settings": {"signer": {"key": KEY}, "list": [{"password": KEY}]}},
        {"note": f"loaded PRIVATE_KEY={KEY}"},
        {"note": f"private key is {KEY[2:]}"},
        {"note": f"secret: '{KEY}'"},
        {"error": ValueError(f"bad key {KEY}")},
        {"header": f"Bearer {KEY}"},
        {"url": f"http://user:{KEY}@host/"},
        {"keys": [KEY]},
        {"body": json.dumps({"private_key": KEY})},
    ],
)
def test_keys_and_tokens_never_reach_a_line(out: io.StringIO, fields: dict) -> None:
    """operators.md row 37; K1 to K5."""
    get_logger().info("started", **fields)
    text = out.getvalue()
    assert KEY not in text
    assert KEY[2:] not in text
    assert "[redacted]" in text


def test_ids_and_public_keys_stay_readable() -> None:
    for text in (f"intent {KEY} settled", f"public_key={KEY}", f"validator pubkey: {KEY}"):
        assert redact_text(text) == text


def test_exception_text_is_redacted(out: io.StringIO) -> None:
    try:
        int(f"private key {KEY} refused")
    except ValueError as exc:
        get_logger().error("failed", exc_info=exc)
    (line,) = lines(out)
    assert "ValueError" in line["exception"]
    assert KEY not in out.getvalue()


def test_library_lines_have_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("odd request token=%s", KEY)
    (line,) = lines(out)
    assert line["process"] == "matcher"
    assert line["level"] == "warning"
    assert KEY not in out.getvalue()


def test_level_and_form_come_from_the_environment() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(
            "agent", environ={"LOG_LEVEL": "warning", "LOG_FORMAT": "console"}, stream=stream
        )
        get_logger().info("quiet")
        get_logger().warning("loud", count=2)
        logging.getLogger("uvicorn").info("quiet")
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
