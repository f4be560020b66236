"""Dead letters for operators: each is open until it is replayed or discarded, once, by whoever does it first."""
