"""The web console: pages that show operators their network. Reads from the members over HTTP; changes nothing."""
