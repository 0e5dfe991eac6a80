"""YAML 1.1 without its pitfalls: numbers mean what they look like, aliases stay small, every error names its line.

`docs/decisions/0060-pyyaml-with-stricter-numbers.md` says why it is not a library of YAML 1.2.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from handler.errors import SpecError

MOST_VALUES = 100_000  # in one text; each alias counts as the values it stands for
DEEPEST = 100

# PyYAML follows YAML 1.1, in which 1e-3 is text; as a learning rate it means the number.
_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
                         |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
                         |\.[0-9_]+(?:[eE][-+][0-9]+)?
                         |[-+]?\.(?:inf|Inf|INF)
                         |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_OCTAL = re.compile(r"[-+]?0[0-7_]+")


# See docs/decisions/0060-pyyaml-with-stricter-numbers.md.
class Loader(yaml.SafeLoader):
    """A SafeLoader that reads `1e-3` as a number, and refuses duplicate keys and numbers with an unexpected meaning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping; refuse duplicate keys."""
        if not isinstance(node, yaml.MappingNode):
            raise _refused("this is not a mapping", node)
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, bool):
                text = key_node.value
                raise _refused(f"YAML reads the key {text} as {str(key).lower()}; write '{text}'", key_node)
            if isinstance(key, Hashable) and key in seen:
                raise _refused(f"the key {key!r} is given twice", key_node)
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; refuse a value that does not have the form of its tag, with its line."""
        try:
            return super().construct_object(node, deep)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise _refused(f"{node.value!r:.80} is not a valid {node.tag.rpartition(':')[2]}", node) from error

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Return a number; refuse the notations that only YAML 1.1 reads as numbers (base 60, octal)."""
        text = str(self.construct_scalar(node))
        value: Any = self.construct_yaml_int(node) if node.tag.endswith(":int") else self.construct_yaml_float(node)
        if ":" in text:
            raise _refused(f"YAML reads {text} as {value}, in the base of 60; write the number, or '{text}'", node)
        if _OCTAL.fullmatch(text):
            raise _refused(f"YAML reads {text} as {value}, in the base of 8; write the number, or '{text}'", node)
        return value


Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_number)
Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_number)


def read_yaml(text: str, path: str) -> Any:
    """Return YAML as plain data.

    Args:
        text: the YAML text.
        path: the origin of the text, for messages.

    Raises:
        SpecError: the text isn't YAML, is nested too deeply or has too many values; names the line.
    """
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SpecError(path, f"{where}{error.problem or 'this is not YAML'}") from error
    except RecursionError as error:
        raise SpecError(path, f"is nested more than {DEEPEST} deep; write it flatter") from error
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(path, f"this is not YAML: {str(error).splitlines()[0]}") from error


def _measure(node: yaml.Node, known: dict[int, int], within: set[int]) -> int:
    """Return the number of values that a node stands for; the values of an alias count each time it is used."""
    if id(node) in within:
        raise _refused("an alias refers to a value that contains it; write the values out", node)
    if id(node) not in known:
        within.add(id(node))
        if len(within) > DEEPEST:
            raise _refused(f"this is nested more than {DEEPEST} deep; write it flatter", node)
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_measure(part, known, within) for part in parts)
        within.remove(id(node))
    if known[id(node)] > MOST_VALUES:
        raise _refused(f"this expands to more than {MOST_VALUES:,} values; write a smaller specification", node)
    return known[id(node)]


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
