#!/usr/bin/env python3
"""A receiver of webhooks over real HTTP that misbehaves as receivers do; its ledger is as provider.py's. Prints its port.

  receiver.py DIRECTORY SEED FAULTS
"""
import asyncio
import os
import sys
import time

from provider import STORM_EVERY, STORM_LASTS, dice

DIRECTORY, SEED, FAULTS = sys.argv[1], sys.argv[2], float(sys.argv[3])
LEDGER = os.open(f"{DIRECTORY}/ledger-webhook.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
attempts, taken = {}, set()


def reply(status, headers=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n".encode()


async def answer(action):
    """The bytes of the answer; None: none, and the connection is closed."""
    if FAULTS and time.time() % STORM_EVERY < STORM_LASTS:
        return reply("429 Too Many Requests", "Retry-After: 1\r\n")
    n = attempts[action] = attempts.get(action, 0) + 1
    chance = dice(SEED, action, n) / max(FAULTS, 1e-9)
    if chance < 0.03:
        return reply("500 Internal Server Error")
    if chance < 0.035 and action not in taken:  # it knows the id of what it has, as the contract of webhooks says
        return reply("400 Bad Request")
    if chance < 0.04:
        return None  # cut off before anything was done
    os.write(LEDGER, f"{action} {n}\n".encode())
    taken.add(action)
    if chance < 0.05:
        return None  # … and after
    if chance < 0.055:
        await asyncio.sleep(3)  # longer than the connector waits
    if chance < 0.065:
        return reply("502 Bad Gateway")  # it got through, and the gateway does not know
    if chance < 0.09:
        await asyncio.sleep(0.01 + 0.2 * dice(SEED, "slow", action))
    return reply("200 OK")


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            headers = {name.lower(): value for name, value in headers.items()}
            await reader.readexactly(int(headers.get(b"content-length", b"0")))
            data = await answer(headers[b"webhook-id"].decode())
            if data is None:
                break
            writer.write(data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
