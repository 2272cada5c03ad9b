"""The demo's apps for customers and employees, with the reports that their official SDKs would send."""

from checkend.demo.story import DemoApp, Story, frame, sdk

_GEMS = "/usr/local/bundle/ruby/3.3.0/gems"
_CDN = "https://shop.example.com/assets"

STOREFRONT: tuple[DemoApp, ...] = (
    DemoApp(
        "Shop",
        "Storefront",
        sdk("checkend-ruby", "1.2.0", "ruby", "3.3.5"),
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
                "Elasticsearch::Transport::Errors::BadRequest",
                ("[400] parsing_exception: no [query] registered for [matchphrase]",),
                (
                    f"{_GEMS}/elastic-transport-8.3.5/lib/elastic/transport/base.rb:222:in `__raise_transport_error'",
                    "[PROJECT_ROOT]/app/queries/product_search.rb:47:in `results'",
                    "[PROJECT_ROOT]/app/controllers/search_controller.rb:9:in `index'",
                ),
                "fresh",
                38,
                "https://shop.example.com/search",
                "GET",
                ("search",),
            ),
            Story(
                "ActiveStorage::IntegrityError",
                ("ActiveStorage::IntegrityError",),
                (
                    f"{_GEMS}/activestorage-7.2.1/lib/active_storage/downloader.rb:41:in `verify_integrity_of'",
                    "[PROJECT_ROOT]/app/jobs/resize_photo_job.rb:22:in `perform'",
                ),
                "steady",
                48,
                tags=("images",),
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
        sdk("@checkend/browser", "1.1.0", "javascript", "ES2022"),
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
                "NetworkError",
                ("Request failed: GET /api/stock/{n}",),
                (
                    f"at fetchStock ({_CDN}/app-4f1c9e2b.js:2:31020)",
                    f"at async StockBadge.load ({_CDN}/app-4f1c9e2b.js:2:31544)",
                ),
                "burst",
                260,
                "https://shop.example.com/products/{n}",
                tags=("frontend",),
            ),
            Story(
                "ReferenceError",
                ("gtag is not defined",),
                (f"at trackPurchase ({_CDN}/app-4f1c9e2b.js:2:52011)",),
                "fresh",
                71,
                "https://shop.example.com/thanks",
                tags=("frontend",),
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
        "Back office",
        "Storefront",
        sdk("checkend-dotnet", "1.0.4", "csharp", "8.0.10"),
        (
            frame(
                "Unknown", 0, "Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker.InvokeActionMethodAsync"
            ),
            frame("Unknown", 0, "Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke"),
        ),
        ("office-1",),
        (
            Story(
                "System.FormatException",
                ("String '{n2}.13.2024' was not recognized as a valid DateTime.",),
                (
                    frame("Unknown", 0, "System.DateTime.Parse"),
                    frame("ReportFilter.cs", 44, "BackOffice.Reports.ReportFilter.Parse"),
                    frame("ReportsController.cs", 71, "BackOffice.Controllers.ReportsController.Sales"),
                ),
                "steady",
                90,
                "https://office.example.com/reports/sales",
            ),
            Story(
                "System.InvalidOperationException",
                ("Sequence contains no elements",),
                (
                    frame("Unknown", 0, "System.Linq.ThrowHelper.ThrowNoElementsException"),
                    frame("StockService.cs", 118, "BackOffice.Stock.StockService.LatestDelivery"),
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
        sdk("checkend-php", "1.0.1", "php", "8.3.12"),
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
