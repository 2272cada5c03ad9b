"""The floor: Flask on waitress, which parses the same JSON and responds with 201, without a database."""

import json

from flask import Flask, Response, jsonify, request

app = Flask("floor")


@app.post("/ingest/v1/errors")
def create() -> tuple[Response, int]:
    """Parse the report and respond."""
    json.loads(request.get_data())
    return jsonify(id=1, problem_id=1, deduplicated=False, occurrence_count=1), 201


@app.get("/up")
def up() -> str:
    """Respond, to show that the server is running."""
    return "ok"
