"""`headgate spool`: looks into a spool's directory, and delivers it, without a gateway. Runs the gateway's own code.

Only these modules and `tryout` of the operator import the gateway beside its contract (ARCHITECTURE.md, Decisions).
"""
