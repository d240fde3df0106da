#!/usr/bin/env python3
# The GET that knows where a body ends. Arguments: [PATH] [FILE] [PORT]
import re
import socket
import sys

path, file, port = (sys.argv[1:] + ['/length', 'page.html', '9999'][len(sys.argv) - 1:])[:3]


def unchunk(data):
    """Takes the chunks out of their frames; whole if the last one, of size 0, is there."""
    parts = []
    while line := re.match(rb'([0-9a-f]+)\r\n', data, re.I):
        size = int(line[1], 16)
        if size == 0:
            return b''.join(parts), True
        parts.append(data[line.end():line.end() + size])
        data = data[line.end() + size + 2:]  # behind the line end of the chunk
    return b''.join(parts), False


with socket.create_connection(('127.0.0.1', int(port))) as conn:
    request = 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' % path
    conn.sendall(request.encode())
    answer = b''.join(iter(lambda: conn.recv(1024), b''))  # until EOF

head, _, body = answer.partition(b'\r\n\r\n')
length = re.search(rb'^Content-Length: *(\d+)', head, re.I | re.M)
if re.search(rb'^Transfer-Encoding: *chunked', head, re.I | re.M):
    body, whole = unchunk(body)
    print('chunked: ' + ('whole' if whole else 'CUT SHORT: the chunk of size 0 is missing'))
elif length:
    due = int(length[1])
    print('Content-Length: ' + ('whole' if len(body) >= due
                                else 'CUT SHORT: %d of %d bytes' % (len(body), due)))
else:
    print('close: %d bytes, and nobody can tell whether that is all' % len(body))
with open(file, 'wb') as output:
    output.write(body)
