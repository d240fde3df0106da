#!/usr/bin/env python3
# A peer that never reads: it greets until a write takes 2 seconds. Arguments: [PORT]
import socket
import sys

with socket.create_connection(('127.0.0.1', int((sys.argv + [9999])[1]))) as conn:
    conn.settimeout(2)
    try:
        while True:
            conn.send((b'x' * 999 + b'\n') * 64)
    except TimeoutError:
        print('stuck: the server waits for me to read, and I for it')
    except OSError:
        print('the server hung up')
