#!/usr/bin/env python3
# A web server that ends a page in three ways: /length, /chunked, /close.
# With ?cut behind the path it breaks off in the middle. Arguments: [PORT]
import socket
import sys
import threading

lines = ['<h1>你好</h1>\n'.encode(), b'<p>Bytes, not lines.</p>\n']
page = b''.join(lines)
chunks = b''.join(b'%x\r\n%s\r\n' % (len(line), line) for line in lines)
answers = {
    '/length': (b'Content-Length: %d\r\n' % len(page), page),
    '/chunked': (b'Transfer-Encoding: chunked\r\n', chunks + b'0\r\n\r\n'),
    '/close': (b'', page),
}


def answer(conn):
    with conn:
        request = b''
        while b'\r\n\r\n' not in request:
            chunk = conn.recv(1024)
            if not chunk:
                return
            request += chunk
        target = request.split(b' ')[1].decode()
        path, _, query = target.partition('?')
        head, body = answers.get(path, (b'Content-Length: 0\r\n', b''))
        sent = body[:len(body) // 2] if query == 'cut' else body
        conn.sendall(b'HTTP/1.1 200 OK\r\n%sConnection: close\r\n\r\n' % head)
        conn.sendall(sent)
    print('GET %s: sent %d of %d bytes of body' % (target, len(sent), len(body)))


with socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1]))) as listener:
    print('listening on %s:%d' % listener.getsockname())
    while True:
        threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()
