#!/usr/bin/env python3
# Four ways in which a client ends a conversation, as the server sees them. Arguments: [PORT]
import socket
import struct
import sys
import time

listener = socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1])))


def end(how, leave):
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    leave(client)
    time.sleep(0.05)  # for what is on its way
    seen = []
    try:
        data = server.recv(4)
        seen.append('read "%s"' % data.decode() if data else "read b''")
        for nth in ['first', 'second']:
            server.sendall(b'Goodbye!')
            seen.append('%s write works' % nth)
            time.sleep(0.05)
    except OSError as error:
        seen.append(type(error).__name__)
    print('%s: %s' % (how, ', '.join(seen)))
    server.close()
    client.close()


def reset(client):
    linger = struct.pack('ii', 1, 0)  # on, for 0 seconds: close() resets
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.close()


end('exit', lambda client: client.sendall(b'exit'))
end('half-close', lambda client: client.shutdown(socket.SHUT_WR))
end('close', lambda client: client.close())
end('reset', reset)
