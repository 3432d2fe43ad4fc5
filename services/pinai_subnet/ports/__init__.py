"""What the processes need from the world, in our words: one file, one small Protocol. No technology lives here."""
