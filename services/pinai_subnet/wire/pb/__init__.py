"""Generated from `wire/protos` by `make proto`; never edited by hand."""
