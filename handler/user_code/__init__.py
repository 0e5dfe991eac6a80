"""The user's own code: found, digested, imported and called; its exceptions; the random numbers that it draws."""
