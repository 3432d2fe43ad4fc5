"""The RootLayer over its protocols: adapters of `ports.root_layer`."""
