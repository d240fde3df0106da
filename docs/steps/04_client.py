#!/usr/bin/env python3
# Greets the server with three names, then leaves. Arguments: [PORT]
import socket
import sys

with socket.create_connection(('127.0.0.1', int((sys.argv + [9999])[1]))) as conn:

    def hear():
        print(conn.recv(1024).decode() or '(closed)')

    hear()
    for name in ['Michael', 'Tracy', '小明']:
        conn.sendall(name.encode())
        hear()
    conn.sendall(b'exit')
    hear()
