"""What two or more services share: contracts, protocols and their one implementation. Imports no service."""
