"""Sends with the real cloudevents SDK, in all three modes. usage: cloudevents_python.py URL"""
import datetime
import sys

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent


def order(event_id, total):
    return CloudEvent({"type": "com.shop.order.paid", "source": "https://shop.example.com/orders", "id": event_id, "region": "East € 😀",
                       "specversion": "1.0", "datacontenttype": "application/json",
                       "time": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)},
                      {"buyer": {"id": "王芳"}, "total": total, "items": [{"sku": "A"}], "extra": True})


def post(message):
    answer = requests.post(sys.argv[1], data=message.body, headers=message.headers, timeout=10)
    assert answer.status_code == 200, answer.text


post(to_binary_event(order("o-1", 12.5)))
post(to_structured_event(order("o-2", 99.95)))
post(to_structured_event(order("o-2", 99.95)))
changed = CloudEvent({"type": "com.shop.customer.changed", "source": "/crm", "id": "c-1", "specversion": "1.0", "subject": "c1",
                      "datacontenttype": "application/json"}, {"fullName": "Ana", "tier": "gold"})
one = to_structured_event(changed)
batch = b"[" + (one.body if isinstance(one.body, bytes) else one.body.encode()) + b"]"
answer = requests.post(sys.argv[1], data=batch, headers={"Content-Type": "application/cloudevents-batch+json"}, timeout=10)
assert answer.status_code == 200 and answer.json()["stored"] == 1, answer.text
