"""The tutorial's HTTP GET: all of the answer in a list, then in a file."""
import socket
import sys
from urllib.parse import urlsplit

url, file = sys.argv[1:]
parts = urlsplit(url)
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect((parts.hostname, parts.port))
request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
s.send(request.encode())
pieces = []
while True:
    piece = s.recv(1024)
    if not piece:
        break
    pieces.append(piece)
s.close()
head, body = b"".join(pieces).split(b"\r\n\r\n", 1)
print(head.decode())
with open(file, "wb") as f:
    f.write(body)
