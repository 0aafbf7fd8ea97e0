"""Which service a client belongs to, without any setting and with rules."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.lineage.services import (
    ServiceRule,
    Services,
    TooManyRulesError,
    container_name,
    program_name,
)


@pytest.mark.parametrize(
    ("words", "directory", "name"),
    [
        ("/venv/bin/python3.11 -W error orders.py --fast", "/srv/shop", "orders"),
        ("python -m billing.worker", "/srv", "billing"),
        ("python main.py", "/srv/shop/src", "shop"),
        ("python mail/main.py", "/srv", "mail"),
        ("/venv/bin/python /venv/bin/uvicorn orders.main:app --port 1", "/srv", "orders"),
        ("gunicorn -b 0.0.0.0:8000 -w 4 orders.wsgi", "/srv", "orders"),
        ("gunicorn --bind localhost:80 -c gunicorn.conf.py orders.wsgi:app()", "/srv", "orders"),
        ("gunicorn -c conf/gunicorn.py --reload billing.wsgi", "/srv", "billing"),
        ("uvicorn --host 0.0.0.0 main:app", "/srv/stock", "stock"),
        ("fastapi run mail/main.py", "/srv", "mail"),
        ("celery -A orders.tasks worker", "/srv", "tasks"),
        ("celery worker", "/srv", "celery"),
        ("celery --app=lms.celery worker", "/srv", "lms"),
        ("uwsgi --http :80 --module=orders.wsgi:application", "/srv", "orders"),
        ("uwsgi uwsgi.ini", "/srv", "uwsgi"),
        ("python -m django consume_events -t a", "/srv/credentials", "credentials"),
        ("/venv/bin/python /venv/bin/django-admin check a.b", "/srv/discovery", "discovery"),
        ("python manage.py lms runserver", "/edx/app", "lms"),
        ("python manage.py consume_events", "/srv/credentials", "credentials"),
        ("python -c import+x", "/srv", ""),
        ("node --require ./tracing.js dist/index.js", "/srv/cart", "cart"),
        ("node mailer.js", "/srv", "mailer"),
        ("java -Xmx1g -cp a.jar:b.jar com.acme.OrdersApplication", "/", "OrdersApplication"),
        ("java -jar /opt/orders-1.2.3.jar", "/", "orders"),
        ("/opt/bin/ledger --port 9", "/", "ledger"),
        ("/srv/stock/bin/main", "/", "stock"),
        ("", "/", ""),
    ],
)
def test_a_program_is_named_by_what_it_runs(words: str, directory: str, name: str) -> None:
    assert program_name(words.split(), directory) == name


@pytest.mark.parametrize(
    ("host_name", "name"),
    [
        ("shop-orders-1.shop_default", "orders"),
        ("my-shop-order-api-2.my-shop_default", "order-api"),
        ("orders-0.orders.prod.svc.cluster.local", "orders"),
        ("10-1-2-3.orders.prod.svc.cluster.local", "orders"),
        ("ledger.network", "ledger"),
        ("ledger-2.network", "ledger"),
        ("tutor_local-lms-worker-1.tutor_local_default", "lms-worker"),
        ("shop_web_1.shop_back_end", "web"),
        ("tutor_local-cms-run-0a1b2c3d4e5f.tutor_local_default", "cms"),
        ("edx.devstack.lms.devstack_default", "lms"),
        ("edx.devstack-new.frontend-app-account.devstack-new_default", "frontend-app-account"),
        ("shop-ledger.shop_default", "shop-ledger"),
        ("_gateway", ""),
        ("localhost.localdomain", ""),
        ("", ""),
    ],
)
def test_a_container_is_named_by_its_network(host_name: str, name: str) -> None:
    assert container_name(host_name) == name


def facts(**changes: Any) -> dict[str, Any]:
    empty = {"client_id": "", "groups": [], "address": "", "host_name": "", "process": None}
    return {**empty, "front_end": "kafka", **changes}


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"client_id": "billing-12"}, "billing"),
        ({"client_id": "rdkafka", "groups": ["mail-2"]}, "mail"),
        ({"client_id": "consumer-orders-1", "groups": ["x"]}, "consumer-orders"),
        ({"client_id": "rdkafka", "address": "10.0.0.9"}, "10.0.0.9"),
        ({}, "kafka"),
    ],
)
def test_other_clients_are_what_they_call_themselves(known: dict[str, Any], name: str) -> None:
    assert Services().service_of(facts(**known)) == name


def test_a_declared_name_comes_before_others_and_a_declared_rule_before_names() -> None:
    services = Services()
    process = {"arguments": ["python", "run/runner.py"], "directory": "/"}
    client = facts(client_id="rdkafka", groups=["billing-2"], process=process)
    assert services.service_of(client) == "runner"
    services.declare({"billing": ServiceRule("billing")})
    assert services.service_of(client) == "billing"
    services.declare({name: ServiceRule(name) for name in ("billing", "runner")})
    assert services.service_of(client) == "runner"
    services.declare({"mail": ServiceRule("mail", groups=["billing*"]), **services.declared})
    assert services.service_of(client) == "mail"
    services.set(ServiceRule("post", commands=["*runner*"]))
    assert services.service_of(client) == "post"


def test_a_rule_comes_first_and_can_be_taken_back() -> None:
    services = Services()
    process = {"arguments": ["python", "orders.py", "--shop"], "directory": "/"}
    client = facts(client_id="a-1", groups=["g"], address="10.0.0.9", process=process)
    for rule in (
        ServiceRule("one", client_ids=["a-*"]),
        ServiceRule("one", groups=["?"]),
        ServiceRule("one", addresses=["10.*"]),
        ServiceRule("one", commands=["*--shop"]),
    ):
        services.set(rule)
        assert (services.service_of(client), len(services.rules)) == ("one", 1)
    services.set(ServiceRule("one", client_ids=["b"]))
    assert services.service_of(client) == "orders"
    services.set(ServiceRule("one"))
    assert services.rules == []


def test_programs_without_a_name_are_services_by_their_text() -> None:
    def service(*arguments: str, **more: Any) -> str:
        process = {"arguments": list(arguments), "directory": "/"}
        return Services().service_of(facts(process=process, **more))

    first, second = service("python3", "-c", "send(1)"), service("python3", "-c", "send(2)")
    assert first.startswith("python3-")
    assert first != second
    assert first == service("python3", "-c", "send(1)")
    assert service("python3", "-c", "send(1)", groups=["billing"]) == "billing"
    assert service("python3") == "python3"


def test_of_several_rules_the_first_that_fits_in_any_way_counts() -> None:
    services = Services(
        [
            ServiceRule("none"),
            ServiceRule("first", groups=("g-?",)),
            ServiceRule("second", client_ids=("shop-[0-9]", "*till*")),
        ]
    )
    assert services.service_of(facts(client_id="shop-1", groups=["x", "g-1"])) == "first"
    assert services.service_of(facts(client_id="the till", groups=["x", "g-10"])) == "second"
    assert services.service_of(facts(client_id="shop-1 ")) != "second"


def test_rules_may_not_be_more_than_clients_can_be_held_against() -> None:
    services = Services([ServiceRule("big", client_ids=("x" * 9_000,))])
    services.check(ServiceRule("small", client_ids=("y" * 900,)))
    services.check(ServiceRule("big", client_ids=("z" * 9_990,)))
    for rule in (
        ServiceRule("small", client_ids=("y" * 1_000,)),
        ServiceRule("y" * 1_000, client_ids=("y",)),
        ServiceRule("many", groups=("",) * 1_000),
    ):
        with pytest.raises(TooManyRulesError):
            services.check(rule)
