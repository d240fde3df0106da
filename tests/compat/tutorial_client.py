"""The greeting client of a socket tutorial: three names, then exit.

usage: tutorial_client.py [PORT]   (9999)
"""
import socket
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(('127.0.0.1', port))
print(client.recv(1024).decode('utf-8'))
for name in [b'Michael', b'Tracy', b'Sarah']:
    client.send(name)
    print(client.recv(1024).decode('utf-8'))
client.send(b'exit')
client.close()
