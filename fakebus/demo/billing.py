"""Billing writes an invoice for each order."""

from __future__ import annotations

from fakebus.demo.service import Service


def main() -> None:
    """Run the service."""
    service = Service("billing")
    for order, _ in service.read("orders", commit=True):
        invoice = {name: order[name] for name in ("order", "customer", "cents")}
        service.write("invoices", invoice)


if __name__ == "__main__":
    main()
