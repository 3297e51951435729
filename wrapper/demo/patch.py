"""Edits in the patch language of Codex's `apply_patch` (the grammar stands in its tool description)."""

from wrapper.demo.script import Call


def patch_of(call: Call) -> str:
    """Return the patch for an edit or a write, `""` for other calls."""
    if call.write:
        body = [f"*** Add File: {call.write.path}", *_lines("+", call.write.content)]
    elif call.edit:
        old, new = _lines("-", call.edit.old), _lines("+", call.edit.new)
        body = [f"*** Update File: {call.edit.path}", "@@", *old, *new]
    else:
        return ""
    return "\n".join(["*** Begin Patch", *body, "*** End Patch"])


def _lines(mark: str, text: str) -> list[str]:
    return [mark + line for line in text.removesuffix("\n").split("\n")]
