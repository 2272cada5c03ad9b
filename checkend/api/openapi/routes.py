"""The OpenAPI document: /api/v1/openapi.json and /api/v1/openapi.yaml. No key is needed."""

import json
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, current_app

from checkend.api.decorators import document

bp = Blueprint("openapi", __name__)


@bp.get("/openapi")  # `EquivalentUrls` has removed the .json
@document("application/json")
def openapi_json() -> Response:
    """Show the description of this API as an OpenAPI document in JSON."""
    return Response(_json_text(current_app.config["URL"]), mimetype="application/json")


@bp.get("/openapi.yaml")
@document("application/yaml")
def openapi_yaml() -> Response:
    """Show the description of this API as an OpenAPI document in YAML."""
    return Response(_yaml_text(current_app.config["URL"]), mimetype="application/yaml")


def as_yaml(tree: dict[str, Any]) -> str:
    """Return the document ``tree`` as YAML, with the keys in its order."""
    import yaml

    fast: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(fast):  # type: ignore[misc]  # one of two
        def ignore_aliases(self, data: Any) -> bool:
            return True  # parts that are equal are written out: references by name are for readers, anchors are not

    return str(yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


# Both are kept: making them takes most of a second, and the routes need no key.
@lru_cache(maxsize=1)
def _json_text(url: str) -> str:
    from checkend.api.openapi.document import build_document

    return json.dumps(build_document(current_app, url), ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=1)
def _yaml_text(url: str) -> str:
    return as_yaml(json.loads(_json_text(url)))
