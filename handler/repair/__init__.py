"""Repairs a damaged store: retrains states, regenerates files, removes caches."""
