"""The testbed's pure parts: no engine, no cluster, no network."""
