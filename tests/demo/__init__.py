"""`make demo`: Headgate from nothing to a real web server's log in a real Kafka, shown step by step.

Each step does with kubectl, helm and HTTP what a user would do, and says so. Nothing here is a test double; the
comparison at the end is exact, and the program fails loudly where a line is missing, doubled or not expected.
"""
