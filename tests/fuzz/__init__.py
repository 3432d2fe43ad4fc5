"""Fuzzing of every place where foreign or damaged bytes come in. The tests are bounded; `make fuzz` is not."""
