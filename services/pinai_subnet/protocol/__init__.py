"""What the network agrees on: values and rules only. No I/O, no clock, no randomness, no framework."""
