"""The operator: turns EventRepos, KafkaProducerProfiles and GatewayFleets into serving gateways."""

__version__ = "0.1.0"
