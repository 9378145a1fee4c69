"""Sends with the real segment-analytics-python. usage: segment_python.py URL WRITE_KEY"""
import datetime
import sys

from segment.analytics.client import Client

failures = []
client = Client(sys.argv[2], host=sys.argv[1], gzip=True, max_retries=1, on_error=lambda error, items: failures.append(error))
now = datetime.datetime.now(datetime.timezone.utc)
client.identify("python-user", {"name": "Ana", "plan": "bronze", "annual_spend": 1000.01})
client.track("python-user", "Order Completed", {"total": 7.25, "sku": "P-1"}, timestamp=now - datetime.timedelta(days=1), message_id="python-1")
client.track("python-user", "Order Completed", {"total": 7.25, "sku": "P-1"}, timestamp=now - datetime.timedelta(days=1), message_id="python-1")
client.screen("python-user", name="Cart", message_id="python-2")
client.flush()
client.join()
sys.exit(str(failures) if failures else 0)
