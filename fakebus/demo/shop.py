"""The shop takes an order every other second."""

from __future__ import annotations

import time
from itertools import count, cycle

from fakebus.demo.service import Service

_GOODS = (("tea", 450), ("teapot", 2900), ("cup", 800), ("honey", 690))
_CUSTOMERS = ("ada", "grace", "edsger", "barbara", "donald")
_EVERY_S = 2.0


def main() -> None:
    """Run the service."""
    service, customers, goods = Service("shop"), cycle(_CUSTOMERS), cycle(_GOODS)
    for number in count(1001):
        item, cents = next(goods)
        order = {"order": f"order-{number}", "customer": next(customers), "item": item}
        service.write("orders", order | {"cents": cents})
        time.sleep(_EVERY_S)


if __name__ == "__main__":
    main()
