"""The admin port: metrics, health, status; and how logs are written. Never routed, never on the traffic port."""
