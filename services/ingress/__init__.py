"""The ingress: a 2xx means that the request is durable in Kafka, or that it repeats one that is."""
