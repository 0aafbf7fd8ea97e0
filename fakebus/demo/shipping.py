"""Shipping sends a parcel for each invoice, and has two mistakes built in.

It never commits, so it sends everything again when it is started anew; and nobody reads what it
writes.
"""

from __future__ import annotations

from fakebus.demo.service import Service


def main() -> None:
    """Run the service."""
    service = Service("shipping")
    for invoice, invoice_id in service.read("invoices", commit=False):
        parcel = {"order": invoice["order"], "customer": invoice["customer"], "carrier": "pigeon"}
        # Without commits the bus could not tell which of the invoices the parcel is for.
        service.write("parcels", parcel, cause=invoice_id)


if __name__ == "__main__":
    main()
