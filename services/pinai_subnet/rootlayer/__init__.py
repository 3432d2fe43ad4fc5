"""A RootLayer for development: intent pool, assignments and settlement with every check switched on."""
