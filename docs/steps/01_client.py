#!/usr/bin/env python3
# Connects, sends one line of text, closes. Arguments: [PORT]
import socket
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as conn:
    conn.connect(('127.0.0.1', port))
    print('connected %s:%d to %s:%d' % (*conn.getsockname(), *conn.getpeername()))

    data = 'Hello, 世界'.encode()
    conn.sendall(data)  # send() may take only some of the bytes, sendall() loops
    print('wrote %d bytes' % len(data))
