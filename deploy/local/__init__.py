"""The local stack: Kafka, Redis and the services as plain processes. ``make run`` and the tests use it."""
