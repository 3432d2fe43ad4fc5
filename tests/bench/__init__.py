"""The benchmark behind `make bench`: measures speed and memory beside measured ceilings. Asserts nothing about time."""
