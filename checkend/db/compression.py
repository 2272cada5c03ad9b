"""Compression of JSON values in the database: compact JSON, deflated with a dictionary of typical report content."""

import json
import zlib
from typing import Any

import orjson

# The most frequent strings come last, since deflate encodes short distances in fewer bits. Changing a byte of this
# dictionary makes stored values unreadable: a new dictionary needs a new first byte (`_FORMAT`).
_DICTIONARY = (
    b"site-packages/flask/app.py site-packages/django/core/handlers/base.py node_modules/express/lib/router/layer.js "
    b"node:internal/process/task_queues:95:5) at process.processTicksAndRejections (node:internal/modules/cjs/loader "
    b"/usr/local/lib/python3.11/ /usr/local/lib/ruby/gems/3.3.0/gems/activesupport-7.1.0/lib/active_support/"
    b"callbacks.rb "
    b"actionpack-7.1.0/lib/action_controller/metal/:in 'block in .rb:10:in 'Kernel#require' vendor/autoload.php "
    b"[PROJECT_ROOT]/app/controllers/ [PROJECT_ROOT]/src/ [PROJECT_ROOT]/node_modules/ .py:100 in .py:10 in __call__ "
    b'at Object.<anonymous> (https://":{"file":"","line":0,"method":"unknown"},{"file":"org.springframework.web.servlet.'
    b'"User-Agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 '
    b'Safari/537.36",'
    b'"Accept-Language":"en-US,en;q=0.9","Accept-Encoding":"gzip, deflate, br","Content-Type":"application/json",'
    b'"Referer":"https://www.","X-Forwarded-For":"","Authorization":"[FILTERED]","Cookie":"[FILTERED]",'
    b'"context":{"environment":"production","revision":"","app_name":"","hostname":"","session_id":"","request_id":"'
    b'"request":{"url":"https://","method":"GET","path":"/","params":{},"query_string":"","headers":{"Host":"'
    b'"remote_ip":"127.0.0.1","remote_addr":"10.0.0.1"},"POST","user":{"id":"","email":"@example.com","name":""},'
    b'"notifier":{"name":"checkend-python","version":"1.0.0","language":"python","language_version":"3.11.0"}}'
)
_FORMAT = b"\x01"
COMPRESSION_LEVEL = 6


def compress(value: Any) -> bytes:
    """Return ``value``, any JSON value, as bytes for the database."""
    try:
        text = orjson.dumps(value)
    except TypeError:  # integers of more than 64 bits
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    compressor = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return _FORMAT + compressor.compress(text) + compressor.flush()


def decompress(packed: bytes) -> Any:
    """Return the value that `compress` compressed. Raise ValueError for an unknown format."""
    if packed[:1] != _FORMAT:
        raise ValueError(f"unknown format {packed[:1]!r}")
    decompressor = zlib.decompressobj(-15, _DICTIONARY)
    return json.loads(decompressor.decompress(packed[1:]) + decompressor.flush())
