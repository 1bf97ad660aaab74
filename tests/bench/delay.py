# SPDX-License-Identifier: MIT
"""delay.py LISTEN PORT TO-PORT MS: a TCP proxy to this machine that hands on what it gets MS milliseconds later,
each way. For kernels without netem."""

import asyncio
import socket
import sys

WINDOW = 1 << 20  # bytes on their way, so that the delay costs no throughput


async def pump(reader, writer, seconds):
    loop, queue, room = asyncio.get_running_loop(), asyncio.Queue(), asyncio.Semaphore(WINDOW >> 16)

    async def send():
        while True:
            due, data = await queue.get()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            room.release()
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    sender = asyncio.create_task(send())
    data = b"x"
    while data:
        await room.acquire()
        try:
            data = await reader.read(1 << 16)
        except ConnectionError:
            data = b""
        queue.put_nowait((loop.time() + seconds, data))
    try:
        await sender
    except ConnectionError:
        pass


async def main(listen, port, to, seconds):
    async def serve(reader, writer):
        up_reader, up_writer = await asyncio.open_connection(listen, to)
        for each in (writer, up_writer):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(pump(reader, up_writer, seconds), pump(up_reader, writer, seconds))

    server = await asyncio.start_server(serve, listen, port)
    async with server:
        await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]) / 1000))
