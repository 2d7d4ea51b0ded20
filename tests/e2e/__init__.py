"""The whole of Headgate on real parts: the chart, both images, two nodes, Envoy, Kafka.

The modules beside the tests (api, release, images, records, traffic) are what the tests and the demo share; they speak
to the cluster as a user would, and import nothing of the operator or the gateway but names.
"""
