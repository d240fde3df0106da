#!/usr/bin/env python3
# A server for one connection. Arguments: [PORT]
import socket
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.bind(('127.0.0.1', port))
    listener.listen()
    print('listening on %s:%d' % listener.getsockname())

    conn, address = listener.accept()  # waits until somebody connects
    with conn:
        print('accepted %s:%d' % address)
        while chunk := conn.recv(1024):
            print('read %d bytes: %s' % (len(chunk), chunk.decode()))
        print("read b'': the other side will send no more")
# `with` closes the connection and the listener here
