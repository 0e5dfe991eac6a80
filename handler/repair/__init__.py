"""Makes a damaged store whole again: states are trained again, files are made again, caches are removed."""
