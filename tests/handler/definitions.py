"""Functions and classes from source text."""


def defined(source, name="f", **names):
    """Execute a source text with some global names, and return the object that it defines under a name."""
    exec(source, names := {"__name__": "mine", **names})
    return names[name]
