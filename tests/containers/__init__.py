"""Tests of what is shipped: binaries, image and containers on a real engine (`make test-containers`)."""
