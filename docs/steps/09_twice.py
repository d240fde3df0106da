#!/usr/bin/env python3
# Who may listen on a port that is, or was just now, in use?
import socket


def listen(what, port, reuse):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    try:
        listener.bind(('127.0.0.1', port))
        listener.listen()
        print('%s: listening' % what)
    except OSError as error:
        print('%s: %s' % (what, error.strerror))
    return listener


for reuse_first, reuse_next in (0, 0), (0, 1), (1, 0), (1, 1):
    first = listen('a server with SO_REUSEADDR=%d' % reuse_first, 0, reuse_first)
    port = first.getsockname()[1]
    listen('  a second one beside it', port, reuse_next).close()

    client = socket.create_connection(('127.0.0.1', port))
    server, _ = first.accept()
    server.close()  # the server closes first, so its side has to remember the connection
    client.recv(1)  # b''
    client.close()
    first.close()
    listen('  the next one with SO_REUSEADDR=%d' % reuse_next, port, reuse_next).close()
