"""What RootLayer keeps in SQLite: the schema and the statements, one module per table group. No rule lives here."""
