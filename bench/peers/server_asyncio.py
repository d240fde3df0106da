"""A greeting server on asyncio's streams."""
import asyncio


async def serve(reader, writer):
    writer.write(b"Welcome!")
    while (data := await reader.read(1024)) and data != b"exit":
        writer.write(b"Hello, " + data + b"!")
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
