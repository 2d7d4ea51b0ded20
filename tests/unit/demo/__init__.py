"""The demo's judgement: what it must not let pass."""
