"""The `headgate` command: what the operator would do, and what is wrong, from files and without a cluster."""
