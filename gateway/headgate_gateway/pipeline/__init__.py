"""From bytes of a request to records for Kafka, compiled once per repo from its config.

Pure: no I/O, no clock, no event loop; time is an argument. One step a file.
"""
