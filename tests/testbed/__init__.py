"""A real Kubernetes cluster (kind), a real Envoy and a real Kafka, the same way everywhere.

Owns everything that tests and the demo stand on and that is not Headgate itself: the Docker engine
where none answers, images (pulled, or built from package registries), the cluster and the brokers.
Never imports Headgate. Called by `python -m tests.testbed`, the pytest fixtures and the demo.
"""
