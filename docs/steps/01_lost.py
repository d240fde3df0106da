#!/usr/bin/env python3
# 01_server.py on a bad network: for a second, whatever reaches its connection is lost. The
# kernel of the receiver throws the segments away (Linux; Deno has no such option).
import ctypes
import socket
import struct
import sys
import threading

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
KEEP_NOTHING = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))  # "return 0 bytes"
PROGRAM = struct.pack('HL', 1, ctypes.addressof(KEEP_NOTHING))  # a filter of one instruction

with socket.create_server(('127.0.0.1', int((sys.argv + [9999])[1]))) as listener:
    print('listening on %s:%d' % listener.getsockname())
    conn, address = listener.accept()
    with conn:
        print('accepted %s:%d, and the network is broken' % address)
        conn.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, PROGRAM)
        threading.Timer(1, conn.setsockopt, [socket.SOL_SOCKET, SO_DETACH_FILTER, 0]).start()
        while chunk := conn.recv(1024):
            print('read %d bytes: %s' % (len(chunk), chunk.decode()))
        print("read b'': the other side will send no more")
