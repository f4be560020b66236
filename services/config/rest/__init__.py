"""The REST edge: JSON in, a rule of the layer below applied, JSON out. It holds no rule itself."""
