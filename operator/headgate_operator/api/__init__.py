"""The three resources as types, their constants, and the generator of their CRDs.

Pure: no I/O, no clock. Everything else in the operator imports from here; this package imports only the contract
(`headgate_gateway.config`), whose types the resources embed.
"""
