"""The parts of a specification: its text, its entries, the names and code it refers to, how its faults are told."""
