#!/usr/bin/env python3
# What happens to the borders of messages, and of characters, on the way.
import codecs
import socket
import time

listener = socket.create_server(('127.0.0.1', 0))


def reads(size, *writes):
    """What a reader with a buffer of `size` bytes reads of what `writes` sent."""
    with socket.create_connection(listener.getsockname()) as sender:
        receiver, _ = listener.accept()
        with receiver:
            for text in writes:
                sender.sendall(text.encode())
            sender.shutdown(socket.SHUT_WR)
            time.sleep(0.1)  # the reader was busy: all has arrived
            return list(iter(lambda: receiver.recv(size), b''))


def alone(part):
    return part.decode(errors='replace')


def show(texts):
    return ' '.join('"%s"' % text for text in texts)


joined = reads(1024, 'Ada', 'Bob')
print('2 writes, %d read: Hello, %s!' % (len(joined), ','.join(map(alone, joined))))

split = reads(1024, 'x' * 3000)
print('1 write, %d reads: %s bytes' % (len(split), ' + '.join(str(len(p)) for p in split)))

cut = reads(4, '小明')  # three bytes each in UTF-8
print('each read decoded alone:      ' + show(map(alone, cut)))

decoder = codecs.getincrementaldecoder('utf-8')()
print('decoded as a stream:          ' + show(map(decoder.decode, cut)))
