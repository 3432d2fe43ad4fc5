"""Generated from `wire/protos/rootlayer` by `make proto`."""
