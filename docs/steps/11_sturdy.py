#!/usr/bin/env python3
# The same server, and a peer can end its own connection only. Arguments: [PORT]
import socket
import sys
import threading
import time

LONGEST, PATIENCE = 1024, 0.5  # bytes of a line, seconds


def greet(conn):
    try:
        with conn:
            conn.settimeout(PATIENCE)  # for each recv, and for all of each sendall
            conn.sendall(b'Welcome!\n')
            rest = b''
            while (chunk := conn.recv(1024)) and len(rest) <= LONGEST:
                *lines, rest = (rest + chunk).split(b'\n')
                conn.sendall(b''.join(b'Hello, %s!\n' % line for line in lines))
    except OSError as error:
        print('a connection: %s' % type(error).__name__)


with socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1]))) as listener:
    print('listening on %s:%d' % listener.getsockname())
    while True:
        try:
            conn, _ = listener.accept()
            threading.Thread(target=greet, args=[conn], daemon=True).start()
        except OSError as error:  # no descriptor is left: wait until somebody leaves
            print('accept: %s' % error.strerror)
            time.sleep(PATIENCE)
