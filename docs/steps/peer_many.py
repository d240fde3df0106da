#!/usr/bin/env python3
# A peer that connects a hundred times and waits to be welcomed each time. Arguments: [PORT]
import socket
import sys

port = int((sys.argv + [9999])[1])
socket.setdefaulttimeout(10)  # it waits no longer than that, in seconds
conns = [socket.socket() for _ in range(100)]


def attempt(act):
    try:
        return act()
    except OSError:
        return None  # refused, reset, or not a word: the server is gone


for conn in conns:
    attempt(lambda: conn.connect(('127.0.0.1', port)))
welcome = [attempt(lambda: conn.recv(100)) for conn in conns]  # and none is ever closed
print('all were welcomed' if all(welcome) else 'some were never welcomed')
