"""The console: the control plane in a browser, over the same rules as the REST API."""
