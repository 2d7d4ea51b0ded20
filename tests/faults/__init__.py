"""Tests that try to break the promise of a 200: real gateways and a real Kafka, faults by seed, and an oracle."""
