"""The user's own code: its lookup, digest, import and call, its exceptions and its random numbers.

Read `modules` and `importer` for the way from a name to a function, `boundary`, `random_seeds` and
`tracebacks` for a call, and `source_digest` and `bytecode_digest` for the identity of the code.
"""
