"""Unmodified agents against real processes: look-alikes of the published SDKs drive our servers."""
