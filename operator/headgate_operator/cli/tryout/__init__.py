"""`headgate test` and `headgate dev`: from files to repos as gateways are given them, and to what was seen of them.

The one place of the operator that calls the gateway's own code, by way of `headgate_gateway.tryout`.
"""
