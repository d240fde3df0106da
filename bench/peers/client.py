"""Greets PORT as often as COUNT says and checks every reply, on a plain socket."""
import socket
import sys

port, count = map(int, sys.argv[1:])
s = socket.create_connection(("127.0.0.1", port))


def expect(text):
    got = b""
    while len(got) < len(text):
        piece = s.recv(1024)
        if not piece:
            break
        got += piece
    if got != text:
        sys.exit("wrong reply")


expect(b"Welcome!")
for i in range(count):
    name = b"Michael%d" % i
    s.sendall(name)
    expect(b"Hello, " + name + b"!")
s.sendall(b"exit")
expect(b"")
