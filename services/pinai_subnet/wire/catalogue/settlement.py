"""Catalogue entries of the area: settlement."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
