"""``checkend openapi``: the OpenAPI document of this version."""

import json

import click


@click.command(epilog="Example: checkend openapi --yaml > checkend.yaml")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print YAML instead of JSON.")
def openapi(as_yaml: bool) -> None:
    """Print the OpenAPI document of the API. A running server has it at /api/v1/openapi.json."""
    from flask import Flask

    from checkend import api
    from checkend.api.openapi.document import build_document
    from checkend.api.openapi.routes import as_yaml as to_yaml

    app = Flask("checkend")
    api.register(app)
    document = build_document(app, "")
    click.echo(to_yaml(document) if as_yaml else json.dumps(document, indent=1, ensure_ascii=False))
