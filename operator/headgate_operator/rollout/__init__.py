"""State machines of changes on their way to serving. Pure: a step takes state and observation, and does nothing."""
