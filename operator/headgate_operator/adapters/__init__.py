"""The outside world: API server, gateways' admin ports, the lease, the metrics port. Decides nothing about fleets.

Used by reconcile through `headgate_operator.ports`, and built by the composition root alone.
"""
