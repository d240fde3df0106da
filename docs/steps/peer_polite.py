#!/usr/bin/env python3
# A peer as it should be: reads the welcome, greets twice, leaves. Arguments: [PORT]
import socket
import sys

with socket.create_connection(('127.0.0.1', int((sys.argv + [9999])[1]))) as conn:
    lines = conn.makefile(encoding='utf-8')

    def line():
        text = lines.readline()
        if not text:
            raise SystemExit('the server hung up')
        print(text, end='')

    line()
    for name in ['Ada', '小明']:
        conn.sendall(('%s\n' % name).encode())
        line()
