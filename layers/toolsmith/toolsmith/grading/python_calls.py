"""Python call syntax, `[tool(parameter="value"), ...]`, as several models write calls; read without evaluating."""

import ast
from typing import Any

from toolsmith.grading.shapes import Call


class _Unreadable(ValueError):
    """An expression that is not a plain value."""


def read_python_calls(text: str) -> tuple[Call, ...] | None:
    """The calls of a text that is one Python expression: a call, or a list of calls. None for anything else."""
    try:
        body = ast.parse(text.strip().strip("'"), mode="eval").body
        items = [body] if isinstance(body, ast.Call) else getattr(body, "elts", None)
        if items is None or not all(isinstance(item, ast.Call) for item in items):
            return None
        return tuple(_call(item) for item in items)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _call(node: ast.Call) -> Call:
    if node.args or any(keyword.arg is None for keyword in node.keywords):
        raise _Unreadable("positional arguments have no name")
    names = [keyword.arg for keyword in node.keywords]
    if len(set(names)) != len(names):
        raise _Unreadable("an argument is given twice")
    return Call(ast.unparse(node.func), {keyword.arg: _value(keyword.value) for keyword in node.keywords})


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return "..." if value is Ellipsis else value
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.BinOp(left=left, op=operator, right=right):
            return _arithmetic(_value(left), operator, _value(right))
        case ast.Call(keywords=[]) | ast.Subscript():
            return ast.unparse(node)
        case ast.Call():
            name, given = _call(node)
            return {name: given}
    raise _Unreadable(type(node).__name__)


def _arithmetic(left: Any, operator: ast.operator, right: Any) -> Any:
    if not all(type(side) in (int, float) for side in (left, right)):
        raise _Unreadable("arithmetic on what is not a number")
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div() if right:
            return left / right
        case ast.Pow() if abs(left) <= 1e6 and 0 <= right <= 64:
            return left**right
    raise _Unreadable("unknown arithmetic")
