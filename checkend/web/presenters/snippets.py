"""Code that connects an app, for each SDK, with the app's ingestion key and this server's URL filled in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snippet:
    """The code for one SDK; ``install`` is the command (or dependency) that installs it, "" if none is needed."""

    name: str
    label: str
    install: str
    code: str


def snippets(key: str, url: str) -> list[Snippet]:
    """Return all snippets for an ingestion key and the URL of this server."""
    return [
        Snippet(name, label, install, code.replace("<key>", key).replace("<url>", url))
        for name, label, install, code in _TEMPLATES
    ]


_CURL = """\
curl <url>/ingest/v1/errors \\
  -H 'Content-Type: application/json' \\
  -H 'Checkend-Ingestion-Key: <key>' \\
  -d '{"error": {"class": "HelloError", "message": "It works", "backtrace": ["hello.sh:1 in main"]}}'
"""

_PYTHON = """\
import checkend

checkend.configure(
    api_key="<key>",
    endpoint="<url>",
    environment="production",
)

try:
    1 / 0
except ZeroDivisionError as error:
    checkend.notify(error)

checkend.flush()  # only at the end of a script; in servers, errors are sent in the background
"""

_NODE = """\
import Checkend, { notify } from '@checkend/node'

Checkend.configure({
  apiKey: '<key>',
  endpoint: '<url>',
  environment: 'production',
})

// From here on, uncaught exceptions and rejections are reported. To report one yourself:
notify(new Error('It works'))
"""

_BROWSER = """\
import Checkend, { notify } from '@checkend/browser'

Checkend.configure({
  apiKey: '<key>',
  endpoint: '<url>',
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
    endpoint: '<url>',
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
  config.endpoint = '<url>'
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
		Endpoint:    "<url>",
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
    'endpoint' => '<url>',
    'environment' => 'production',
]);

Checkend::notify(new RuntimeException('It works'));
"""

_ELIXIR = """\
# for example, in application.ex
Checkend.configure(
  api_key: "<key>",
  endpoint: "<url>",
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
            .endpoint("<url>")
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
    .Endpoint("<url>")
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
