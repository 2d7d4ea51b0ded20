"""The Docker engine: the one that answers, or one of our own on Debian as root."""
