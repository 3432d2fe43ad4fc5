"""Messages to values and back: strict on the way in, plain on the way out. No rule of the network lives here."""
