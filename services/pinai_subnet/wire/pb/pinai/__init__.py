"""Generated from `wire/protos/pinai` by `make proto`."""
