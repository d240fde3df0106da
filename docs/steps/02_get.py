#!/usr/bin/env python3
# An HTTP GET over a bare socket, saved to a file. Arguments: [PATH] [FILE] [PORT]
import socket
import sys

path, file, port = (sys.argv[1:] + ['/length', 'page.html', '9999'][len(sys.argv) - 1:])[:3]
with socket.create_connection(('127.0.0.1', int(port))) as conn:
    request = 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' % path
    conn.sendall(request.encode())

    chunks = []
    while chunk := conn.recv(1024):
        chunks.append(chunk)  # all the bytes first, then decode: no character is cut
head, _, body = b''.join(chunks).partition(b'\r\n\r\n')
print(head.decode())
with open(file, 'wb') as output:
    output.write(body)
print('saved %s' % file)
