"""Conditions, reasons and printer data of the three resources, from verdicts and observations. Pure: no I/O, no clock."""
