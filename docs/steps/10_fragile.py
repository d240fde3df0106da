#!/usr/bin/env python3
# The greeting server with lines: right, and at everybody's mercy. Arguments: [PORT]
import socket
import sys
import threading


def greet(conn):
    with conn:
        conn.sendall(b'Welcome!\n')
        for line in conn.makefile('rb'):  # waits for a newline, however long the line
            conn.sendall(b'Hello, %s!\n' % line.rstrip(b'\n'))


with socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1]))) as listener:
    print('listening on %s:%d' % listener.getsockname())
    while True:
        threading.Thread(target=greet, args=[listener.accept()[0]], daemon=True).start()
