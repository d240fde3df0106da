#!/usr/bin/env python3
# 01_server.py on a bad network: for a second, its kernel throws away what has bytes in it, as
# if it had been lost on the way (a filter of Linux, for which Deno has no option). [PORT]
import ctypes
import socket
import struct
import sys
import threading

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
INSTRUCTIONS = [
    (0x80, 0, 0, 0),  # load the length of the segment
    (0x25, 0, 1, 40),  # longer than a header? go on, else leave out one instruction
    (0x06, 0, 0, 0),  # keep 0 bytes: it is lost
    (0x06, 0, 0, 0xffffffff),  # keep all of it
]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *i) for i in INSTRUCTIONS))
LOSE_BYTES = struct.pack('HL', len(INSTRUCTIONS), ctypes.addressof(code))

with socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1]))) as listener:
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, LOSE_BYTES)
    print('listening on %s:%d' % listener.getsockname())
    conn, address = listener.accept()  # its socket has the same filter
    with conn:
        print('accepted %s:%d' % address)
        threading.Timer(1, conn.setsockopt, [socket.SOL_SOCKET, SO_DETACH_FILTER, 0]).start()
        while chunk := conn.recv(1024):
            print('read %d bytes: %s' % (len(chunk), chunk.decode()))
        print("read b'': the other side will send no more")
