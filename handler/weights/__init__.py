"""How values come into a network: from a file, from a state, by path; and what its layers derive from them."""
