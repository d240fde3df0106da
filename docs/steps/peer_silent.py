#!/usr/bin/env python3
# A peer that never writes: it reads, for 2 seconds at most. Arguments: [PORT]
import socket
import sys

with socket.create_connection(('127.0.0.1', int((sys.argv + [9999])[1]))) as conn:
    conn.settimeout(2)
    try:
        while conn.recv(1024):
            pass
        print('the server hung up')
    except TimeoutError:
        print('still connected')
