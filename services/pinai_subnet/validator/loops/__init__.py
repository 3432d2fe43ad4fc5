"""The named background loops of a validator, one file per duty."""
