"""Objects of the nodes that say with `_target_` what they are: Hydra builds them, and errors name their option."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from tinydistill.errors import InputError, UserError

T = TypeVar("T")


def built(option: str, node: Mapping[str, Any], kind: type[T], **arguments: Any) -> T:
    """The object of a node, whose own arguments go before these.

    Raises UserError where it can't be built or is of another kind.
    """
    make = function_of(option, node)
    try:
        made = make(**{name: value for name, value in arguments.items() if name not in node})
    except (InputError, UserError):
        raise
    except Exception as error:
        raise UserError(f"{option}: {node['_target_']} can't be built: {_cause(error)}") from error
    if not isinstance(made, kind):
        raise UserError(f"{option}: {node['_target_']} makes a {type(made).__name__}, which is no {kind.__name__}")
    return made


def function_of(option: str, node: Mapping[str, Any]) -> Any:
    """The function of a node with its arguments given: what is called with the rest of them.

    Raises UserError where there is no such function.
    """
    try:
        return instantiate({**node, "_partial_": True}, _convert_="all")
    except InstantiationException as error:
        raise UserError(f"{option}: {node['_target_']} can't be imported: {_cause(error)}") from error


def class_of(option: str, node: Mapping[str, Any]) -> Any:
    """What a node's `_target_` is. Raises UserError where it can't be imported."""
    try:
        return get_object(node["_target_"])
    except Exception as error:
        raise UserError(f"{option}: {node['_target_']} can't be imported: {_cause(error)}") from error


def takes(option: str, node: Mapping[str, Any]) -> set[str]:
    """The names of the parameters that a node's `_target_` has."""
    target = class_of(option, node)
    try:
        return set(inspect.signature(target).parameters)
    except (TypeError, ValueError) as error:
        raise UserError(f"{option}: {node['_target_']} doesn't say what it takes: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """What the innermost error says, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{error}".split()) or type(error).__name__
