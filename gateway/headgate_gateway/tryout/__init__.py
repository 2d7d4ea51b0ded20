"""Trying a repo out before it is shipped: its cases run, or served on localhost, by the gateway's own parts.

The `headgate` command calls it with entries as the operator writes them. Nothing here runs in a gateway's pod.
"""
