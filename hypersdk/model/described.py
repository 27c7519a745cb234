"""What do the fields of a model mean? Their docstrings, read from the source when a schema is wanted.

pydantic would read them each time a model is imported, which is a third of what that costs every program.
"""

import ast
import inspect
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from hypersdk.model.base import Model


class DescribedSchema(GenerateJsonSchema):
    """A JSON schema in which each property says its field's docstring."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """The object of one model."""
        made = super().model_schema(schema)
        properties = cast("dict[str, JsonSchemaValue]", made.get("properties", {}))
        for name, words in _descriptions(schema["cls"]).items():
            if name in properties:
                properties[name]["description"] = words
        return made


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """By the names on the wire."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, Model) and one is not Model:
            found |= _docstrings(one)
    return {str(field.alias or name): found[name] for name, field in model.model_fields.items() if name in found}


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The strings that stand below the fields in the class' own body."""
    body = _classes(model.__module__)[model.__name__].body
    found: dict[str, str] = {}
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = inspect.cleandoc(words)
    return found


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module by name, as they are written."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
