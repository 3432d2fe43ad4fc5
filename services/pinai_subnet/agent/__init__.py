"""Does the work: the client library for agent authors and the simple agent."""
