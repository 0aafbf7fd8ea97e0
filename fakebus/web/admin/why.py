"""Why a consumer group is stuck, and what an open transaction holds back."""

from __future__ import annotations

from fakebus.lineage.why.broker_view import astray_clients, explain_group
from fakebus.lineage.why.transaction_view import explain_transaction
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.wording import counted, nearest


async def why(call: AdminCall) -> object:
    """Tell why a consumer group, or the readers behind a transactional id, are stuck."""
    broker, name = call.bus.broker, call.path("group")
    found = await explain_group(broker, call.bus.lineage, name)
    if found is None:
        found = await explain_transaction(broker, call.bus.lineage, name)
    if found is None:
        ids = (each.transactional_id for each in broker.transactions)
        names = [*broker.group_coordinator.names(), *ids]
        told = f"there is no group {name!r}; {nearest(name, names)}"
        for each in astray_clients(broker)[:1]:
            told += (
                f"; {each.client_id!r} has asked {counted(each.times, 'time')} where the brokers "
                f"are, was told {each.address} and has not come there: if that is its consumer, "
                "advertise an address that it can reach: fakebus up --advertise HOST:PORT"
            )
        raise RequestError(404, told)
    return found
