"""Live pages: everybody is owed the newest state, nobody's slowness costs anything, and there is a limit."""

import asyncio

import pytest

from pinai_subnet.console.streams import Streams, encoded
from pinai_subnet.protocol.errors import NotReady


async def test_a_reader_gets_the_newest_event_of_its_topics_and_skips_what_it_missed() -> None:
    streams = Streams(limit=3)
    streams.publish({"strip": "one", "other": "x"})
    reader = streams.read("strip")
    chunks = reader.chunks()
    assert (await anext(chunks)).startswith(b"retry: ")
    assert await anext(chunks) == b"event: strip\ndata: one\n\n"
    for text in ("two", "three"):
        streams.publish({"strip": text})
    assert await anext(chunks) == b"event: strip\ndata: three\n\n"
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    streams.publish({"other": "y"})
    await asyncio.sleep(0.01)
    assert not waiting.done()
    streams.publish({"strip": "four"})
    assert await waiting == b"event: strip\ndata: four\n\n"
    await chunks.aclose()
    reader.close()


async def test_beyond_the_limit_a_reader_is_refused_with_a_code_until_another_leaves() -> None:
    streams = Streams(limit=2)
    readers = [streams.read("strip") for _ in range(2)]
    with pytest.raises(NotReady, match="SN-N124"):
        streams.read("strip")
    readers[0].close()
    readers[0].close()
    assert streams.open == 1
    streams.read("strip")


async def test_a_quiet_stream_beats_so_that_who_is_gone_is_found() -> None:
    streams = Streams(limit=1, beat_seconds=0.01)
    chunks = streams.read("strip").chunks()
    await anext(chunks)
    assert await anext(chunks) == b": beat\n\n"
    await chunks.aclose()


async def test_all_streams_end_when_the_process_stops() -> None:
    streams = Streams(limit=2)
    chunks = [streams.read("strip").chunks() for _ in range(2)]
    for chunk in chunks:
        await anext(chunk)
    ends = [asyncio.ensure_future(anext(chunk, b"ended")) for chunk in chunks]
    await asyncio.sleep(0)
    streams.close()
    assert await asyncio.gather(*ends) == [b"ended", b"ended"]
    with pytest.raises(NotReady):
        streams.read("strip")


def test_lines_of_the_data_stay_inside_the_event() -> None:
    """What comes from outside cannot end the event and begin another one."""
    assert encoded("strip", "a\n\nevent: evil\rb") == (
        b"event: strip\ndata: a\ndata: \ndata: event: evil\ndata: b\n\n"
    )
