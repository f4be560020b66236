"""How the tables came to be. Each step in `versions` goes up only, and never changes once it is released."""
