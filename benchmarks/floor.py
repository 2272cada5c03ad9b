"""The floor: Flask on waitress, parsing the same JSON and answering 201, without a store."""

import json

from flask import Flask, Response, jsonify, request

app = Flask("floor")


@app.post("/ingest/v1/errors")
def create() -> tuple[Response, int]:
    """Parse, and answer."""
    json.loads(request.get_data())
    return jsonify(id=1, problem_id=1, deduplicated=False, occurrence_count=1), 201


@app.get("/up")
def up() -> str:
    """Whether it runs."""
    return "ok"
