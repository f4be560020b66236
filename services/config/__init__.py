"""The control plane. What it answered 2xx is stored, and reaches every service through ``inlet.definitions``."""
