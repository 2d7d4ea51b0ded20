"""Gather the world of one fleet, decide by pure functions, apply what differs: one fleet at a time, level-triggered.

Knows the outside only through `headgate_operator.ports`; handlers feed its store, the composition root drives it.
"""
