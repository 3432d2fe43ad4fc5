"""Generated from `wire/protos/subnet` by `make proto`."""
