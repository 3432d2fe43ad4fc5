"""Breaks real processes at random times under load and proves afterwards that nothing was lost."""
