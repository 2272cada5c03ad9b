"""The OpenAPI document: /api/v1/openapi.json and /api/v1/openapi.yaml. No key is needed."""

from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from checkend.api.decorators import document

bp = Blueprint("openapi", __name__)


@bp.get("/openapi")  # `EquivalentUrls` has removed the .json
@document("application/json")
def openapi_json() -> Response:
    """Show the description of this API as an OpenAPI document in JSON."""
    return jsonify(_document(current_app.config["URL"]))


@bp.get("/openapi.yaml")
@document("application/yaml")
def openapi_yaml() -> Response:
    """Show the description of this API as an OpenAPI document in YAML."""
    return Response(as_yaml(_document(current_app.config["URL"])), mimetype="application/yaml")


def as_yaml(tree: dict[str, Any]) -> str:
    """Return the document ``tree`` as YAML, with the keys in its order."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True  # parts that are equal are written out: references by name are for readers, anchors are not

    return str(yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


@lru_cache(maxsize=1)  # building it takes 25 ms, and the route needs no key
def _document(url: str) -> dict[str, Any]:
    from checkend.api.openapi.document import build_document

    return build_document(current_app, url)
