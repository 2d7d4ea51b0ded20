"""Reasons: the documented words that `Accepted` conditions, Events and the command line give. Changing one breaks somebody.

Each is explained where it is declared; docs/reasons.md says the same to users.
"""

ACCEPTED = "Accepted"
"""The spec is usable."""

INVALID_SPEC = "InvalidSpec"
"""The spec breaks a rule that the API server could not check, such as a regular expression that does not compile."""

# Of an EventRepo.
FLEET_NOT_FOUND = "FleetNotFound"
"""No GatewayFleet has the name that fleetRef gives (or there is no default fleet)."""
FLEET_NOT_ACCEPTED = "FleetNotAccepted"
"""The fleet is there, but its spec or a template is not usable; the message repeats why. What is served stays served."""
NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
"""The fleet's allowedRepos does not take repos of this namespace."""
PROFILE_NOT_FOUND = "ProfileNotFound"
"""The fleet's namespace has no KafkaProducerProfile of that name."""
PROFILE_NOT_ACCEPTED = "ProfileNotAccepted"
"""The KafkaProducerProfile is there, but not usable; the message repeats why."""
NAMESPACE_NOT_ALLOWED_BY_PROFILE = "NamespaceNotAllowedByProfile"
"""The profile's allowedNamespaces does not name the repo's namespace."""
TOPIC_NOT_ALLOWED = "TopicNotAllowed"
"""The profile's allowedTopics does not cover the topic."""
ACKS_NONE_WITH_SYNC = "AcksNoneWithSync"
"""Sync delivery promises what a profile with acks: none cannot know."""
ACKS_NONE_WITH_SPOOL = "AcksNoneWithSpool"
"""A spool forgets what Kafka has acknowledged, which a profile with acks: none cannot know."""
SPOOL_NOT_ENABLED = "SpoolNotEnabled"
"""onFailure: Spool in a fleet whose gateways have no spool."""
BODY_LIMIT_TOO_LARGE = "BodyLimitTooLarge"
"""A body of the largest size would never fit in the memory that the fleet or the profile allows."""
CONFLICT = "Conflict"
"""Another repo of the fleet holds the name or a path; the message names it."""
GATEWAY_TOO_OLD = "GatewayTooOld"
"""The fleet's image is too old for a field of the spec; of a fleet: for this operator."""
SHARD_FULL = "ShardFull"
"""The ConfigMap that carries the repo's config has no room left."""
CREDENTIALS_FULL = "CredentialsFull"
"""A Secret of the repo holds too much, or the Secret that carries the fleet's credentials has no room left for it."""
SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 (a reason)
"""The API server did not answer for a Secret that the repo names; it is asked again by itself."""
SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105 (a reason)
"""A Secret that the repo names is Headgate's own, or of a type that `auth` does not take."""

# Of a KafkaProducerProfile, and of an EventRepo with Secrets of its own.
SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason)
"""A Secret that the resource names does not exist in its namespace."""
SECRET_KEY_MISSING = "SecretKeyMissing"  # noqa: S105 (a reason)
"""A Secret that the resource names is empty or lacks a key, or the key is empty or too short."""

# Of a KafkaProducerProfile.
DELIVERY_TIMEOUT_TOO_LONG = "DeliveryTimeoutTooLong"
"""A stopping gateway could not wait for deliveryTimeout within the fleet's terminationGracePeriod."""
