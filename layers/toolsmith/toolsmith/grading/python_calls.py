"""Python call syntax, `[tool(parameter="value"), ...]`, as several models write calls; read without evaluating."""

import ast
import operator as of
from typing import Any

from toolsmith.grading.shapes import Call

OPERATORS = {
    ast.Add: of.add, ast.Sub: of.sub, ast.Mult: of.mul, ast.Div: of.truediv, ast.FloorDiv: of.floordiv,
    ast.Mod: of.mod, ast.Pow: of.pow,
}  # fmt: skip


class _Unreadable(ValueError):
    """An expression that is not a plain value."""


def read_python_calls(text: str) -> tuple[Call, ...] | None:
    """The calls of a text that is one Python expression: a call, or a list of calls. None for anything else.

    As BFCL reads answers, backticks and quotes around the expression are dropped, and a missing bracket is added.
    """
    body = text.strip("`\n '")
    body = f"{'' if body[:1] == '[' else '['}{body}{'' if body[-1:] == ']' else ']'}"
    try:
        items = getattr(ast.parse(body, mode="eval").body, "elts", None)
        if items is None or not all(isinstance(item, ast.Call) for item in items):
            return None
        return tuple(_call(item) for item in items)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
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
    if isinstance(operator, ast.Add) and type(left) is type(right) and type(left) in (str, list):
        return left + right
    if not all(type(side) in (int, float) for side in (left, right)):
        raise _Unreadable("arithmetic on what is not a number")
    if isinstance(operator, ast.Pow) and (abs(left) > 1e6 or abs(right) > 64):
        raise _Unreadable("a power too high to be meant")
    compute = OPERATORS.get(type(operator))
    if compute is None:
        raise _Unreadable("unknown arithmetic")
    return compute(left, right)
