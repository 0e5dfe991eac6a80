"""The parts of a specification: its text, its entries, the names and code it refers to, and its error messages."""
