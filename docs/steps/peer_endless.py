#!/usr/bin/env python3
# A peer whose line has no end. Arguments: [PORT]
import socket
import sys

with socket.create_connection(('127.0.0.1', int((sys.argv + [9999])[1]))) as conn:
    try:
        while True:
            conn.sendall(b'x' * 64 * 1024)
    except OSError:
        print('the server hung up')
