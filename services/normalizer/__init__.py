"""Every durable request becomes exactly one clean event, or is dropped as a duplicate, or is a dead letter."""
