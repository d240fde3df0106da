"""The tutorial's greeting server: a thread for each connection, without its sleep and prints."""
import socket
import threading


def serve(sock):
    sock.send(b"Welcome!")
    while True:
        data = sock.recv(1024)
        if not data or data.decode("utf-8") == "exit":
            break
        sock.send(("Hello, %s!" % data.decode("utf-8")).encode("utf-8"))
    sock.close()


s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.bind(("127.0.0.1", 0))
s.listen(4096)
print("127.0.0.1:%d" % s.getsockname()[1], flush=True)
while True:
    sock, address = s.accept()
    threading.Thread(target=serve, args=(sock,), daemon=True).start()
