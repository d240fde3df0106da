#!/usr/bin/env python3
# The greeting server: one thread for each connection. Arguments: [PORT]
import socket
import sys
import threading
import time


def greet(conn, address):
    with conn:  # closed at the end, however it ends
        print('Accept new connection from %s:%d...' % address)
        conn.sendall(b'Welcome!')
        while chunk := conn.recv(1024):
            time.sleep(0.1)  # seconds
            name = chunk.decode()
            if name == 'exit':
                break
            conn.sendall(('Hello, %s!' % name).encode())
    print('Connection from %s:%d closed.' % address)


with socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1]))) as listener:
    print('listening on %s:%d' % listener.getsockname())
    print('Waiting for connection...')
    while True:
        conn, address = listener.accept()
        threading.Thread(target=greet, args=(conn, address), daemon=True).start()
