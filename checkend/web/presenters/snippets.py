"""What to paste into a program so that its errors arrive: one snippet a language, with the real key and address."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snippet:
    """A language: ``install`` is a command (or dependency) that brings its SDK, "" for none; ``code`` what to write."""

    name: str
    label: str
    install: str
    code: str


def snippets(key: str, address: str) -> list[Snippet]:
    """The snippets, filled with an ingestion key and the address of this server."""
    return [
        Snippet(name, label, install, code.replace("<key>", key).replace("<address>", address))
        for name, label, install, code in _TEMPLATES
    ]


_CURL = """\
curl <address>/ingest/v1/errors \\
  -H 'Content-Type: application/json' \\
  -H 'Checkend-Ingestion-Key: <key>' \\
  -d '{"error": {"class": "HelloError", "message": "It works", "backtrace": ["hello.sh:1 in main"]}}'
"""

_PYTHON = """\
import checkend

checkend.configure(
    api_key="<key>",
    endpoint="<address>",
    environment="production",
)

try:
    1 / 0
except ZeroDivisionError as error:
    checkend.notify(error)

checkend.flush()  # at the end of a script; servers send in the background
"""

_NODE = """\
import Checkend, { notify } from '@checkend/node'

Checkend.configure({
  apiKey: '<key>',
  endpoint: '<address>',
  environment: 'production',
})

// Uncaught exceptions and rejections are reported from here on; others like this:
notify(new Error('It works'))
"""

_BROWSER = """\
import Checkend, { notify } from '@checkend/browser'

Checkend.configure({
  apiKey: '<key>',
  endpoint: '<address>',
  environment: 'production',
})

notify(new Error('It works'))
"""

_NEXTJS = """\
// instrumentation.ts
export async function register() {
  const checkend = await import('@checkend/nextjs')
  checkend.register({
    apiKey: '<key>',
    endpoint: '<address>',
    environment: 'production',
  })
}

export { onRequestError } from '@checkend/nextjs'
"""

_RUBY = """\
# config/initializers/checkend.rb
require 'checkend-ruby'

Checkend.configure do |config|
  config.api_key = '<key>'
  config.endpoint = '<address>'
  config.environment = 'production'
end

Checkend.notify(StandardError.new('It works'))
"""

_GO = """\
package main

import (
	"errors"

	"github.com/Checkend/checkend-go"
)

func main() {
	checkend.Configure(checkend.Config{
		APIKey:      "<key>",
		Endpoint:    "<address>",
		Environment: "production",
	})
	defer checkend.Stop()

	checkend.Notify(errors.New("it works"))
}
"""

_PHP = """\
<?php

use Checkend\\Checkend;

Checkend::configure([
    'api_key' => '<key>',
    'endpoint' => '<address>',
    'environment' => 'production',
]);

Checkend::notify(new RuntimeException('It works'));
"""

_ELIXIR = """\
# e.g. in application.ex
Checkend.configure(
  api_key: "<key>",
  endpoint: "<address>",
  environment: "production"
)

try do
  raise "It works"
rescue
  error -> Checkend.notify(error, __STACKTRACE__)
end
"""

_JAVA = """\
import com.checkend.Checkend;

public class Hello {
    public static void main(String[] args) {
        Checkend.configure(builder -> builder
            .apiKey("<key>")
            .endpoint("<address>")
            .environment("production"));

        Checkend.notify(new RuntimeException("It works"));
        Checkend.flush();
    }
}
"""

_DOTNET = """\
using Checkend;

CheckendClient.Configure(builder => builder
    .ApiKey("<key>")
    .Endpoint("<address>")
    .Environment("production"));

CheckendClient.Notify(new Exception("It works"));
await CheckendClient.FlushAsync();
"""

_TEMPLATES = (
    ("curl", "curl", "", _CURL),
    ("python", "Python", "pip install checkend", _PYTHON),
    ("node", "Node", "npm install @checkend/node", _NODE),
    ("browser", "Browser", "npm install @checkend/browser", _BROWSER),
    ("nextjs", "Next.js", "npm install @checkend/nextjs", _NEXTJS),
    ("ruby", "Ruby", "bundle add checkend-ruby", _RUBY),
    ("go", "Go", "go get github.com/Checkend/checkend-go", _GO),
    ("php", "PHP", "composer require checkend/checkend", _PHP),
    ("elixir", "Elixir", '{:checkend, "~> 1.0"}  # in the deps of mix.exs', _ELIXIR),
    ("java", "Java", "com.github.Checkend:checkend-java:v1.0.0  # from https://jitpack.io", _JAVA),
    ("dotnet", ".NET", "dotnet add package Checkend", _DOTNET),
)
