"""The HTTP GET of a socket tutorial: a page over a bare socket into a file.

usage: tutorial_get.py HOST PORT FILE [PATH]
"""
import socket
import sys

host, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
path = sys.argv[4] if len(sys.argv) > 4 else '/'

connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
connection.connect((host, port))
name = host if port == 80 else '%s:%d' % (host, port)
request = 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' % (path, name)
connection.send(request.encode('ascii'))

chunks = []
while True:
    chunk = connection.recv(1024)
    if not chunk:
        break
    chunks.append(chunk)
connection.close()

head, body = b''.join(chunks).split(b'\r\n\r\n', 1)
print(head.decode('utf-8'))
with open(file, 'wb') as output:
    output.write(body)
