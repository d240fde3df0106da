#!/usr/bin/env python3
# A peer whose process ends with bytes unread: its system resets the connection. Arguments: [PORT]
import socket
import sys
import time

conn = socket.create_connection(('127.0.0.1', int((sys.argv + [9999])[1])))
time.sleep(0.1)  # the welcome is in the buffer by now
print('the welcome is here, and nobody reads it')
