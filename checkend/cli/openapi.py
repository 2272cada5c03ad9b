"""``checkend openapi``: the OpenAPI document of this version."""

import json

import click


@click.command(epilog="Example: checkend openapi --yaml > checkend.yaml")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print YAML instead of JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the reference of the routes in Markdown.")
def openapi(as_yaml: bool, as_markdown: bool) -> None:
    """Print the OpenAPI document of the API. A running server has it at /api/v1/openapi.json.

    The reference that is made of it is on the page /docs/api of a running server.
    """
    from flask import Flask

    from checkend import api
    from checkend.api.openapi.document import build_document
    from checkend.api.openapi.markdown import to_markdown
    from checkend.api.openapi.reference import build_reference
    from checkend.api.openapi.routes import as_yaml as to_yaml

    app = Flask("checkend")
    api.register(app)
    document = build_document(app, "")
    if as_markdown:
        click.echo(to_markdown(build_reference(document)), nl=False)
        return
    click.echo(to_yaml(document) if as_yaml else json.dumps(document, indent=1, ensure_ascii=False))
