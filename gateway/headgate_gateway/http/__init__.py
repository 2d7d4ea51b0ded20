"""HTTP in front of the pipeline: a strict parser without sockets, connections, admission, answers.

Never talks to Kafka itself (it knows a producer by the Protocol in `ports`) and never reads config files.
"""
