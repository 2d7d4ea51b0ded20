"""The chart without a cluster: its schema, its lint, what it renders. Needs the testbed's helm, and nothing else."""
