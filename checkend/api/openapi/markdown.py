"""The reference of the Management API in Markdown, for docs/api.md."""

from collections.abc import Iterator

from checkend.api.openapi.reference import Field, Group, Operation


def to_markdown(groups: tuple[Group, ...]) -> str:
    """Return the sections of the groups, each with its resources and operations."""
    return "\n\n".join(block for group in groups for block in _group(group)) + "\n"


def _group(group: Group) -> Iterator[str]:
    yield f"## {group.name}"
    yield group.description
    for resource in group.resources:
        base = f" It has the fields of {resource.base}, and:" if resource.base else ""
        yield f"**{resource.name}**: {resource.description}{base}"
        yield _table(resource.fields, "field")
    for operation in group.operations:
        yield from _operation(operation)


def _operation(operation: Operation) -> Iterator[str]:
    yield f"### {operation.methods} `{operation.path}`"
    yield f"{operation.summary}. {operation.description}".strip()
    if operation.permission is None:
        permission = "none, but a key is required"
    else:
        permission = f"`{operation.permission}`" if operation.permission else "none; no API key is required"
    statuses = ", ".join(str(status) for status, _ in operation.responses)
    returned = f"\n- Returns: {operation.returns}" if operation.returns else ""
    yield f"- Operation: `{operation.id}`\n- Permission: {permission}\n- Responses: {statuses}{returned}"
    if operation.parameters:
        yield _table(operation.parameters, "parameter")
    if operation.body:
        yield _table(operation.body, "field of the body")
    for example in operation.examples:
        if example.title:
            yield example.title
        yield f"```sh\n{example.curl}\n```"
        if not example.title:
            yield f"```python\n{example.python}\n```"
        yield f"```http\n{example.http}\n```"


def _table(rows: tuple[Field, ...], heading: str) -> str:
    lines = [f"| {heading} | type | |", "|---|---|---|"]
    for row in rows:
        required = "Required. " if row.is_required else ""
        lines.append(f"| `{row.name}` | {row.type} | {required}{row.description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)
