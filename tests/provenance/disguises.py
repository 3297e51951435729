"""Source text of Python, and the same with other names in another layout: made by its grammar, knowing no tokens.

What another person's tools do to copied code: names are others, quotes, line breaks, blank lines and brackets are the
formatter's, comments are gone, the indentation is that of a new place.
"""

import ast
import builtins
import hashlib
import keyword
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_KEPT: Final = frozenset({*dir(builtins), *keyword.kwlist, "self", "cls"})


def modules(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of the modules of a library, without its tests and generated tables."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        is_ordinary = not {"test", "tests", "idlelib", "lib2to3", "encodings", "site-packages", "dist-packages"} & {
            *parts
        }
        if is_ordinary and 2_000 < path.stat().st_size < 200_000:
            yield "/".join(parts), path.read_text(errors="replace")


def pieces(text: str, lines: int) -> Iterator[str]:
    """Yield functions of a module, cut off behind the statement with which they have so many lines of code.

    Counted are lines as a formatter writes them: without comments and blank lines, an argument list on one line.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and len(ast.unparse(node).split("\n")) >= lines:
            if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                del node.body[0]  # its docstring, which is no code
            size, last = 1, node.lineno
            for statement in node.body:
                size += len(ast.unparse(statement).split("\n"))
                last = statement.end_lineno or last
                if size >= lines:
                    break
            piece = textwrap.dedent("\n".join(text.split("\n")[node.lineno - 1 : last]))
            if lines <= size < lines * 2 and _parses(piece):
                yield piece


def disguised(piece: str) -> str:
    """Give the piece with all names changed that its author could have chosen otherwise, as another formatter has it."""
    renamed = _Renamed().visit(ast.parse(piece))
    return textwrap.indent(ast.unparse(renamed), "      ")


class _Renamed(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        for name in ("id", "name", "arg", "attr"):
            value = getattr(node, name, None)
            if isinstance(value, str):
                setattr(node, name, _other(value))
        return self.generic_visit(node)


def _other(name: str) -> str:
    if name in _KEPT or name.startswith("__"):
        return name
    return f"{'xyzw'[len(name) % 4]}_{hashlib.sha256(name.encode()).hexdigest()[:5]}"


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
