"""What the demo's apps report: each story is one problem, told as the app's official SDK would report it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoApp:
    """An app of the demo: its language decides the SDK that reports, ``outer`` are the frames around all errors."""

    name: str
    team: str
    notifier: dict[str, str]
    outer: tuple[Any, ...]
    hosts: tuple[str, ...]
    stories: tuple["Story", ...]
    site: str = ""
    environment: str = "production"


@dataclass(frozen=True, slots=True)
class Story:
    """One problem: ``frames`` are its innermost ones, ``messages`` take ``{n}`` and ``{email}``.

    ``course`` is how it goes on over time (`checkend.demo.history`), ``times`` how many reports there are.
    """

    error_class: str
    messages: tuple[str, ...]
    frames: tuple[Any, ...]
    course: str
    times: int
    url: str = ""
    method: str = "GET"
    tags: tuple[str, ...] = ()
    context: tuple[tuple[str, Any], ...] = ()


def _sdk(name: str, version: str, language: str, language_version: str) -> dict[str, str]:
    return {"name": name, "version": version, "language": language, "language_version": language_version}


def _java(file: str, line: int, method: str) -> dict[str, Any]:
    return {"file": file, "line": line, "method": method}


_GEMS = "/usr/local/bundle/ruby/3.3.0/gems"
_SITE = "/app/.venv/lib/python3.12/site-packages"
_CDN = "https://shop.example.com/assets"

APPS: tuple[DemoApp, ...] = (
    DemoApp(
        "Shop",
        "Storefront",
        _sdk("checkend-ruby", "1.2.0", "ruby", "3.3.5"),
        (
            f"{_GEMS}/actionpack-7.2.1/lib/action_controller/metal/basic_implicit_render.rb:8:in `send_action'",
            f"{_GEMS}/actionpack-7.2.1/lib/abstract_controller/callbacks.rb:261:in `block in process_action'",
            f"{_GEMS}/activesupport-7.2.1/lib/active_support/callbacks.rb:121:in `block in run_callbacks'",
            f"{_GEMS}/actionpack-7.2.1/lib/action_dispatch/routing/route_set.rb:67:in `serve'",
            f"{_GEMS}/rack-3.1.7/lib/rack/etag.rb:29:in `call'",
            f"{_GEMS}/puma-6.4.3/lib/puma/thread_pool.rb:167:in `block in spawn_thread'",
        ),
        ("web-1", "web-2", "web-3"),
        (
            Story(
                "Payments::CardDeclined",
                ("Card ending in {n4} was declined: insufficient_funds",),
                (
                    "[PROJECT_ROOT]/app/services/payments/charge.rb:58:in `call'",
                    "[PROJECT_ROOT]/app/models/order.rb:112:in `pay!'",
                    "[PROJECT_ROOT]/app/controllers/checkouts_controller.rb:34:in `create'",
                ),
                "steady",
                620,
                "https://shop.example.com/checkout",
                "POST",
                ("checkout", "payments"),
            ),
            Story(
                "NoMethodError",
                ("undefined method `price' for nil",),
                (
                    "[PROJECT_ROOT]/app/helpers/cart_helper.rb:21:in `line_total'",
                    "[PROJECT_ROOT]/app/views/carts/_line.html.erb:9:in `_app_views_carts__line_html_erb'",
                    "[PROJECT_ROOT]/app/controllers/carts_controller.rb:12:in `show'",
                ),
                "deploy",
                460,
                "https://shop.example.com/cart",
                "GET",
                ("checkout",),
            ),
            Story(
                "ActiveRecord::Deadlocked",
                ("PG::TRDeadlockDetected: ERROR: deadlock detected DETAIL: Process {n} waits for ShareLock",),
                (
                    f"{_GEMS}/pg-1.5.8/lib/pg/connection.rb:894:in `exec_params'",
                    "[PROJECT_ROOT]/app/models/inventory.rb:77:in `reserve'",
                    "[PROJECT_ROOT]/app/jobs/reserve_stock_job.rb:14:in `perform'",
                ),
                "nightly",
                210,
                tags=("database",),
            ),
            Story(
                "ActionController::InvalidAuthenticityToken",
                ("Can't verify CSRF token authenticity.",),
                (f"{_GEMS}/actionpack-7.2.1/lib/action_controller/metal/forgery_protection.rb:316:in `handle'",),
                "past",
                180,
                "https://shop.example.com/account/session",
                "POST",
            ),
        ),
        "https://shop.example.com",
    ),
    DemoApp(
        "Shop browser",
        "Storefront",
        _sdk("@checkend/browser", "1.1.0", "javascript", "ES2022"),
        (
            f"at Object.onClick ({_CDN}/vendor/react-dom.production.min.js:29:4412)",
            f"at HTMLUnknownElement.dispatch ({_CDN}/vendor/react-dom.production.min.js:31:212)",
        ),
        (),
        (
            Story(
                "TypeError",
                ("Cannot read properties of undefined (reading 'currency')",),
                (
                    f"at formatPrice ({_CDN}/app-4f1c9e2b.js:2:18841)",
                    f"at PriceTag ({_CDN}/app-4f1c9e2b.js:2:19010)",
                    f"at ProductCard ({_CDN}/app-4f1c9e2b.js:2:22377)",
                ),
                "growing",
                880,
                "https://shop.example.com/products/{n}",
                tags=("frontend", "urgent"),
            ),
            Story(
                "ChunkLoadError",
                ("Loading chunk {n2} failed. (missing: https://shop.example.com/assets/{n2}.chunk.js)",),
                (
                    f"at loadRoute ({_CDN}/app-4f1c9e2b.js:1:9120)",
                    f"at Router.navigate ({_CDN}/app-4f1c9e2b.js:1:9544)",
                ),
                "deploy",
                240,
                "https://shop.example.com/account/orders",
            ),
            Story(
                "QuotaExceededError",
                ("Failed to execute 'setItem' on 'Storage': Setting the value of 'recent' exceeded the quota.",),
                (f"at rememberProduct ({_CDN}/app-4f1c9e2b.js:2:40112)",),
                "steady",
                130,
                "https://shop.example.com/products/{n}",
            ),
        ),
        "https://shop.example.com",
    ),
    DemoApp(
        "Recommender",
        "Platform",
        _sdk("checkend-python", "1.0.0", "python", "3.12.6"),
        (
            f"{_SITE}/starlette/routing.py:73 in app",
            f"{_SITE}/fastapi/routing.py:301 in app",
            f"{_SITE}/fastapi/routing.py:212 in run_endpoint_function",
        ),
        ("rec-1", "rec-2"),
        (
            Story(
                "ValueError",
                ("Input contains NaN, infinity or a value too large for dtype('float32').",),
                (
                    f"{_SITE}/sklearn/utils/validation.py:147 in _assert_all_finite",
                    f"{_SITE}/sklearn/ensemble/_forest.py:667 in predict",
                    "/app/recommender/ranking.py:88 in score",
                    "/app/recommender/api.py:41 in recommend",
                ),
                "burst",
                320,
                "https://rec.example.com/v2/users/{n}/recommendations",
                tags=("model",),
            ),
            Story(
                "redis.exceptions.ConnectionError",
                ("Error 111 connecting to cache-2:6379. Connection refused.",),
                (
                    f"{_SITE}/redis/connection.py:357 in connect",
                    "/app/recommender/cache.py:29 in fetch",
                    "/app/recommender/api.py:33 in recommend",
                ),
                "burst",
                410,
                "https://rec.example.com/v2/users/{n}/recommendations",
                tags=("infrastructure",),
            ),
            Story(
                "KeyError",
                ("'embedding'",),
                ("/app/recommender/features.py:120 in vector_of", "/app/recommender/train.py:64 in main"),
                "nightly",
                95,
            ),
        ),
        "https://rec.example.com",
    ),
    DemoApp(
        "Gateway",
        "Platform",
        _sdk("checkend-go", "1.0.2", "go", "go1.23.1"),
        (
            "/usr/local/go/src/net/http/server.go:2220 in net/http.HandlerFunc.ServeHTTP",
            "/go/pkg/mod/github.com/go-chi/chi/v5@v5.1.0/mux.go:478 in github.com/go-chi/chi/v5.(*Mux).routeHTTP",
            "/usr/local/go/src/net/http/server.go:3210 in net/http.serverHandler.ServeHTTP",
            "/usr/local/go/src/net/http/server.go:2092 in net/http.(*conn).serve",
        ),
        ("gw-fra-1", "gw-fra-2", "gw-iad-1"),
        (
            Story(
                "runtime.Error",
                ("runtime error: invalid memory address or nil pointer dereference",),
                (
                    "/usr/local/go/src/runtime/panic.go:785 in runtime.gopanic",
                    "/src/gateway/internal/quota/limiter.go:96 in example.com/gateway/internal/quota.(*Limiter).Allow",
                    "/src/gateway/internal/web/quota.go:31 in example.com/gateway/internal/web.Quota.func1",
                ),
                "deploy",
                150,
                "https://api.example.com/v1/orders",
                "POST",
                ("urgent",),
            ),
            Story(
                "*url.Error",
                ('Get "http://billing.internal:4000/v1/balance": context deadline exceeded',),
                ("/src/gateway/internal/upstream/client.go:140 in example.com/gateway/internal/upstream.(*Client).Do",),
                "steady",
                540,
                "https://api.example.com/v1/balance",
                tags=("infrastructure", "upstream"),
            ),
        ),
        "https://api.example.com",
    ),
    DemoApp(
        "Billing",
        "Platform",
        _sdk("checkend-elixir", "1.0.0", "elixir", "1.17.3"),
        (
            "lib/plug/router.ex:246 in Elixir.Plug.Router.route/4",
            "deps/phoenix/lib/phoenix/endpoint/cowboy2_handler.ex:54 in Elixir.Phoenix.Endpoint.Cowboy2Handler.init/4",
        ),
        ("billing@10.0.4.7", "billing@10.0.4.8"),
        (
            Story(
                "Ecto.StaleEntryError",
                ("attempted to update a stale struct: %Billing.Invoice{{id: {n}}}",),
                (
                    "deps/ecto/lib/ecto/repo/schema.ex:783 in Elixir.Ecto.Repo.Schema.apply/4",
                    "lib/billing/invoices.ex:52 in Elixir.Billing.Invoices.close/1",
                    "lib/billing_web/invoice_controller.ex:31 in Elixir.BillingWeb.InvoiceController.close/2",
                ),
                "steady",
                160,
                "https://billing.example.com/invoices/{n}/close",
                "POST",
                ("database",),
            ),
            Story(
                "FunctionClauseError",
                ("no function clause matching in Billing.Tax.rate/1",),
                (
                    "lib/billing/tax.ex:12 in Elixir.Billing.Tax.rate/1",
                    "lib/billing/invoices.ex:88 in Elixir.Billing.Invoices.total/1",
                ),
                "fresh",
                44,
                "https://billing.example.com/invoices",
                "POST",
                ("tax",),
            ),
        ),
        "https://billing.example.com",
    ),
    DemoApp(
        "Payments",
        "Platform",
        _sdk("checkend-java", "1.3.1", "java", "21.0.4"),
        (
            _java(
                "InvocableHandlerMethod.java",
                255,
                "org.springframework.web.method.support.InvocableHandlerMethod.doInvoke",
            ),
            _java("DispatcherServlet.java", 1088, "org.springframework.web.servlet.DispatcherServlet.doDispatch"),
            _java("StandardWrapperValve.java", 167, "org.apache.catalina.core.StandardWrapperValve.invoke"),
            _java("Thread.java", 1583, "java.lang.Thread.run"),
        ),
        ("pay-a", "pay-b"),
        (
            Story(
                "java.util.concurrent.TimeoutException",
                ("No answer from acquirer ACQ-{n2} within 5000 ms",),
                (
                    _java("AcquirerClient.java", 131, "com.example.payments.acquirer.AcquirerClient.authorize"),
                    _java("PaymentService.java", 74, "com.example.payments.PaymentService.capture"),
                    _java("PaymentController.java", 48, "com.example.payments.api.PaymentController.capture"),
                ),
                "burst",
                370,
                "https://pay.example.com/api/payments/{n}/capture",
                "POST",
                ("payments", "upstream"),
            ),
            Story(
                "java.lang.NullPointerException",
                ('Cannot invoke "Address.country()" because "order.billingAddress()" is null',),
                (
                    _java("FraudRules.java", 219, "com.example.payments.fraud.FraudRules.countryMismatch"),
                    _java("FraudCheck.java", 57, "com.example.payments.fraud.FraudCheck.run"),
                ),
                "growing",
                190,
                "https://pay.example.com/api/payments",
                "POST",
                ("fraud",),
            ),
        ),
        "https://pay.example.com",
    ),
    DemoApp(
        "Back office",
        "Storefront",
        _sdk("checkend-dotnet", "1.0.4", "csharp", "8.0.10"),
        (
            _java(
                "Unknown", 0, "Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker.InvokeActionMethodAsync"
            ),
            _java("Unknown", 0, "Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke"),
        ),
        ("office-1",),
        (
            Story(
                "System.FormatException",
                ("String '{n2}.13.2024' was not recognized as a valid DateTime.",),
                (
                    _java("Unknown", 0, "System.DateTime.Parse"),
                    _java("ReportFilter.cs", 44, "BackOffice.Reports.ReportFilter.Parse"),
                    _java("ReportsController.cs", 71, "BackOffice.Controllers.ReportsController.Sales"),
                ),
                "steady",
                90,
                "https://office.example.com/reports/sales",
            ),
            Story(
                "System.InvalidOperationException",
                ("Sequence contains no elements",),
                (
                    _java("Unknown", 0, "System.Linq.ThrowHelper.ThrowNoElementsException"),
                    _java("StockService.cs", 118, "BackOffice.Stock.StockService.LatestDelivery"),
                ),
                "past",
                60,
                "https://office.example.com/stock/{n}",
            ),
        ),
        "https://office.example.com",
    ),
    DemoApp(
        "Newsletter",
        "Storefront",
        _sdk("checkend-php", "1.0.1", "php", "8.3.12"),
        (
            "[PROJECT_ROOT]/vendor/laravel/queue/Worker.php:441 in Illuminate\\Queue\\Worker->process",
            "[PROJECT_ROOT]/vendor/symfony/console/Application.php:175 in Symfony\\Console\\Application->run",
        ),
        ("mail-1",),
        (
            Story(
                "Symfony\\Component\\Mailer\\Exception\\TransportException",
                ('Expected response code "250" but got code "550", with message "550 5.1.1 <{email}> unknown user"',),
                (
                    "[PROJECT_ROOT]/vendor/symfony/mailer/Transport/Smtp/SmtpTransport.php:342",
                    "[PROJECT_ROOT]/app/Jobs/SendIssue.php:61 in Symfony\\Component\\Mailer\\Transport->send",
                ),
                "nightly",
                340,
                tags=("mail",),
            ),
            Story(
                "ErrorException",
                ('Undefined array key "unsubscribe_url"',),
                (
                    "[PROJECT_ROOT]/app/Mail/Issue.php:38",
                    "[PROJECT_ROOT]/app/Jobs/SendIssue.php:52 in App\\Mail\\Issue->build",
                ),
                "past",
                75,
                tags=("mail",),
            ),
        ),
        environment="staging",
    ),
)
