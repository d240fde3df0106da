"""The greeting server of a socket tutorial: one thread for each connection.

usage: tutorial_server.py [PORT [DELAY]]   (9999, 1 second before each reply)

With port 0 it takes a free one and says which on standard error.
"""
import socket
import sys
import threading
import time

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999
delay = float(sys.argv[2]) if len(sys.argv) > 2 else 1


def serve(connection, address):
    print('Accept new connection from %s:%s...' % address, flush=True)
    connection.send(b'Welcome!')
    while True:
        name = connection.recv(1024)
        time.sleep(delay)
        if not name or name == b'exit':
            break
        connection.send(b'Hello, %s!' % name)
    connection.close()
    print('Connection from %s:%s closed.' % address, flush=True)


listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(('127.0.0.1', port))
listener.listen(5)
print('port %d' % listener.getsockname()[1], file=sys.stderr, flush=True)
print('Waiting for connection...', flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
